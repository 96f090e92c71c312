package whatif

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/tutti-run/tutti/sched"
	"github.com/tutti-run/tutti/sim"
)

// Machine is what the work is to run on.
type Machine struct {
	Name  string
	CPUs  []sim.CPU // none: as many as a run asks for, equal ones
	Costs Costs
	// SharedCore is how many times as long a task takes beside another on its core; 0
	// is 1. The lengths of tasks are then those that they have alone on a core.
	SharedCore float64
}

// Costs are what the engine's steps cost on a machine.
type Costs struct {
	sim.Costs              // but for Assign, which is 0: see Assignment
	Assignment sim.Span    // of the master of AMP, for each look in the place of a worker
	Transfer   [5]sim.Span // of a cache line, by distance: see sim.Coherence
	Process    sim.Span    // what passes between commands of a job slot, beside the times that their log has
}

// UsualCosts are like those of a machine of today; tutti sim --calibrate measures
// them.
var UsualCosts = Costs{
	Costs: sim.Costs{
		Submit: 30, Dispatch: 30, Wake: 5 * sim.Microsecond, StealNear: 100, StealFar: 400,
		Notice: sim.Millisecond, Start: 2 * sim.Millisecond,
	},
	Assignment: 250,
	Transfer:   [5]sim.Span{90, 10, 30, 60, 150},
	Process:    100 * sim.Microsecond,
}

// A usual machine: so many cores of one thread share a cache, and so many caches a
// NUMA node.
const (
	usualCores  = 8
	usualCaches = 8
)

// check says what is impossible of a machine. The rest is checked by package sim.
func (m *Machine) check() error {
	if p := m.Costs.Process; p < 0 || p > sim.Hour {
		return fmt.Errorf("starting a process takes %d ns: 0 to an hour are possible", p)
	}
	if f := m.SharedCore; f != 0 && !(f >= 1 && f <= slowMost) {
		return fmt.Errorf("tasks take %v times as long on a shared core: 1 to %g are possible", f, float64(slowMost))
	}
	if a := m.Costs.Assignment; a < 1 || a > sim.Hour {
		return fmt.Errorf("an assignment takes %d ns: 1 to an hour are possible", a)
	}
	return nil
}

// Size is how many CPUs the machine has; 0 as many as one asks for.
func (m *Machine) Size() int { return len(m.CPUs) }

// first is n CPUs of the machine.
func (m *Machine) first(n int) ([]sim.CPU, error) {
	switch {
	case n < 1 || n > sim.CPUsMax:
		return nil, fmt.Errorf("a machine with %d CPUs: 1 to %d are possible", n, sim.CPUsMax)
	case len(m.CPUs) == 0:
		whole := (n + usualCores*usualCaches - 1) / (usualCores * usualCaches)
		return sim.Grid(whole, usualCaches, usualCores, 1)[:n], nil
	case n > len(m.CPUs):
		return nil, fmt.Errorf("machine %s has %d CPUs and %d were asked for: ask for fewer, or leave the machine out", m.Name, len(m.CPUs), n)
	}
	return m.CPUs[:n], nil
}

// machineFile is a machine as its file has it.
type machineFile struct {
	Name    string     `json:"name"`
	Nodes   int        `json:"nodes"`   // NUMA nodes
	Caches  int        `json:"caches"`  // last-level caches of a node
	Cores   int        `json:"cores"`   // of a cache
	Threads int        `json:"threads"` // of a core
	Shared  float64    `json:"shared_core"`
	CPUs    []cpuFile  `json:"cpus"` // in place of these four
	Costs   *CostsFile `json:"costs"`
}

// cpuFile is a CPU, or several that are alike but for their core.
type cpuFile struct {
	Count int     `json:"count"` // 1 by default
	Speed float64 `json:"speed"` // 1 is the fastest, the default
	Core  *int    `json:"core"`  // those with the same number are threads of one; by default each is a core
	Cache int     `json:"cache"`
	Node  int     `json:"node"`
}

// CostsFile is Costs as a file has them, in nanoseconds. What is left out is usual.
type CostsFile struct {
	Submit    *int64 `json:"submit_ns,omitempty"`
	Wake      *int64 `json:"wake_ns,omitempty"`
	Dispatch  *int64 `json:"dispatch_ns,omitempty"`
	StealNear *int64 `json:"steal_near_ns,omitempty"`
	StealFar  *int64 `json:"steal_far_ns,omitempty"`
	Notice    *int64 `json:"notice_ns,omitempty"`
	Start     *int64 `json:"start_ns,omitempty"`
	Process   *int64 `json:"process_ns,omitempty"`
	Assign    *int64 `json:"assign_ns,omitempty"`
	// Transfer is of a cache line: from memory, the same core, the same cache, the
	// same NUMA node, and from another.
	Transfer *[5]int64 `json:"transfer_ns,omitempty"`
}

