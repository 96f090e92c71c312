package tutti

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tutti-run/tutti/internal/core"
	"github.com/tutti-run/tutti/internal/engine"
	"github.com/tutti-run/tutti/topo"
)

// Arch says who decides which worker runs which task. Functions, options and policies
// are the same under both.
type Arch string

const (
	// SMP has all workers equal: each looks for work by itself, in queues that all share,
	// and nobody is in charge. It is the default where there are no groups.
	SMP Arch = "smp"
	// AMP has the master assign each task to a worker, which takes nothing else. Orders
	// are exact then, and workers may be of different kinds (Config.Groups); each task
	// costs a way to the master, which is the ceiling.
	AMP Arch = "amp"
)

// Group is one kind of workers, see Config.Groups.
type Group struct {
	// Name tells groups apart, in errors.
	Name string
	// Count is the number of its worker processes; it is at least 1.
	Count int
	// CPUs are those that its workers may run on, by number; nil means all. With
	// Config.Pin each worker is bound to one of them.
	CPUs []int
	// Node, when not nil, stands for the CPUs of a NUMA node, by its number.
	Node *int
	// Env is added to the environment of its workers, as NAME=value. {%} in a value
	// becomes the number of the worker within its group, from 1, and {%0} the same from 0,
	// as devices are numbered.
	Env []string
	// Memory bounds what a worker, and each process that it starts, may have of memory of
	// its own, in bytes; 0 is no limit, and the least is GroupMemoryMin. The pool's shared
	// memory does not count. A task that goes beyond it ends its worker: see CrashError.
	Memory int64
	// Takes are the names of the functions that its workers run; nil means all that no
	// group names. Calls of a function that only a group with a Count of 1 takes never
	// overlap where Config.TasksPerWorker is 1, but that one may run while another waits
	// for calls of its own.
	Takes []string
}

// GroupMemoryMin is the least that Group.Memory may be: below it a Go program cannot
// start reliably.
const GroupMemoryMin = 256 << 20

// ErrGroupDead is returned for tasks that no group takes any more: its workers died too
// often to be started again, see Config.MaxRestarts. Other tasks go on.
var ErrGroupDead = errors.New("tutti: no worker is left that takes this function")

// groupsMax bounds the groups of a pool.
const groupsMax = 64

// arch is the architecture that a Config comes to.
func (c *Config) arch() (Arch, error) {
	switch {
	case c.Arch != "" && c.Arch != SMP && c.Arch != AMP:
		return "", fmt.Errorf("tutti: Config.Arch is %q: %q and %q are possible, and \"\" for AMP where there are groups, else SMP", c.Arch, SMP, AMP)
	case len(c.Groups) == 0:
		return cmp.Or(c.Arch, SMP), nil
	case c.Arch == SMP:
		return "", errors.New("tutti: Config.Groups needs AMP: under SMP all workers are equal and take whatever is there; leave Config.Arch empty")
	}
	return AMP, nil
}

// groupWorkers is how many workers the groups have.
func (c *Config) groupWorkers() (n int) {
	for i := range c.Groups {
		n += max(0, c.Groups[i].Count)
	}
	return n
}

// checkGroups says what of the groups cannot be had, and that each function has one.
func (c *Config) checkGroups(m *topo.Machine, names []string) error {
	seen := map[string]bool{}
	for i, g := range c.Groups {
		switch {
		case len(c.Groups) > groupsMax:
			return fmt.Errorf("tutti: %d groups: at most %d are possible", len(c.Groups), groupsMax)
		case g.Name == "" || seen[g.Name]:
			return fmt.Errorf("tutti: Config.Groups[%d] is called %q: each group needs a name of its own", i, g.Name)
		case g.Count < 1:
			return fmt.Errorf("tutti: group %q has a Count of %d: 1 or more is possible", g.Name, g.Count)
		case g.Memory != 0 && g.Memory < GroupMemoryMin:
			return fmt.Errorf("tutti: group %q has a Memory of %d bytes: %d or more is possible, and 0 for no limit", g.Name, g.Memory, GroupMemoryMin)
		case g.Takes != nil && len(g.Takes) == 0:
			return fmt.Errorf("tutti: group %q takes no function: name some, or leave Takes nil for all that no group names", g.Name)
		}
		seen[g.Name] = true
		for _, kv := range g.Env {
			if name, _, ok := strings.Cut(kv, "="); !ok || name == "" {
				return fmt.Errorf("tutti: group %q has %q in its Env: NAME=value is meant", g.Name, kv)
			}
		}
		for _, f := range g.Takes {
			if !slices.Contains(names, f) {
				return fmt.Errorf("tutti: group %q takes %q: no function of this name is registered; there are %s", g.Name, f, strings.Join(names, ", "))
			}
		}
		if _, err := g.cpus(m); err != nil {
			return err
		}
	}
	for _, f := range names {
		if len(c.Groups) > 0 && !slices.ContainsFunc(c.Groups, func(g Group) bool { return c.takes(&g, f) }) {
			return fmt.Errorf("tutti: no group takes function %q, so its tasks would wait for ever: add it to a group's Takes, or a group without Takes, for all that no group names", f)
		}
	}
	return nil
}

