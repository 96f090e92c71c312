package cli

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/tutti-run/tutti"
	"github.com/tutti-run/tutti/internal/command"
	"github.com/tutti-run/tutti/internal/core"
	"github.com/tutti-run/tutti/internal/history"
	"github.com/tutti-run/tutti/internal/options"
	"github.com/tutti-run/tutti/topo"
)

// plan is what a run is to do: the options with their values read, the command and
// where its inputs are. It does not change once the run has begun.
type plan struct {
	*options.Map
	graph bool   // jobs are tasks that wait for each other
	tuned bool   // how many run at once is tried out
	tasks string // the file with them
	resources
	world   facts
	shared  bool   // job slots are shared with other programs
	program string // what messages call us: "tutti map", "parallel"
	shell   string // that started us; "" unknown
	tmpDir  string // --tmpdir, from the root; "" the system's
	called  line
	head    *headStart // begun before this was made; nil: nothing was
	before  *earlier   // the run of which this is to do the rest, or a part again; nil none
	cpus    int

	words   []string
	sources []command.SourceSpec // behind the command; those of -a come before

	jobLog    string // --joblog without its +
	appendLog bool   // it had one

	order history.Order // of the starts, where it was asked for

	memory   int64 // bytes of output that wait in memory
	jobs     int   // commands that are started and have not ended, at once
	running  int   // of these so many run, and the others are suspended; 0: all do
	quantum  core.Span
	groups   []tutti.Group
	jobsFile string // holds the number, and is read again while the run goes on
	tries    int64  // how often a failing command is run in all
	retryOn  core.RetryOn
	retry    core.RetryDelay
	halt     core.Halt
	timeout  core.Timeout
	gate     core.GateRules
	loadFile string // likewise, of --load
	term     []core.TermStep
	nice     *int
}

// facts are what a plan must know of the world.
type facts struct {
	cpus     int
	graph    bool  // jobs are tasks that wait for each other, each of which says what it needs
	memory   int64 // bytes that may be used; 0: not known
	isFile   func(name string) bool
	readFile func(name string) (string, error)
	lookup   func(variable string) (string, bool)
	gpus     func() topo.GPUs
}

