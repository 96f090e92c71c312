package cli

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/tutti-run/tutti/internal/whatif"
	"github.com/tutti-run/tutti/topo"
)

// The pair that shares the most, and one that shares no cache, where there are any.
func TestPairsOfCPUs(t *testing.T) {
	t.Parallel()
	cpu := func(id, core, l3, node int) topo.CPU { return topo.CPU{ID: id, Core: core, L3: l3, Node: node} }
	for _, c := range []struct {
		cpus      []topo.CPU
		near, far []int
	}{
		{[]topo.CPU{cpu(0, 0, 0, 0)}, nil, nil},
		{[]topo.CPU{cpu(0, 0, 0, 0), cpu(3, 0, 0, 0)}, []int{0, 3}, nil},
		{[]topo.CPU{cpu(0, 0, 0, 0), cpu(1, 1, 1, 0), cpu(2, 2, 1, 0)}, []int{1, 2}, []int{0, 1}},
		{[]topo.CPU{cpu(0, 0, 0, 0), cpu(1, 1, 1, 0), cpu(2, 2, 2, 1)}, []int{0, 1}, []int{0, 2}},
	} {
		if near, far := pairs(&topo.Machine{CPUs: c.cpus}); !slices.Equal(near, c.near) || !slices.Equal(far, c.far) {
			t.Errorf("of %v: %v and %v, want %v and %v", c.cpus, near, far, c.near, c.far)
		}
	}
}

// What passes between commands is what no command's own time explains.
func TestBetweenCommands(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "log")
	log := "Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand\n" +
		"1\t:\t1700000000.000\t     0.010\t0\t0\t0\t0\ta\n" +
		"2\t:\t1700000000.012\t     0.010\t0\t0\t0\t0\tb\n" +
		"3\t:\t1700000000.026\t     0.010\t0\t0\t0\t0\tc\n"
	if err := os.WriteFile(name, []byte(log), 0o600); err != nil {
		t.Fatal(err)
	}
	if ns, err := betweenCommands(name); err != nil || ns != int64(3*time.Millisecond) {
		t.Errorf("%d ns, %v", ns, err)
	}
	if _, err := betweenCommands(name + "x"); err == nil {
		t.Error("a log that is not there was read")
	}
}

// Costs that are stored are read again, and a file that is there is replaced.
func TestStoredCosts(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "new", "costs.json")
	costs := whatif.UsualCosts
	for i := range 2 {
		costs.Wake += 7
		if err := storeCosts(name, costs); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		// What is not measured is not stored.
		rest := whatif.Costs{Assignment: costs.Assignment, Transfer: costs.Transfer}
		if got, err := whatif.ParseCosts(text, rest); err != nil || got != costs {
			t.Errorf("write %d: %+v, %v", i, got, err)
		}
	}
	if left, err := os.ReadDir(filepath.Dir(name)); err != nil || len(left) != 1 {
		t.Errorf("%v, %v", left, err)
	}
}
