package tutti_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/tutti-run/tutti"
)

// deaths are the ways to take the worker along, by name.
var deaths = map[string]func(){
	"exit":     func() { os.Exit(3) },
	"done":     func() { os.Exit(0) },
	"kill":     func() { _ = syscall.Kill(os.Getpid(), syscall.SIGKILL); select {} },
	"segv":     func() { _ = syscall.Kill(os.Getpid(), syscall.SIGSEGV); select {} },
	"panic":    func() { go panic("nobody recovers this"); select {} },
	"maps":     raceOnMap,
	"memory":   eat,
	"overflow": func() { fmt.Fprintln(os.Stderr, overflow(0)) },
}

func raceOnMap() {
	m := map[int]int{}
	for g := range 8 {
		go func() {
			for i := 0; ; i++ {
				m[g] = i
			}
		}()
	}
	select {}
}

//lint:ignore SA5007 it is to overflow the stack
func overflow(n int) int { return overflow(n+1) + n }

// Fatal is a task: in the attempts up to Until it dies of How, and it leaves a
// line in File whenever it is begun.
type Fatal struct {
	How   string
	Until int
	File  string
	N     int
}

var Die = tutti.NewFunc("test.die", func(ctx context.Context, d Fatal) (int, error) {
	if d.How == "" {
		return d.N, nil
	}
	f, err := os.OpenFile(d.File, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, err
	}
	info, _ := tutti.Info(ctx)
	if _, err = fmt.Fprintln(f, info.Attempt); err != nil {
		return 0, err
	}
	_ = f.Close()
	begun, err := os.ReadFile(d.File)
	if err != nil {
		return 0, err
	}
	if strings.Count(string(begun), "\n") <= d.Until {
		deaths[d.How]()
	}
	return d.N, nil
})

// begun returns the attempts that a Fatal task noted.
func begun(t *testing.T, file string) (attempts []int) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range strings.Fields(string(text)) {
		n, err := strconv.Atoi(word)
		if err != nil {
			t.Fatal(err)
		}
		attempts = append(attempts, n)
	}
	return attempts
}

func TestDeathsAreExplained(t *testing.T) {
	t.Parallel()
	for how, want := range map[string]struct {
		exit   int
		signal syscall.Signal
		trace  string
	}{
		"exit":     {exit: 3},
		"done":     {},
		"kill":     {exit: 137, signal: syscall.SIGKILL},
		"segv":     {exit: 2, trace: "SIGSEGV"},
		"panic":    {exit: 2, trace: "panic: nobody recovers this"},
		"maps":     {exit: 2, trace: "fatal error: concurrent map"},
		"overflow": {exit: 2, trace: "stack overflow"},
	} {
		if how == "maps" && raceDetector {
			continue // the detector reports it and goes on
		}
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			pool := open(t, tutti.Config{Workers: 1, Stderr: new(lines)})
			pid := pool.Stats().Workers[0].PID
			_, err := Die.Call(t.Context(), pool, Fatal{How: how, Until: 9, File: filepath.Join(t.TempDir(), "f")}, tutti.Retries(0))
			crash, ok := errors.AsType[*tutti.CrashError](err)
			task, _ := errors.AsType[*tutti.TaskError](err)
			if !ok || crash.Exit != want.exit || crash.Signal != want.signal || !strings.Contains(crash.Trace, want.trace) || crash.OOM {
				t.Fatalf("%v\n%+v", err, crash)
			}
			if crash.Worker != 1 || crash.PID != pid || crash.Attempt != 1 || task.Worker != 1 || task.Attempt != 1 || task.Func != "test.die" {
				t.Errorf("crash %+v, task %+v, process %d", crash, task, pid)
			}
			if strings.Contains(err.Error(), "\n") || crash.Status == "" {
				t.Errorf("is to say it in one line: %q (%q)", err, crash.Status)
			}
			if n, err := Die.Call(t.Context(), pool, Fatal{N: 5}); n != 5 || err != nil {
				t.Errorf("afterwards: %d, %v", n, err)
			}
			if w := pool.Stats().Workers[0]; w.Crashes != 1 || w.Restarts != 1 {
				t.Errorf("%d crashes, %d restarts", w.Crashes, w.Restarts)
			}
		})
	}
}

