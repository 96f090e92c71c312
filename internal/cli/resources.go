package cli

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tutti-run/tutti/internal/core"
	"github.com/tutti-run/tutti/internal/graph"
	"github.com/tutti-run/tutti/internal/nearest"
	"github.com/tutti-run/tutti/internal/resource"
	"github.com/tutti-run/tutti/topo"
)

// What commands find in their environment beside resource.Variable.
const (
	cpusVariable = "TUTTI_CPUS" // how many CPUs the task takes, where that was said
	// poolVariable names what was given to the task: runs below it deal that out, and
	// nothing else.
	poolVariable = "TUTTI_POOL"
)

// resources is what the jobs of a run take beside a job slot each.
type resources struct {
	had   int64              // CPUs that -j gives, in thousandths
	each  int64              // that a job takes that does not say itself, likewise
	takes []resource.Request // what else such a job takes
	have  []resource.Request // of --have
	pool  string             // see poolVariable; "" the computer's
	// assets are what jobs ask for, by their names. In resource.Units they stand behind
	// the CPUs.
	assets []asset
	needs  []resource.Units // by task of a graph; nil: a job slot each, and nothing else
}

// asset is a resource that there is.
type asset struct {
	name     string
	ids      []string // of its units
	why      string   // there are so many
	variable string   // that tells programs which are theirs, beside resource.Variable; "" none
	env      []string // what they need besides
}

// grant is what a job has.
type grant struct {
	need  resource.Units
	units [][]int // by asset
}

// readResources reads what jobs take, and how many run at once then. What tasks of a file
// take is known later: see settleTasks.
func (p *plan) readResources(w facts) (err error) {
	p.world, p.had, p.each = w, int64(p.jobs)*resource.CPU, resource.CPU
	if p.Given("cpus") {
		if p.each, err = resource.ParseCPUs(p.JobCPUs); err != nil {
			return fmt.Errorf("--cpus %w", err)
		}
	}
	for _, o := range []struct {
		name string
		said []string
		to   *[]resource.Request
	}{{"--resource", p.Resource, &p.takes}, {"--have", p.Have, &p.have}} {
		if len(o.said) == 0 {
			continue
		}
		if *o.to, err = resource.ParseRequests(strings.Join(o.said, ",")); err != nil {
			return fmt.Errorf("%s %w", o.name, err)
		}
	}
	if p.graph {
		return nil
	}
	if err := p.findAssets(p.takes, "--resource"); err != nil {
		return err
	}
	if err := p.exists(p.each, p.takes, "--cpus", "--resource"); err != nil {
		return err
	}
	p.jobs = p.slotsFor(p.jobs)
	for _, r := range p.takes {
		if r.Units > 0 {
			p.jobs = min(p.jobs, len(p.asset(r.Name).ids)/int(r.Units))
		}
	}
	return nil
}

// slotsFor is how many jobs run at once on so many CPUs, at least 1.
func (p *plan) slotsFor(cpus int) int {
	least := p.each
	for _, need := range p.needs {
		least = min(least, need[0])
	}
	return int(min(max(int64(cpus)*resource.CPU/least, 1), core.MaxJobs))
}

// settleTasks finds out what the tasks of a file take.
func (p *plan) settleTasks(g *graph.Graph) error {
	file := p.tasks
	if file == "-" {
		file = "standard input"
	}
	where := func(t *graph.Task) string { return fmt.Sprintf("%s, line %d: ", file, t.Line) }
	if err := p.findAssets(p.takes, "--resource"); err != nil {
		return err
	}
	plain := p.each == resource.CPU
	for i := range g.Tasks {
		t := &g.Tasks[i]
		plain = plain && (t.CPUs == 0 || t.CPUs == resource.CPU)
		if err := p.findAssets(t.Resources, where(t)+"resource:"); err != nil {
			return err
		}
	}
	if plain && len(p.assets) == 0 {
		return nil
	}
	for i := range g.Tasks {
		t := &g.Tasks[i]
		cpus, takes, byCPUs, byTakes := p.each, p.takes, "--cpus", "--resource"
		if t.CPUs > 0 {
			cpus, byCPUs = t.CPUs, where(t)+"cpus:"
		}
		if t.Resources != nil {
			takes, byTakes = t.Resources, where(t)+"resource:"
		}
		if err := p.exists(cpus, takes, byCPUs, byTakes); err != nil {
			return err
		}
		p.needs = append(p.needs, p.units(cpus, takes))
	}
	p.jobs = p.slotsFor(p.jobs)
	return nil
}