// NewCostsFile is costs as a file has them, but for what is not measured: the
// assignment and the transfers of cache lines.
func NewCostsFile(c Costs) *CostsFile {
	ns := func(s sim.Span) *int64 { v := int64(s); return &v }
	return &CostsFile{
		Submit: ns(c.Submit), Wake: ns(c.Wake), Dispatch: ns(c.Dispatch), StealNear: ns(c.StealNear),
		StealFar: ns(c.StealFar), Notice: ns(c.Notice), Start: ns(c.Start), Process: ns(c.Process),
	}
}

// over returns costs in which what the file has takes the place of what was there.
func (f *CostsFile) over(c Costs) Costs {
	if f == nil {
		return c
	}
	for _, x := range []struct {
		from *int64
		to   *sim.Span
	}{
		{f.Submit, &c.Submit}, {f.Wake, &c.Wake}, {f.Dispatch, &c.Dispatch}, {f.StealNear, &c.StealNear},
		{f.StealFar, &c.StealFar}, {f.Notice, &c.Notice}, {f.Start, &c.Start}, {f.Process, &c.Process}, {f.Assign, &c.Assignment},
	} {
		if x.from != nil {
			*x.to = sim.Span(*x.from)
		}
	}
	if f.Transfer != nil {
		for i, ns := range f.Transfer {
			c.Transfer[i] = sim.Span(ns)
		}
	}
	return c
}

// ParseCosts reads a file of costs; what it leaves out is that of base.
func ParseCosts(text []byte, base Costs) (Costs, error) {
	var f CostsFile
	if err := strict(text, &f); err != nil {
		return base, err
	}
	return f.over(base), nil
}

// ParseMachine reads a machine's file, JSON. Costs that it leaves out are those of base.
func ParseMachine(text []byte, name string, base Costs) (Machine, error) {
	var f machineFile
	if err := strict(text, &f); err != nil {
		return Machine{}, fmt.Errorf("machine %s: %w", name, err)
	}
	m := Machine{Name: name, Costs: f.Costs.over(base), SharedCore: f.Shared}
	if f.Name != "" {
		m.Name = f.Name
	}
	var err error
	if m.CPUs, err = f.cpus(); err == nil {
		err = m.check()
	}
	if err != nil {
		return Machine{}, fmt.Errorf("machine %s: %w", name, err)
	}
	return m, nil
}

// strict reads JSON and knows every name in it.
func strict(text []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("it is not as it should be: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the JSON: one object is all there may be")
	}
	return nil
}

// cpus are the CPUs that a file describes in either way.
func (f *machineFile) cpus() ([]sim.CPU, error) {
	grid := [...]int{f.Nodes, f.Caches, f.Cores, f.Threads}
	if len(f.CPUs) == 0 {
		n := 1
		for i, v := range grid {
			if v == 0 {
				v = 1
			}
			if grid[i] = v; v < 1 || v > sim.CPUsMax || n*v > sim.CPUsMax {
				return nil, fmt.Errorf("%d nodes of %d caches of %d cores of %d threads: each is 1 or more, and all are %d CPUs at most", f.Nodes, f.Caches, f.Cores, f.Threads, sim.CPUsMax)
			}
			n *= v
		}
		if f.Nodes+f.Caches+f.Cores+f.Threads == 0 {
			return nil, errors.New(`it has no CPUs: say "nodes", "caches", "cores" and "threads", or list "cpus"`)
		}
		return sim.Grid(grid[0], grid[1], grid[2], grid[3]), nil
	}
	if grid != [4]int{} {
		return nil, errors.New(`it lists "cpus" and says how many there are of "nodes", "caches", "cores" or "threads": leave one of the two out`)
	}
	var cpus []sim.CPU
	for i, c := range f.CPUs {
		if c.Count == 0 {
			c.Count = 1
		}
		if c.Speed == 0 {
			c.Speed = 1
		}
		if c.Count < 1 || len(cpus)+c.Count > sim.CPUsMax || !(c.Speed >= 1.0/sched.FullSpeed && c.Speed <= 1) || c.Core != nil && *c.Core < 0 {
			return nil, fmt.Errorf("entry %d of \"cpus\" is %d CPUs of speed %v: there are 1 to %d in all, a speed is above 0 and at most 1, the fastest, and a core's number is 0 or more", i+1, c.Count, c.Speed, sim.CPUsMax)
		}
		for range c.Count {
			core := -1 - len(cpus) // of its own
			if c.Core != nil {
				core = *c.Core
			}
			cpus = append(cpus, sim.CPU{Speed: max(1, int(c.Speed*sched.FullSpeed)), Core: core, Cache: c.Cache, Node: c.Node})
		}
	}
	return cpus, nil
}