// takes reports whether a group takes a function.
func (c *Config) takes(g *Group, name string) bool {
	if g.Takes != nil {
		return slices.Contains(g.Takes, name)
	}
	return !slices.ContainsFunc(c.Groups, func(g Group) bool { return slices.Contains(g.Takes, name) })
}

// cpus are the CPUs that a group's workers are bound to; nil for all.
func (g *Group) cpus(m *topo.Machine) ([]int, error) {
	ids := g.CPUs
	if g.Node != nil {
		if g.CPUs != nil {
			return nil, fmt.Errorf("tutti: group %q has both CPUs and a Node: give one of them", g.Name)
		}
		for _, c := range m.CPUs {
			if c.Node == *g.Node {
				ids = append(ids, c.ID)
			}
		}
		if ids == nil {
			return nil, fmt.Errorf("tutti: group %q is to run on NUMA node %d, which has no CPU that this process may use", g.Name, *g.Node)
		}
	}
	for _, id := range ids {
		if !slices.ContainsFunc(m.CPUs, func(c topo.CPU) bool { return c.ID == id }) {
			return nil, fmt.Errorf("tutti: group %q is to run on CPU %d, which this machine does not have or this process may not use", g.Name, id)
		}
	}
	if ids != nil && len(ids) == 0 {
		return nil, fmt.Errorf("tutti: group %q has an empty list of CPUs: name some, or leave it nil for all", g.Name)
	}
	return ids, nil
}

// setGroups translates the groups, which have been checked.
func (c *Config) setGroups(cfg *engine.Config, m *topo.Machine, names []string) {
	var pins []topo.CPU
	for i := range c.Groups {
		g := &c.Groups[i]
		cpus, _ := g.cpus(m)
		to := engine.Group{Name: g.Name, CPUs: cpus, Memory: g.Memory, Restart: core.DefaultIntensity(g.Count)}
		if c.MaxRestarts > 0 {
			to.Restart.Max = c.MaxRestarts
		}
		for n, f := range names {
			if c.takes(g, f) {
				to.Takes = append(to.Takes, uint32(n))
			}
		}
		for n := range g.Count {
			to.Env = append(to.Env, append(slices.Clone(cfg.Env), groupEnv(g.Env, n)...))
			if cpus != nil {
				id := cpus[n%len(cpus)]
				pins = append(pins, m.CPUs[slices.IndexFunc(m.CPUs, func(c topo.CPU) bool { return c.ID == id })])
			} else if c.Pin {
				pins = append(pins, cfg.CPUs[len(pins)%len(cfg.CPUs)])
			}
		}
		cfg.Groups = append(cfg.Groups, to)
	}
	if c.Pin && len(c.Groups) > 0 {
		cfg.CPUs = pins
	}
}

// groupEnv is what a group adds to the environment of its nth worker, from 0.
func groupEnv(env []string, nth int) []string {
	number := strings.NewReplacer("{%}", fmt.Sprint(nth+1), "{%0}", fmt.Sprint(nth))
	out := make([]string, len(env))
	for i, kv := range env {
		name, value, _ := strings.Cut(kv, "=")
		out[i] = name + "=" + number.Replace(value)
	}
	return out
}