func TestRetries(t *testing.T) {
	t.Parallel()
	pool := open(t, tutti.Config{Workers: 1})
	for name, c := range map[string]struct {
		until   int // attempts that die
		opts    []tutti.Option
		attempt []int // that are begun
		dies    bool
	}{
		"first dies":              {1, nil, []int{1, 2}, false},
		"two die":                 {2, nil, []int{1, 2, 3}, false},
		"three die":               {3, nil, []int{1, 2, 3}, true},
		"no retry":                {1, []tutti.Option{tutti.Retries(0)}, []int{1}, true},
		"one of five":             {4, []tutti.Option{tutti.Retries(5)}, []int{1, 2, 3, 4, 5}, false},
		"at most once":            {1, []tutti.Option{tutti.AtMostOnce()}, []int{1}, true},
		"at most once, contained": {1, []tutti.Option{tutti.AtMostOnce(), tutti.Contained()}, []int{1}, true},
		"at most once and retry":  {1, []tutti.Option{tutti.Retries(3), tutti.AtMostOnce()}, []int{1}, true},
	} {
		file := filepath.Join(t.TempDir(), "f")
		n, err := Die.Call(t.Context(), pool, Fatal{How: "exit", Until: c.until, File: file, N: 7}, c.opts...)
		crash, died := errors.AsType[*tutti.CrashError](err)
		if died != c.dies || !c.dies && n != 7 {
			t.Errorf("%s: %d, %v", name, n, err)
		}
		if died && crash.Attempt != c.attempt[len(c.attempt)-1] {
			t.Errorf("%s: the error tells of attempt %d", name, crash.Attempt)
		}
		if got := begun(t, file); !slices.Equal(got, c.attempt) {
			t.Errorf("%s: begun as attempts %v", name, got)
		}
	}
	if _, err := Echo.Call(t.Context(), pool, 1); err != nil { // by now the worker is back
		t.Error(err)
	}
	if st := pool.Stats().Workers[0]; st.Crashes == 0 || st.Restarts != st.Crashes {
		t.Errorf("%d crashes, %d restarts", st.Crashes, st.Restarts)
	}
}

// One task of a thousand kills every worker that runs it. It fails, and each of
// the others is delivered once.
func TestPoisonHarmsNobody(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]tutti.Config{"one lane": {}, "four lanes": {TasksPerWorker: 4}, "round robin": {Policy: "round-robin"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := open(t, c)
			file := filepath.Join(t.TempDir(), "f")
			seen := make([]int, 1_000)
			for done, err := range Die.MapCompleted(t.Context(), pool, func(yield func(Fatal) bool) {
				for i := range 1_000 {
					d := Fatal{N: i}
					if i == 500 {
						d = Fatal{How: "exit", Until: 100, File: file}
					}
					if !yield(d) {
						return
					}
				}
			}) {
				seen[max(done.Index, 0)]++
				_, crashed := errors.AsType[*tutti.CrashError](err)
				if crashed != (done.Index == 500) || !crashed && (err != nil || done.Value != done.Index) {
					t.Errorf("task %d: %d, %v", done.Index, done.Value, err)
				}
			}
			for i, n := range seen {
				if n != 1 {
					t.Errorf("task %d was delivered %d times", i, n)
				}
			}
			if got := begun(t, file); got[len(got)-1] != 3 {
				t.Errorf("begun as attempts %v, the last is to be the third", got)
			}
		})
	}
}

// Workers killed from outside, again and again, cost no task.
func TestKilledWorkersCostNothing(t *testing.T) {
	t.Parallel()
	pool := open(t, tutti.Config{Workers: 2, MaxRestarts: 1000})
	const n = 3_000
	next := 0
	for got, err := range Echo.Map(t.Context(), pool, count(n), tutti.Retries(50), tutti.Window(100)) {
		if err != nil || got != next {
			t.Fatalf("task %d: %d, %v", next, got, err)
		}
		if next%500 == 250 {
			kill(t, pool, next/500%2)
		}
		next++
	}
	if next != n {
		t.Errorf("%d of %d", next, n)
	}
}

// kill ends a worker of a pool, if it has one just now.
func kill(t *testing.T, pool *tutti.Pool, i int) {
	t.Helper()
	if pid := pool.Stats().Workers[i].PID; pid > 0 {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			t.Error(err)
		}
	}
}

// count yields 0 to n-1.
func count(n int) func(func(int) bool) {
	return func(yield func(int) bool) {
		for i := range n {
			if !yield(i) {
				return
			}
		}
	}
}

// A pool whose workers die with no task to blame ends with an error that says so.
func TestDyingWorkersEndThePool(t *testing.T) {
	t.Parallel()
	pool := open(t, tutti.Config{Workers: 1, MaxRestarts: 2})
	g := newGate(t)
	f, err := Meet.Go(t.Context(), pool, g.visit(1), tutti.Retries(100))
	if err != nil {
		t.Fatal(err)
	}
	last := 0
	for range 3 { // these die with a task in hand: not their own deaths
		guest := g.await(1)[0]
		last = guest.note.PID
		if err := syscall.Kill(last, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		guest.gone()
	}
	g.await(1)[0].letGo()
	if n, err := f.Wait(t.Context()); n != 1 || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	for range 1_000_000 {
		st := pool.Stats().Workers
		if len(st) == 0 {
			break
		}
		if pid := st[0].PID; pid != last && pid > 0 && st[0].Ready {
			last = pid
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		if _, err = Echo.Call(t.Context(), pool, 1); err != nil {
			break
		}
	}
	if err == nil || !strings.Contains(err.Error(), "too often") {
		t.Errorf("the pool ended with %v", err)
	}
	if _, again := Echo.Call(t.Context(), pool, 1); again == nil || again.Error() != err.Error() {
		t.Errorf("later: %v", again)
	}
}

// lines collects what workers print.
type lines struct {
	mu   sync.Mutex
	text []string
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, string(b))
	return len(b), nil
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.text, "")
}
