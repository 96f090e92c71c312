package tutti_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/tutti-run/tutti"
	"github.com/tutti-run/tutti/topo"
)

// envCPUSet names the cpuset that the process is in.
const envCPUSet = "TUTTI_TEST_CPUSET"

// A CPU is taken out of the cpuset of a pool while tasks run, and given back: its worker
// moves to another CPU, and home again. The pool runs in a cpuset of its own.
func TestCPUsComeAndGo(t *testing.T) {
	t.Parallel()
	if folder := os.Getenv(envCPUSet); folder != "" {
		comeAndGo(t, folder)
		return
	}
	allowed, err := topo.Affinity()
	if err != nil || len(allowed) < 2 {
		t.Skipf("it takes two CPUs, and there are %v", allowed)
	}
	group := cpusetGroup(t, allowed[:2])
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/bin/sh", "-c", `echo $$ > "$0" && exec "$1" -test.timeout=60s -test.run='^TestCPUsComeAndGo$'`,
		filepath.Join(group, "cgroup.procs"), self)
	cmd.Env = append(os.Environ(), envCPUSet+"="+group)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func comeAndGo(t *testing.T, folder string) {
	both, err := topo.Affinity()
	if err != nil || len(both) != 2 {
		t.Fatalf("in a cpuset of two CPUs there are %v: %v", both, err)
	}
	pool := open(t, tutti.Config{Workers: 2, Pin: true})
	home := boundTo(t, pool)
	slices.SortFunc(home, slices.Compare)
	if want := [][]int{both[:1], both[1:]}; !slices.EqualFunc(home, want, slices.Equal) {
		t.Fatalf("two workers are bound to %v, and each should be to one of %v", home, both)
	}
	// What the kernel does with those that were bound to a CPU that is gone, and whether it
	// binds them again, depends on its version. Of the master's own mask it tells nobody.
	for _, change := range []func(cpus []int){
		func(cpus []int) { setCPUs(t, folder, cpus) },
		func(cpus []int) {
			if err := topo.PinProcess(cpus...); err != nil {
				t.Fatal(err)
			}
		},
	} {
		for _, cpus := range [][]int{both[:1], both, both[1:], both} {
			change(cpus)
			// That the tasks of boundTo end is that work goes on. A worker that never moves
			// ends the test by its time limit.
			for !stay(boundTo(t, pool), cpus) {
			}
		}
	}
}

// stay reports whether each of the workers is bound to one CPU, and all of cpus are used.
func stay(bound [][]int, cpus []int) bool {
	var used []int
	for _, b := range bound {
		if len(b) != 1 {
			return false
		}
		used = append(used, b[0])
	}
	slices.Sort(used)
	return slices.Equal(slices.Compact(used), cpus)
}

// cpusetGroup makes a cpuset, of either version of cgroups.
func cpusetGroup(t *testing.T, cpus []int) string {
	t.Helper()
	for _, root := range []string{"/sys/fs/cgroup/cpuset", "/sys/fs/cgroup"} {
		if _, err := os.Stat(filepath.Join(root, "cpuset.cpus.effective")); err != nil {
			if _, err := os.Stat(filepath.Join(root, "cpuset.effective_cpus")); err != nil {
				continue
			}
		}
		folder := filepath.Join(root, "tutti-test-"+strconv.Itoa(os.Getpid()))
		if err := os.Mkdir(folder, 0o755); err != nil {
			t.Skipf("no cpuset can be made here: %v", err)
		}
		t.Cleanup(func() {
			if err := os.Remove(folder); err != nil {
				t.Error(err)
			}
		})
		if _, err := os.Stat(filepath.Join(folder, "cpuset.cpus")); errors.Is(err, fs.ErrNotExist) {
			t.Skip("cpusets are not enabled for groups made here")
		}
		setCPUs(t, folder, cpus)
		if mems, err := os.ReadFile(filepath.Join(root, "cpuset.mems")); err == nil { // the first version needs them
			if err := os.WriteFile(filepath.Join(folder, "cpuset.mems"), mems, 0); err != nil {
				t.Fatal(err)
			}
		}
		return folder
	}
	t.Skip("there are no cpusets here")
	return ""
}

func setCPUs(t *testing.T, folder string, cpus []int) {
	t.Helper()
	var text string
	for _, cpu := range cpus {
		text += fmt.Sprint(cpu, ",")
	}
	if err := os.WriteFile(filepath.Join(folder, "cpuset.cpus"), []byte(text[:len(text)-1]), 0); err != nil {
		t.Fatal(err)
	}
}
