package cli

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/tutti-run/tutti"
	"github.com/tutti-run/tutti/internal/core"
)

// workersPerCPU bounds the worker processes: more commands at once than that
// share workers.
const workersPerCPU = 4

// readGroups reads the groups of workers, and how many jobs they run at once.
func (p *plan) readGroups() error {
	for _, spec := range p.WorkerGroups {
		g, err := parseGroup(spec)
		if err != nil {
			return err
		}
		for _, other := range p.groups {
			if other.Name == g.Name {
				return fmt.Errorf("--worker-group %q: there is a group of this name already; each needs one of its own", spec)
			}
		}
		p.groups = append(p.groups, g)
	}
	total := p.grouped()
	if most := workersPerCPU * p.cpus; total > most {
		return fmt.Errorf("--worker-group: %d workers on %d CPUs: at most %d are possible, four a CPU", total, p.cpus, most)
	}
	if total > 0 {
		p.jobs, p.jobsFile = min(total, core.MaxJobs), ""
	}
	return nil
}

// grouped is how many workers the groups have in all; 0: there are none.
func (p *plan) grouped() (total int) {
	for _, g := range p.groups {
		total += g.Count
	}
	return total
}

// parseGroup reads NAME:COUNT:VAR=VALUE …
func parseGroup(spec string) (g tutti.Group, err error) {
	parts := strings.SplitN(spec, ":", 3)
	g.Name = parts[0]
	if len(parts) > 1 {
		g.Count, err = strconv.Atoi(parts[1])
	}
	if g.Name == "" || len(parts) == 1 || err != nil || g.Count < 1 {
		return g, fmt.Errorf("--worker-group %q: a name, a number of workers, and variables are meant, as in gpu:2:CUDA_VISIBLE_DEVICES={%%0}", spec)
	}
	if len(parts) == 3 {
		g.Env = strings.Fields(parts[2])
	}
	for _, kv := range g.Env {
		if name, _, ok := strings.Cut(kv, "="); !ok || name == "" {
			return g, fmt.Errorf("--worker-group %q: %q sets no variable; VAR=VALUE is meant", spec, kv)
		}
	}
	return g, nil
}