// newPlan reads the values of the options, and of the words behind them.
func newPlan(o *options.Map, args []string, w facts) (*plan, error) {
	p := &plan{Map: o, graph: w.graph, cpus: w.cpus}
	p.order, _ = history.OrderNamed(o.Order) // the table of options lets no other names in
	for _, read := range []func() error{
		func() error { return p.readInputs(args) },
		func() error { return p.readJobs(w) },
		p.readGroups,
		func() error { return p.readResources(w) },
		func() error { return p.readGate(w) },
		func() error { return p.readMemory(w) },
		p.readEnds,
		p.readPersistent,
		p.readTurns,
	} {
		if err := read(); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// readInputs finds the command and its sources.
func (p *plan) readInputs(args []string) error {
	words, sources, err := command.SplitArgsWith(args, command.SplitOptions{ArgSep: p.ArgSep, ArgFileSep: p.ArgFileSep})
	if err != nil {
		return err
	}
	p.words, p.sources = words, sources
	p.jobLog, p.appendLog = strings.CutPrefix(p.JobLog, "+")
	return nil
}

func (p *plan) readJobs(w facts) error {
	rule, err := core.ParseJobsRule(p.Jobs, w.cpus, w.isFile(p.Jobs))
	if err != nil {
		return err
	}
	p.jobs, p.jobsFile = rule.Count, rule.File
	if rule.File != "" {
		text, err := w.readFile(rule.File)
		if err != nil {
			return err
		}
		if p.jobs, err = core.ParseJobsFile(rule.File, text, w.cpus); err != nil {
			return err
		}
	}
	return nil
}

// memoryPerJob and memoryLeast are how much output is kept in memory where nobody
// says: as much as two jobs may write whole before they are printed.
const memoryPerJob, memoryLeast, memoryMost = 24 << 20, 64 << 20, 1 << 30

// readMemory reads how much output is kept in memory: never more than an eighth of
// what there is.
func (p *plan) readMemory(w facts) (err error) {
	p.memory = min(max(int64(p.jobs)*memoryPerJob, memoryLeast), memoryMost)
	if p.Given("output-memory") {
		p.memory, err = core.ParseBytes("--output-memory", p.OutputMemory)
	}
	if w.memory > 0 {
		p.memory = min(p.memory, w.memory/8)
	}
	return err
}

// readGate reads what must hold before a command may start.
func (p *plan) readGate(w facts) (err error) {
	g := &p.gate
	g.NoSwap = p.NoSwap
	if p.Given("delay") {
		if g.Delay, err = core.ParseDelay(p.Delay); err != nil {
			return err
		}
	}
	if p.Given("memfree") {
		if g.MemFree, err = core.ParseBytes("--memfree", p.MemFree); err != nil {
			return err
		}
	}
	if p.Given("memsuspend") {
		if g.MemSuspend, err = core.ParseBytes("--memsuspend", p.MemSuspend); err != nil {
			return err
		}
	}
	if p.Given("limit") {
		if g.Limit, err = core.ParseLimit(p.Limit); err != nil {
			return err
		}
	}
	if !p.Given("load") {
		return nil
	}
	load, err := core.ParseLoadRule(p.Load, w.cpus, w.isFile(p.Load))
	if err != nil {
		return err
	}
	g.Load, p.loadFile = load.Max, load.File
	if load.File != "" {
		text, err := w.readFile(load.File)
		if err != nil {
			return err
		}
		g.Load, err = core.ParseLoadFile(load.File, text, w.cpus)
		return err
	}
	return nil
}

// readEnds reads how commands are ended, and when the run is.
func (p *plan) readEnds() (err error) {
	if err = p.readRetries(); err != nil {
		return err
	}
	if p.halt, err = core.ParseHalt(p.Halt); err != nil {
		return err
	}
	if p.timeout, err = core.ParseTimeoutRule(p.Timeout); err != nil {
		return err
	}
	if p.term, err = core.ParseTermSeq(p.TermSeq); err != nil {
		return err
	}
	if p.Given("nice") {
		nice := p.Nice
		p.nice = &nice
	}
	return nil
}

// readRetries reads which failures are tried again, how often, and how soon.
func (p *plan) readRetries() (err error) {
	if p.tries, err = core.ParseRetries(p.Retries); err != nil {
		return err
	}
	if p.Given("retry-on") {
		if p.retryOn, err = core.ParseRetryOn(p.RetryOn); err != nil {
			return err
		}
		if !p.Given("retries") {
			p.tries = core.TriesImplied
		}
	}
	p.retry, err = core.ParseRetryDelay(p.RetryDelay, p.RetryMaxDelay)
	return err
}

// gated reports whether each start is looked at one by one: then no command is at
// hand at a worker before its turn has come.
func (p *plan) gated() bool {
	switch {
	case p.Persistent != "": // inputs are given to programs that run
		return false
	case p.jobs < p.grouped(): // so that not all workers are busy
		return true
	}
	return p.graph || p.tuned || p.shared || len(p.assets) > 0 || p.halt != (core.Halt{}) || p.gate != (core.GateRules{}) || p.jobsFile != "" || p.Interactive || p.timeout.Percent > 0 || p.tries > 1 || p.slotted() || p.rotates()
}

// slotted reports whether the slot of each job must be known before it starts:
// because it is in what is made ready for it, or shown.
func (p *plan) slotted() bool {
	o := p.TemplateOptions()
	texts := append([]string{p.WorkDir}, p.Templates...)
	if p.Verbose || p.Interactive {
		texts = append(texts, p.words...)
	}
	return len(p.Templates) > 0 || slices.ContainsFunc(texts, o.MayNeedSlot)
}

// files are the files that inputs, or data, are read from.
func (p *plan) files() []string {
	files := slices.Clone(p.ArgFiles)
	for _, s := range p.sources {
		if s.Kind == command.File {
			files = append(files, s.File)
		}
	}
	return files
}

// piped reports whether jobs read blocks of data on their standard input.
func (p *plan) piped() bool { return p.Pipe || p.PipePart }

// kept reports whether output goes into files.
func (p *plan) kept() bool { return p.Results != "" || p.Files || p.Files0 }

// live reports whether output is read while commands write it: not where only
// that of the last attempt is printed, or none.
func (p *plan) live() bool {
	if p.kept() || p.Persistent != "" || p.ColorFailed { // which is known in the end
		return false
	}
	return p.KeepOrder && p.tries == 1 && !p.LatestLine || p.LineBuffer && !p.LatestLine
}

// readsStdin reports whether inputs are lines of standard input.
func (p *plan) readsStdin() bool {
	switch {
	case p.graph:
		return p.tasks == "-"
	case p.piped() || p.RetryFailed:
		return false
	}
	isStdin := func(s command.SourceSpec) bool { return s.Kind == command.File && s.File == "-" }
	return slices.Contains(p.ArgFiles, "-") || slices.ContainsFunc(p.sources, isStdin) || len(p.sources)+len(p.ArgFiles) == 0
}

// inputSpec says where inputs are and how they are read.
func (p *plan) inputSpec() (command.InputSpec, error) {
	spec, err := p.InputSpec(p.sources)
	spec.TempDir, spec.Jobs = p.tmpDir, p.jobs
	if !p.Given("seed") {
		spec.Seed = rand.Uint64()
	}
	return spec, err
}

// templateOptions says how the command is read, where columns have names.
func (p *plan) templateOptions(names []string) command.Options {
	o := p.TemplateOptions()
	o.Names, o.Slots, o.Env = names, p.jobs, command.EnvFor(p.shell)
	return o
}

// templates are the command and all that is filled in beside it.
type templates struct {
	command *command.Template
	line    *command.Text // of --persistent; nil: none
	tag     *command.Text // nil: none
	dir     *command.Text // nil: none, or the same for all
	results *command.Text // nil: none, or not a template
	urgency *command.Text // of --priority; nil: none
	files   []pattern     // of --template
}

func (p *plan) templates(names []string) (t templates, err error) {
	o := p.templateOptions(names)
	if p.Persistent != "" {
		if t.line, err = command.ParseText(strings.Join(p.words, " "), o); err != nil {
			return t, err
		}
		if !t.line.HasReplacement() {
			return t, fmt.Errorf("--persistent %s: what stands behind it says what a line for the program is, and there is no {} in %q; arguments of the program belong to it: --persistent %s", command.Quote(p.Persistent), strings.Join(p.words, " "), command.Quote(p.Persistent+" "+strings.Join(p.words, " ")))
		}
	}
	if t.command, err = command.ParseWith(p.words, o); err != nil {
		return t, err
	}
	if t.files, err = p.patterns(o); err != nil {
		return t, err
	}
	for _, x := range []struct {
		text string
		to   **command.Text
	}{{command.Unescape(p.TagString), &t.tag}, {p.WorkDir, &t.dir}, {p.Results, &t.results}, {p.Priority, &t.urgency}} {
		if x.text == "" {
			continue
		}
		if *x.to, err = command.ParseText(x.text, o); err != nil {
			return t, err
		}
	}
	return t, nil
}

// needsTotal reports whether the number of jobs must be known before the first
// starts.
func (p *plan) needsTotal(t templates) bool {
	for _, x := range []*command.Text{t.tag, t.dir, t.results, t.urgency} {
		if x != nil && x.NeedsTotal() {
			return true
		}
	}
	return t.command.NeedsTotal() || p.halt.Percent || p.Bar || p.ETA
}
