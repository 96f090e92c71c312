package tutti_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tutti-run/tutti"
	"github.com/tutti-run/tutti/sched"
)

// Barren is a policy whose function forgets to make one.
var Barren = tutti.RegisterPolicy("test.barren", func() sched.Policy { return nil })

// Unlike is a policy that the master has and its workers lack where the
// environment says so.
var Unlike = func() string {
	if os.Getenv(envLack) != "" {
		return "test.unlike"
	}
	return tutti.RegisterPolicy("test.unlike", func() sched.Policy { return sched.NewWorkStealing() })
}()

// architectures are those under which everything must hold.
var architectures = []tutti.Arch{tutti.SMP, tutti.AMP}

// eachPolicy is each policy of package sched, and others, under each architecture.
func eachPolicy(others ...string) (all []tutti.Config) {
	for _, name := range append(sched.Names(nil), others...) {
		for _, arch := range architectures {
			all = append(all, tutti.Config{Policy: name, Arch: arch})
		}
	}
	return all
}

// hintsOf gives a task of Fatal some of everything that a policy may go by.
func hintsOf(d Fatal) tutti.Hints {
	return tutti.Hints{
		Priority: d.N%3 - 1, Expected: time.Duration(d.N%7) * time.Millisecond,
		Deadline: time.Now().Add(time.Duration(d.N%5-2) * time.Second), Locality: fmt.Sprint(d.N % 4),
	}
}

// Under each policy one task of many kills every worker that runs it, and fails;
// each of the others is delivered once, in a Map of tasks of one kind and in one of
// tasks with hints of their own.
func TestEachPolicyDeliversOnce(t *testing.T) {
	t.Parallel()
	for _, c := range eachPolicy(Express) {
		t.Run(c.Policy+" "+string(c.Arch), func(t *testing.T) {
			t.Parallel()
			c.Workers = 3
			pool := open(t, c)
			for _, opts := range [][]tutti.Option{nil, {tutti.PerTask(hintsOf)}} {
				file := filepath.Join(t.TempDir(), "f")
				seen := make([]int, 200)
				for done, err := range Die.MapCompleted(t.Context(), pool, func(yield func(Fatal) bool) {
					for i := range seen {
						d := Fatal{N: i}
						if i == 100 {
							d = Fatal{N: i, How: "exit", Until: 100, File: file}
						}
						if !yield(d) {
							return
						}
					}
				}, opts...) {
					seen[max(done.Index, 0)]++
					_, crashed := errors.AsType[*tutti.CrashError](err)
					if crashed != (done.Index == 100) || !crashed && (err != nil || done.Value != done.Index) {
						t.Errorf("task %d: %d, %v", done.Index, done.Value, err)
					}
				}
				for i, n := range seen {
					if n != 1 {
						t.Errorf("task %d was delivered %d times", i, n)
					}
				}
			}
		})
	}
}