// units is what a job takes, as the stock counts it.
func (p *plan) units(cpus int64, takes []resource.Request) resource.Units {
	u := make(resource.Units, 1+len(p.assets))
	u[0] = cpus
	for _, r := range takes {
		u[1+slices.IndexFunc(p.assets, func(a asset) bool { return a.name == r.Name })] = r.Units
	}
	return u
}

// total is all that there is.
func (p *plan) total() resource.Units {
	u := resource.Units{p.had}
	for _, a := range p.assets {
		u = append(u, int64(len(a.ids)))
	}
	return u
}

// asset finds one by its name; nil: nobody has asked for it.
func (p *plan) asset(name string) *asset {
	for i := range p.assets {
		if p.assets[i].name == name {
			return &p.assets[i]
		}
	}
	return nil
}

// exists refuses what could never be had.
func (p *plan) exists(cpus int64, takes []resource.Request, byCPUs, byTakes string) error {
	if cpus > p.had {
		why := "as this computer, or what is left of it here, has"
		switch {
		case p.Given("jobs"):
			why = "as -j says"
		case len(p.groups) > 0:
			why = "as many as the workers of --worker-group"
		}
		return fmt.Errorf("%s %s: there are %s, %s; ask for that at most", byCPUs, resource.CPUsText(cpus), resource.CPUsText(p.had), why)
	}
	for _, r := range takes {
		if a := p.asset(r.Name); int(r.Units) > len(a.ids) {
			return fmt.Errorf("%s %s=%d: there are %d, %s; ask for that at most", byTakes, r.Name, r.Units, len(a.ids), a.why)
		}
	}
	return nil
}

// findAssets finds out how many there are of what is asked for. by is who asks.
func (p *plan) findAssets(asked []resource.Request, by string) error {
	for _, r := range asked {
		if p.asset(r.Name) != nil {
			continue
		}
		a, err := p.findAsset(r)
		if err != nil {
			return fmt.Errorf("%s %s=%d: %w", by, r.Name, r.Units, err)
		}
		p.assets = append(p.assets, a)
	}
	slices.SortFunc(p.assets, func(a, b asset) int { return strings.Compare(a.name, b.name) })
	return nil
}

// findAsset finds out how many there are of a resource.
func (p *plan) findAsset(r resource.Request) (asset, error) {
	a := asset{name: r.Name}
	var found topo.GPUs
	if r.Name == resource.GPU {
		found = p.world.gpus()
		a.ids, a.variable, a.env, a.why = found.IDs, found.Variable, found.Env, "as was found here"
		if a.variable == "" {
			a.variable = topo.GPUVariable
		}
	}
	if pool, below := p.world.lookup(poolVariable); below {
		p.pool = pool
		given, _ := p.world.lookup(resource.Variable(r.Name))
		if given == "" {
			return a, errors.New("the task that this runs in was given other things and none of these, and who waits for one thing while he holds another may wait for ever; let that task ask for all that it needs")
		}
		a.ids, a.why = strings.Split(given, ","), "as the task that this runs in was given"
		return a, nil
	}
	if i := slices.IndexFunc(p.have, func(h resource.Request) bool { return h.Name == r.Name }); i >= 0 {
		a.why = fmt.Sprintf("as --have %s=%d says", r.Name, p.have[i].Units)
		if n := int(p.have[i].Units); n <= len(a.ids) { // fewer than were found, and none but these
			a.ids = a.ids[:n]
			return a, nil
		}
		a.ids, a.env = nil, nil
		for n := range p.have[i].Units {
			a.ids = append(a.ids, strconv.FormatInt(n, 10))
		}
		return a, nil
	}
	switch {
	case len(a.ids) > 0:
		return a, nil
	case r.Name == resource.GPU && found.Variable != "":
		return a, fmt.Errorf("$%s leaves none; change it, or say how many there are with --have gpu=N", found.Variable)
	case r.Name == resource.GPU:
		return a, errors.New("none was found: no driver tells of one, in /proc/driver/nvidia/gpus or /sys/class/kfd, that has its device file here; say how many there are with --have gpu=N")
	}
	names := []string{resource.GPU}
	for _, h := range p.have {
		names = append(names, h.Name)
	}
	meant := ""
	if near := nearest.Of(r.Name, names); near != "" {
		meant = fmt.Sprintf("; did you mean %s?", near)
	}
	return a, fmt.Errorf("nothing says how many there are; say it with --have %s=N%s", r.Name, meant)
}
