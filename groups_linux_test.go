package tutti_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tutti-run/tutti"
	"github.com/tutti-run/tutti/topo"
)

// Volley goes back and forth between two functions, each of which calls the other: N
// more times, and then it stands at a gate, if it has one.
type Volley struct {
	N    int
	Gate string
}

// Ping and Pong are for two groups.
var Ping, Pong *tutti.Func[Volley, int]

// Hog takes so many bytes of memory of its own.
var Hog = tutti.NewFunc("test.hog", func(_ context.Context, n int) (int, error) {
	b, err := unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return 0, err
	}
	return len(b), unix.Munmap(b)
})

func init() {
	volley := func(to **tutti.Func[Volley, int]) func(context.Context, Volley) (int, error) {
		return func(ctx context.Context, v Volley) (int, error) {
			if v.Gate != "" {
				if err := stand(ctx, Visit{v.Gate, v.N}); err != nil {
					return 0, err
				}
			}
			if v.N == 0 {
				return 1, nil
			}
			n, err := (*to).Call(ctx, tutti.FromContext(ctx), Volley{N: v.N - 1})
			return n + 1, err
		}
	}
	Ping = tutti.NewFunc("test.ping", volley(&Pong))
	Pong = tutti.NewFunc("test.pong", volley(&Ping))
}

// pingPong are two groups, of a function each; the first takes all others, too.
func pingPong(first, second int) []tutti.Group {
	return []tutti.Group{
		{Name: "rest", Count: first, Env: []string{"KIND=rest", "NUMBER={%}", "DEVICE=d{%0}"}},
		{Name: "pong", Count: second, Env: []string{"KIND=pong", "NUMBER={%}"}, Takes: []string{"test.pong", "test.environ"}},
	}
}

// Each function runs in its group, with its environment.
func TestGroupsTakeTheirFunctions(t *testing.T) {
	t.Parallel()
	for _, policy := range []string{"", "round-robin", "earliest-deadline"} {
		pool := open(t, tutti.Config{Groups: pingPong(2, 2), Policy: policy})
		seen := map[string]bool{}
		for env, err := range Environ.Map(t.Context(), pool, count(100)) {
			if err != nil || !slices.Contains(env, "KIND=pong") {
				t.Fatalf("%v in %v", err, env)
			}
			seen[env[slices.IndexFunc(env, func(kv string) bool { return strings.HasPrefix(kv, "NUMBER=") })]] = true
		}
		for number := range seen {
			if number != "NUMBER=1" && number != "NUMBER=2" {
				t.Errorf("%q", number)
			}
		}
		for i := range 2 { // with the others' affinity, too
			got, err := Shell.Call(t.Context(), pool, "echo $KIND $NUMBER $DEVICE", tutti.Affinity(i+3))
			if err != nil || got != "rest 1 d0\n" && got != "rest 2 d1\n" {
				t.Errorf("%q, %v", got, err)
			}
		}
	}
}

// Calls from group to group and back, to any depth, also when all workers of both wait
// for each other.
func TestGroupsCallEachOther(t *testing.T) {
	t.Parallel()
	for _, policy := range []string{"", "round-robin", "shortest-first"} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			for _, lanes := range []int{1, 2} {
				pool := open(t, tutti.Config{Groups: pingPong(1, 1), Policy: policy, TasksPerWorker: lanes})
				for round := range 3 {
					g := newGate(t)
					var futures []*tutti.Future[int]
					for range lanes { // all lanes of both are in a task before any of them calls
						for _, f := range []*tutti.Func[Volley, int]{Ping, Pong} {
							future, err := f.Go(t.Context(), pool, Volley{5, g.path})
							if err != nil {
								t.Fatal(err)
							}
							futures = append(futures, future)
						}
					}
					for _, guest := range g.await(2 * lanes) {
						guest.letGo()
					}
					for _, f := range futures {
						if n, err := f.Wait(t.Context()); err != nil || n != 6 {
							t.Errorf("round %d: %d, %v", round, n, err)
						}
					}
				}
			}
		})
	}
}

// A call that finds the pool full and may not run in place is an error, and no deadlock.
func TestForeignCallInAFullPool(t *testing.T) {
	t.Parallel()
	pool := open(t, tutti.Config{Groups: pingPong(1, 1), Tasks: 64})
	g := newGate(t)
	first, err := Ping.Go(t.Context(), pool, Volley{1, g.path})
	if err != nil {
		t.Fatal(err)
	}
	guest := g.await(1)[0]
	var others []*tutti.Future[int]
	for {
		f, err := Echo.Go(t.Context(), pool, len(others), tutti.NoWait())
		if errors.Is(err, tutti.ErrFull) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		others = append(others, f)
	}
	guest.letGo()
	if _, err := first.Wait(t.Context()); !errors.Is(err, tutti.ErrFull) || !strings.Contains(err.Error(), "Config.Tasks") {
		t.Errorf("%v", err)
	}
	for i, f := range others {
		if n, err := f.Wait(t.Context()); err != nil || n != i {
			t.Errorf("%d: %d, %v", i, n, err)
		}
	}
}