// Tasks that wait for one worker start in the order of the policy, whether each is
// submitted by itself or all by a Map.
func TestPoliciesOrder(t *testing.T) {
	t.Parallel()
	now := time.Now()
	in := func(d time.Duration) tutti.Hints { return tutti.Hints{Deadline: now.Add(d)} }
	long := func(d time.Duration, priority int) tutti.Hints { return tutti.Hints{Expected: d, Priority: priority} }
	for policy, c := range map[string]struct {
		hints []tutti.Hints
		want  []int
	}{
		"longest-first":     {[]tutti.Hints{long(2, 0), long(0, 0), long(9, 0), long(5, 0), long(1, 3)}, []int{4, 2, 3, 0, 1}},
		"shortest-first":    {[]tutti.Hints{long(2, 0), long(0, 0), long(9, 0), long(5, 0), long(9, 3)}, []int{4, 0, 3, 2, 1}},
		"aged-priority":     {[]tutti.Hints{long(0, 0), long(0, -5000), long(0, 5000), long(0, 9000), long(0, 0)}, []int{3, 2, 0, 4, 1}},
		"earliest-deadline": {[]tutti.Hints{in(3 * time.Hour), {}, in(time.Hour), in(-time.Hour), in(2 * time.Hour)}, []int{2, 4, 0, 1, 3}},
	} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			for _, name := range []string{"calls smp", "map smp", "calls amp", "map amp"} {
				how, arch, _ := strings.Cut(name, " ")
				pool := open(t, tutti.Config{Policy: policy, Workers: 1, Arch: tutti.Arch(arch)})
				g := newGate(t)
				first, err := Meet.Go(t.Context(), pool, g.visit(-1))
				if err != nil {
					t.Fatal(err)
				}
				held := g.await(1)[0]
				hints := tutti.PerTask(func(v Visit) tutti.Hints { return c.hints[v.N] })
				ended := make(chan error, 1)
				if how == "calls" {
					for i := range c.hints {
						if _, err := Meet.Go(t.Context(), pool, g.visit(i), hints); err != nil {
							t.Fatal(err)
						}
					}
					ended <- nil
				} else {
					all := make(chan struct{})
					go func() {
						ended <- Meet.ForEach(t.Context(), pool, func(yield func(Visit) bool) {
							for i := range c.hints {
								if !yield(g.visit(i)) {
									return
								}
							}
							close(all) // the last was submitted
						}, hints)
					}()
					<-all
				}
				held.letGo()
				var got []int
				for range c.hints {
					guest := g.await(1)[0]
					got = append(got, guest.note.N)
					guest.letGo()
				}
				if !slices.Equal(got, c.want) {
					t.Errorf("%s: started %v, want %v", name, got, c.want)
				}
				if _, err := first.Wait(t.Context()); err != nil {
					t.Error(err)
				}
				if err := <-ended; err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// Config.InOrder stands above a policy's order.
func TestInOrderUnderEachPolicy(t *testing.T) {
	t.Parallel()
	for _, c := range eachPolicy() {
		t.Run(c.Policy+" "+string(c.Arch), func(t *testing.T) {
			t.Parallel()
			c.Workers, c.InOrder, c.Tasks = 1, true, 512
			pool := open(t, c)
			n := 0
			for c, err := range Nth.MapCompleted(t.Context(), pool, count(1_000), tutti.Window(50)) {
				if err != nil || c.Value != c.Index {
					t.Fatalf("task %d began as number %d (%v)", c.Index, c.Value, err)
				}
				n++
			}
			if n != 1_000 {
				t.Errorf("%d of 1,000 tasks", n)
			}
		})
	}
}

// Tasks that submit tasks and wait for them get through under each policy, also
// with one worker and a table that is too small for all.
func TestNestedUnderEachPolicy(t *testing.T) {
	t.Parallel()
	for _, c := range eachPolicy(Express) {
		t.Run(c.Policy+" "+string(c.Arch), func(t *testing.T) {
			t.Parallel()
			for _, workers := range []int{1, 3} {
				c.Workers, c.Tasks = workers, 64
				pool := open(t, c)
				if got, err := Fib.Call(t.Context(), pool, Fibonacci{9, "map"}); err != nil || got != 34 {
					t.Errorf("%d workers: %d, %v", workers, got, err)
				}
			}
		})
	}
}

func TestRegisterPolicyRefuses(t *testing.T) {
	t.Parallel()
	mine := func() sched.Policy { return sched.NewRoundRobin() }
	for says, register := range map[string]func(){
		"needs a name":            func() { tutti.RegisterPolicy("", mine) },
		"at most 32 bytes":        func() { tutti.RegisterPolicy(strings.Repeat("x", 33), mine) },
		"it is nil":               func() { tutti.RegisterPolicy("test.nil", nil) },
		"package sched has":       func() { tutti.RegisterPolicy("least-work", mine) },
		"two policies have this ": func() { tutti.RegisterPolicy(Express, mine) },
	} {
		func() {
			defer func() {
				if v := recover(); !strings.Contains(fmt.Sprint(v), says) || !strings.HasPrefix(fmt.Sprint(v), "tutti: RegisterPolicy(") {
					t.Errorf("%v, want %q", v, says)
				}
			}()
			register()
		}()
	}
}

func TestPolicyErrors(t *testing.T) {
	t.Parallel()
	for says, c := range map[string]tutti.Config{
		"did you mean express?":       {Policy: "expres"},
		"round-robin, shortest-first": {Policy: "fair"},
		"must return a new policy":    {Policy: Barren},
	} {
		pool, err := tutti.Open(t.Context(), c)
		if err == nil {
			_ = pool.Close()
		}
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%+v: %v, want %q", c.Policy, err, says)
		}
	}
	var said bytes.Buffer
	lacking := tutti.Config{Policy: Unlike, Workers: 1, Env: append(os.Environ(), envLack+"=1"), Stderr: &said}
	if pool, err := tutti.Open(t.Context(), lacking); err == nil {
		t.Error("a pool of workers that lack its policy is open")
		_ = pool.Close()
	} else if !strings.Contains(said.String(), "a worker must register, too") {
		t.Errorf("%v; a worker that lacks its policy says %q", err, said.String())
	}
	pool := open(t, tutti.Config{Workers: 1})
	for says, opt := range map[string]tutti.Option{
		"a time is above 0":      tutti.Expected(-1),
		`"test.echo" takes int;`: tutti.PerTask(func(string) tutti.Hints { return tutti.Hints{} }),
		"PerTask(nil)":           tutti.PerTask[int](nil),
	} {
		if _, err := Echo.Call(t.Context(), pool, 1, opt); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("Call: %v, want %q", err, says)
		}
		if err := Echo.ForEach(t.Context(), pool, count(2), opt); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("ForEach: %v, want %q", err, says)
		}
	}
}

// A policy that panics is its caller's panic, and the pool goes on.
func TestPolicyPanics(t *testing.T) {
	t.Parallel()
	pool := open(t, tutti.Config{Policy: Express, Workers: 1})
	func() {
		defer func() {
			if v := recover(); v != errBadTask {
				t.Errorf("%v", v)
			}
		}()
		_, _ = Echo.Call(context.Background(), pool, 1, tutti.Priority(badTask))
	}()
	if got, err := Echo.Call(t.Context(), pool, 7); err != nil || got != 7 {
		t.Errorf("%d, %v", got, err)
	}
}

// badTask is the priority of a task at which the policy Express panics.
const badTask = -99

var errBadTask = errors.New("the policy cannot bear it")
