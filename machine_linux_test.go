package tutti_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tutti-run/tutti"
	"github.com/tutti-run/tutti/topo"
)

// Threads tells how many threads of Go run at once in a worker.
var Threads = tutti.NewFunc("test.threads", func(context.Context, int) (int, error) { return runtime.GOMAXPROCS(0), nil })

// A worker has its share of the CPUs, and at least one.
func TestWorkersShareTheCPUs(t *testing.T) {
	t.Parallel()
	machine, err := topo.Detect()
	if err != nil {
		t.Fatal(err)
	}
	cpus := machine.Parallelism()
	for _, workers := range []int{1, cpus, 2 * cpus} {
		pool := open(t, tutti.Config{Workers: workers})
		if n, err := Threads.Call(t.Context(), pool, 0); n != max(1, cpus/workers) || err != nil {
			t.Errorf("%d workers on %d CPUs: GOMAXPROCS is %d (%v)", workers, cpus, n, err)
		}
	}
}

// With one CPU everything still works: a part of this suite runs again where
// affinity leaves one, where the zero Config means one worker.
func TestOneCPU(t *testing.T) {
	t.Parallel()
	if os.Getenv("TUTTI_TEST_ONE_CPU") != "" {
		pool, err := tutti.Open(t.Context(), tutti.Config{})
		if err != nil {
			t.Fatal(err)
		}
		defer pool.Close()
		if pool.Workers() != 1 {
			t.Errorf("%d workers on one CPU", pool.Workers())
		}
		return
	}
	taskset, err := exec.LookPath("taskset")
	if err != nil {
		t.Skip("taskset is not installed")
	}
	cpus, err := topo.Affinity()
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(taskset, "-c", strconv.Itoa(cpus[0]), self, "-test.timeout=60s",
		"-test.run=^(TestOneCPU|TestFibonacci|TestMapKeepsTheOrder|TestMapsSideBySideAndNested|TestOneSlowHead|Example.*)$")
	cmd.Env = append(os.Environ(), "TUTTI_TEST_ONE_CPU=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// Where the address space is limited, the zero Config makes a pool that fits.
func TestLittleAddressSpace(t *testing.T) {
	t.Parallel()
	if raceDetector {
		t.Skip("the race detector maps terabytes")
	}
	if os.Getenv("TUTTI_TEST_ADDRESSES") != "" {
		pool, err := tutti.Open(t.Context(), tutti.Config{})
		if err != nil {
			t.Fatal(err)
		}
		defer pool.Close()
		if n, err := Echo.Call(t.Context(), pool, 5); n != 5 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
		return
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/bin/sh", "-c", `ulimit -v 4000000 && exec "$0" -test.timeout=60s '-test.run=^TestLittleAddressSpace$'`, self)
	cmd.Env = append(os.Environ(), "TUTTI_TEST_ADDRESSES=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// Procs tells what the variable GOMAXPROCS is in a worker.
var Procs = tutti.NewFunc("test.procs", func(context.Context, int) (string, error) {
	value, found := os.LookupEnv("GOMAXPROCS")
	return fmt.Sprint(found, " ", value), nil
})

// A worker gets its number of threads by GOMAXPROCS, and what it starts sees of that
// variable what the pool's environment says.
func TestProcsAreRestored(t *testing.T) {
	t.Parallel()
	for want, more := range map[string][]string{"false ": nil, "true 7": {"GOMAXPROCS=7"}, "true ": {"GOMAXPROCS="}} {
		env := slices.DeleteFunc(os.Environ(), func(kv string) bool { return strings.HasPrefix(kv, "GOMAXPROCS=") })
		pool := open(t, tutti.Config{Workers: 1, Env: append(env, more...)})
		if got, err := Procs.Call(t.Context(), pool, 0); got != want || err != nil {
			t.Errorf("%q, want %q: %v", got, want, err)
		}
	}
}