// A group whose workers cannot live fails what it alone takes; the others go on.
func TestDeadGroup(t *testing.T) {
	t.Parallel()
	var said lines
	pool := open(t, tutti.Config{Groups: pingPong(1, 1), MaxRestarts: 1, Stderr: &said})
	pong := func() int { return pool.Stats().Workers[1].PID }
	for n := 0; ; n++ { // an idle worker's death counts against its group
		if pid := pong(); pid != 0 {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
		if _, err := Echo.Call(t.Context(), pool, n); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(said.String(), "die too often") {
			break
		}
	}
	if _, err := Pong.Call(t.Context(), pool, Volley{}); !errors.Is(err, tutti.ErrGroupDead) || !strings.Contains(err.Error(), `group "pong"`) {
		t.Errorf("%v", err)
	}
	if _, err := Ping.Call(t.Context(), pool, Volley{N: 1}); !errors.Is(err, tutti.ErrGroupDead) {
		t.Errorf("a nested call: %v", err)
	}
	if n, err := Echo.Call(t.Context(), pool, 7); err != nil || n != 7 {
		t.Errorf("the other group: %d, %v", n, err)
	}
}

func TestGroupsPin(t *testing.T) {
	t.Parallel()
	allowed, err := topo.Affinity()
	if err != nil {
		t.Fatal(err)
	}
	last := allowed[len(allowed)-1]
	pool := open(t, tutti.Config{Groups: []tutti.Group{{Name: "one", Count: 2, CPUs: []int{last}}}})
	for _, cpus := range boundTo(t, pool) {
		if !slices.Equal(cpus, []int{last}) {
			t.Errorf("%v, want CPU %d", cpus, last)
		}
	}
	pinned := open(t, tutti.Config{Pin: true, Groups: []tutti.Group{{Name: "all", Count: len(allowed), CPUs: allowed}}})
	seen := map[int]bool{}
	for _, cpus := range boundTo(t, pinned) {
		if len(cpus) == 1 {
			seen[cpus[0]] = true
		}
	}
	if len(seen) != len(allowed) {
		t.Errorf("pinned to %v of %v", seen, allowed)
	}
}

// A limit holds in the worker and in what it starts, and in its group alone.
func TestGroupMemory(t *testing.T) {
	t.Parallel()
	if raceDetector {
		t.Skip("the race detector takes more memory than the limit")
	}
	pool := open(t, tutti.Config{Groups: []tutti.Group{
		{Name: "small", Count: 1, Memory: tutti.GroupMemoryMin, Takes: []string{"test.hog", "test.shell"}},
		{Name: "rest", Count: 1},
	}})
	if n, err := Hog.Call(t.Context(), pool, 1<<20); err != nil || n != 1<<20 {
		t.Errorf("%d, %v", n, err)
	}
	if _, err := Hog.Call(t.Context(), pool, 300<<20); !errors.Is(err, unix.ENOMEM) {
		t.Errorf("%v", err)
	}
	if got, err := Shell.Call(t.Context(), pool, "ulimit -d"); err != nil || got != fmt.Sprintln(tutti.GroupMemoryMin>>10) {
		t.Errorf("%q, %v", got, err)
	}
}

func TestGroupErrors(t *testing.T) {
	t.Parallel()
	one := func(edit func(*tutti.Group)) tutti.Config {
		g := tutti.Group{Name: "g", Count: 1}
		edit(&g)
		return tutti.Config{Groups: []tutti.Group{g}}
	}
	node := 1 << 20
	for says, c := range map[string]tutti.Config{
		`Config.Arch is "numa"`:                   {Arch: "numa"},
		"Config.Groups needs AMP":                 {Arch: tutti.SMP, Groups: pingPong(1, 1)},
		"Config.Workers is 3 and the groups have": {Workers: 3, Groups: pingPong(1, 1)},
		"needs a name of its own":                 one(func(g *tutti.Group) { g.Name = "" }),
		"has a Count of 0":                        one(func(g *tutti.Group) { g.Count = 0 }),
		"has a Memory of 1 bytes":                 one(func(g *tutti.Group) { g.Memory = 1 }),
		"NAME=value is meant":                     one(func(g *tutti.Group) { g.Env = []string{"X"} }),
		"no function of this name":                one(func(g *tutti.Group) { g.Takes = []string{"test.none"} }),
		"takes no function":                       one(func(g *tutti.Group) { g.Takes = []string{} }),
		"no group takes function":                 one(func(g *tutti.Group) { g.Takes = []string{"test.ping"} }),
		"run on CPU 100000":                       one(func(g *tutti.Group) { g.CPUs = []int{100000} }),
		"an empty list of CPUs":                   one(func(g *tutti.Group) { g.CPUs = []int{} }),
		"on NUMA node 1048576":                    one(func(g *tutti.Group) { g.Node = &node }),
		"both CPUs and a Node":                    one(func(g *tutti.Group) { g.Node, g.CPUs = &node, []int{0} }),
		`workers of group "g" die too often`:      one(func(g *tutti.Group) { g.Env = []string{envExit + "=1"} }),
	} {
		pool, err := tutti.Open(t.Context(), c)
		if err == nil {
			_ = pool.Close()
		}
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want %q", err, says)
		}
	}
}
