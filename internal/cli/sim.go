package cli

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"sync"

	"github.com/spf13/cobra"

	"github.com/tutti-run/tutti/internal/core"
	"github.com/tutti-run/tutti/internal/journal"
	"github.com/tutti-run/tutti/internal/whatif"
	"github.com/tutti-run/tutti/internal/workload"
	"github.com/tutti-run/tutti/sched"
	"github.com/tutti-run/tutti/sim"
	"github.com/tutti-run/tutti/topo"
)

// simFlags are the options of tutti sim as they were typed.
type simFlags struct {
	cpus, policies, machine string

	tasks          int
	lengths, every string
	atOnce         bool
	skipBad        bool

	seed       uint64
	deaths     float64
	kill, slow []string
	poison     string
	stragglers string
	attempts   int
	fail, halt string
	retries    string
	delay      string
	delayMost  string
	unknown    bool
	due        float64
	arch       string
	coherence  bool

	csv, json bool
	chart     string
	calibrate bool
}

// simulation is what tutti sim is asked for.
type simulation struct {
	whatif.Study
	cpus     []int
	policies []string
}

// newSim makes the command sim.
func newSim() *cobra.Command {
	var f simFlags
	cmd := &cobra.Command{
		Use:                   "sim [options] [RUN | FILE]",
		DisableFlagsInUseLine: true,
		Short:                 "Simulate work on any number of CPUs, under any policy, with faults",
		Long: `Simulate work in virtual time: how long it would take on a machine of so many CPUs,
under which policy, and what failures would cost. The policies and the rules for
retries, restarts and halts are the very code that runs the workers.

The work is an earlier run (its number, see tutti runs), a job log (tutti map --joblog,
GNU parallel's), a trace in the Standard Workload Format of the Parallel Workloads
Archive, - for standard input, or, where nothing is named, tasks drawn by chance:
--tasks, --lengths, --every. The same --seed gives the same run.`,
		Example: `  tutti sim 42 --cpus 64
  tutti sim --cpus 1-128 --policy work-stealing,round-robin --chart speedup.html jobs.log
  tutti sim --cpus 8 --tasks 10000 --lengths pareto:10ms:1.5 --policy all
  tutti sim --cpus 16 --deaths-per-hour 60 --lengths exp:1s --json
  tutti sim --cpus 16 --fail 2% --retries 2 --halt soon,fail=10%`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return fmt.Errorf("sim takes one run or file at a time, and there are %d: name one", len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.calibrate {
				if cmd.Flags().NFlag() > 1 || len(args) > 0 {
					return errors.New("--calibrate measures and does nothing else: give it alone, and simulate then")
				}
				return calibrate(cmd.Context(), cmd.OutOrStdout())
			}
			q, err := f.read(cmd, args)
			if err != nil {
				return err
			}
			return q.answer(cmd.OutOrStdout(), &f)
		},
	}
	f.define(cmd)
	return cmd
}

// define defines the options.
func (f *simFlags) define(cmd *cobra.Command) {
	o := cmd.Flags()
	o.StringVarP(&f.cpus, "cpus", "j", "", "numbers of CPUs, one worker each: 8, 1,2,4, or 1-64 for a curve; those of the machine by default")
	o.StringVar(&f.policies, "policy", sched.Default, "policies to compare, separated by commas, or all")
	o.StringVar(&f.machine, "machine", "", "a file that describes the machine, or self for this one; by default equal CPUs")
	o.IntVarP(&f.tasks, "tasks", "n", 1000, "how many tasks are drawn")
	o.StringVar(&f.lengths, "lengths", "exp:10ms", "distribution of the lengths of drawn tasks: const:1ms, exp:10ms, uniform:1ms:9ms, pareto:10ms:1.5, bimodal:1ms:100ms:0.1")
	o.StringVar(&f.every, "every", "", "mean time between two drawn tasks, which come as a Poisson process; by default all are there at the start")
	o.BoolVar(&f.atOnce, "at-once", false, "submit all tasks at the start, whenever the trace says")
	o.BoolVar(&f.skipBad, "skip-bad", false, "pass over broken lines of a file, and count them")
	o.Uint64Var(&f.seed, "seed", 1, "what chance begins from")
	o.Float64Var(&f.deaths, "deaths-per-hour", 0, "how often each worker dies, by chance")
	o.StringArrayVar(&f.kill, "kill", nil, "kill a worker at a time: 3@1.5s; may be given several times")
	o.StringArrayVar(&f.slow, "slow", nil, "a worker that takes longer: 3x4 is four times as long, 3x4@10s-20s only then; may be given several times")
	o.StringVar(&f.poison, "poison", "0", "the part of the tasks that kill their worker: 0.001 or 0.1%")
	o.StringVar(&f.stragglers, "stragglers", "", "the part of the tasks that take longer than expected, and how many times: 1%x10")
	o.IntVar(&f.attempts, "attempts", 3, "how often a task whose worker dies is tried")
	o.StringVar(&f.fail, "fail", "0", "the part of the attempts that come to their ends and have failed: 0.01 or 1%; what failed in a run, log or trace always does")
	o.StringVar(&f.retries, "retries", "1", "how often in all a task that fails is tried")
	o.StringVar(&f.delay, "retry-delay", "", "how long a task that failed waits before it is tried again: 1s, then twice as long each time")
	o.StringVar(&f.delayMost, "retry-max-delay", "", "the longest wait of a task that failed; 5m by default")
	o.StringVar(&f.halt, "halt", "never", "end the run early: now,fail=1 kills what runs, soon,fail=10% starts nothing more; also success= and done=")
	o.BoolVar(&f.unknown, "unknown", false, "do not tell the policies how long tasks take")
	o.Float64Var(&f.due, "due", 0, "set deadlines: so many times its expected length after a task's submission")
	o.StringVar(&f.arch, "arch", "smp", "smp: each worker looks for itself; amp: the master assigns all tasks")
	o.BoolVar(&f.coherence, "coherence", false, "move the cache lines that the engine's steps share from CPU to CPU, by MESI, and count that")
	o.BoolVar(&f.csv, "csv", false, "print the figures as CSV")
	o.BoolVar(&f.json, "json", false, "print the figures as JSON")
	o.StringVar(&f.chart, "chart", "", "also draw the figures: a file whose name ends with .svg, or .html for a page with all charts")
	o.BoolVar(&f.calibrate, "calibrate", false, "measure what the engine's steps cost on this machine, and keep it for later simulations")
	for name, values := range map[string][]string{"policy": append(sched.Names(nil), "all"), "lengths": workload.KindNames(), "arch": {"smp", "amp"}} {
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)) // fails only for a second one
	}
}

// read makes a simulation of the options.
func (f *simFlags) read(cmd *cobra.Command, args []string) (q *simulation, err error) {
	if f.csv && f.json {
		return nil, errors.New("--csv and --json both say how the figures are printed: leave one of the two out")
	}
	if err := checkChart(f.chart); err != nil {
		return nil, err
	}
	q = &simulation{Study: whatif.Study{Seed: f.seed, Unknown: f.unknown, Due: f.due, Attempts: f.attempts}}
	if q.policies, err = whatif.ParsePolicies(f.policies); err != nil {
		return nil, err
	}
	if q.Machine, err = f.readMachine(); err != nil {
		return nil, err
	}
	if f.cpus != "" {
		q.cpus, err = whatif.ParseCPUs(f.cpus)
	} else {
		q.cpus = []int{q.Machine.Size()}
	}
	if err == nil {
		err = f.readFaults(&q.Study)
	}
	if err == nil {
		err = f.readCourse(&q.Study)
	}
	if err != nil {
		return nil, err
	}
	switch f.arch {
	case "smp", "amp":
		q.AMP, q.Coherence = f.arch == "amp", f.coherence
	default:
		return nil, fmt.Errorf("--arch %s: there are smp and amp", f.arch)
	}
	if f.attempts < 1 {
		return nil, fmt.Errorf("--attempts %d: a task is tried once or more often", f.attempts)
	}
	if q.Work, err = f.readWork(cmd, args); err != nil {
		return nil, err
	}
	if f.atOnce {
		for i := range q.Work.Jobs {
			q.Work.Jobs[i].At = 0
		}
	}
	return q, q.Check()
}

// readMachine reads what the machine is. Where only its size is asked for, the CPUs are
// equal ones.
func (f *simFlags) readMachine() (whatif.Machine, error) {
	costs, from, err := storedCosts()
	if err != nil {
		return whatif.Machine{}, err
	}
	m := whatif.Machine{Name: "equal CPUs, " + from, Costs: costs}
	switch {
	case f.machine == "self" || f.machine == "" && f.cpus == "":
		here, err := topo.Detect()
		if err != nil {
			return m, err
		}
		m.Name, m.CPUs = "this one, "+from, cpusOf(here)
	case f.machine != "":
		text, err := os.ReadFile(f.machine)
		if err != nil {
			return m, fmt.Errorf("--machine: %w", err)
		}
		return whatif.ParseMachine(text, f.machine, costs)
	}
	return m, nil
}

// cpusOf are a machine's CPUs in the order in which a pool puts workers on them.
func cpusOf(m *topo.Machine) []sim.CPU {
	by := map[int]topo.CPU{}
	for _, c := range m.CPUs {
		by[c.ID] = c
	}
	var cpus []sim.CPU
	for _, id := range m.Spread() {
		c := by[id]
		cpus = append(cpus, sim.CPU{Speed: c.Capacity, Core: c.Core, Cache: c.L3, Node: c.Node})
	}
	return cpus[:min(m.Parallelism(), len(cpus))]
}

// readFaults reads what is to go wrong.
func (f *simFlags) readFaults(s *whatif.Study) (err error) {
	s.Faults.DeathsPerHour = f.deaths
	for _, text := range f.kill {
		d, err := whatif.ParseDeath(text)
		if err != nil {
			return err
		}
		s.Faults.Deaths = append(s.Faults.Deaths, d)
	}
	for _, text := range f.slow {
		slow, err := whatif.ParseSlow(text)
		if err != nil {
			return err
		}
		s.Faults.Slow = append(s.Faults.Slow, slow)
	}
	if s.Poison, err = whatif.ParsePart(f.poison); err != nil {
		return fmt.Errorf("--poison: %w", err)
	}
	if f.stragglers != "" {
		s.Stragglers, s.StragglersBy, err = whatif.ParseStragglers(f.stragglers)
	}
	return err
}

// readCourse reads what follows when tasks fail, as tutti map reads it.
func (f *simFlags) readCourse(s *whatif.Study) (err error) {
	if s.Fails, err = whatif.ParsePart(f.fail); err != nil {
		return fmt.Errorf("--fail: %w", err)
	}
	if s.Halt, err = core.ParseHalt(f.halt); err != nil {
		return err
	}
	if s.Retry, err = core.ParseRetryDelay(f.delay, f.delayMost); err != nil {
		return err
	}
	tries, err := core.ParseRetries(f.retries)
	if err == nil && tries > whatif.TriesMost {
		err = fmt.Errorf("--retries %s: in a simulation a task is tried %d times at most, or one that always fails would have no end", f.retries, whatif.TriesMost)
	}
	s.Tries = int(tries)
	return err
}

// readWork reads the workload, or draws it.
func (f *simFlags) readWork(cmd *cobra.Command, args []string) (*workload.Workload, error) {
	if len(args) == 0 {
		return f.draw()
	}
	for _, name := range []string{"tasks", "lengths", "every"} {
		if cmd.Flags().Changed(name) {
			return nil, fmt.Errorf("--%s is for tasks that are drawn, and %s is given: leave one of the two out", name, args[0])
		}
	}
	if _, err := strconv.Atoi(args[0]); err == nil {
		return recorded(args)
	}
	if args[0] == "-" {
		return workload.Read(os.Stdin, "standard input", f.skipBad)
	}
	in, err := os.Open(args[0])
	if err != nil {
		return nil, fmt.Errorf("%w; name a run by its number (tutti runs lists them), a job log, a trace, or - for standard input", err)
	}
	defer in.Close()
	return workload.Read(in, args[0], f.skipBad)
}

// streamDrawn is the stream of chance that workloads are drawn from.
const streamDrawn = 1 << 34

// draw draws a workload.
func (f *simFlags) draw() (*workload.Workload, error) {
	lengths, err := workload.ParseLengths(f.lengths)
	if err != nil {
		return nil, fmt.Errorf("--lengths: %w", err)
	}
	every := sim.Span(0)
	name := fmt.Sprintf("drawn from %s by seed %d", f.lengths, f.seed)
	if f.every != "" {
		if every, err = workload.ParseSpan(f.every); err != nil {
			return nil, fmt.Errorf("--every: %w", err)
		}
		name += ", one each " + f.every
	}
	w, err := workload.Draw(f.tasks, lengths, every, rand.New(rand.NewPCG(f.seed, streamDrawn)))
	if err != nil {
		return nil, fmt.Errorf("--tasks: %w", err)
	}
	w.Name = name
	return w, nil
}

// recorded is the workload of an earlier run.
func recorded(args []string) (*workload.Workload, error) {
	var jobs []journal.Job
	_, rec, err := findRun(args, func(runs *journal.Runs, id int) (*journal.Record, error) {
		return runs.Read(id, func(j journal.Job) {
			jobs = append(jobs, journal.Job{Entry: journal.Entry{Runtime: j.Runtime, Exit: j.Exit, Signal: j.Signal}, How: j.How})
		})
	})
	if err != nil {
		return nil, err
	}
	if len(jobs) == 0 {
		return nil, fmt.Errorf("no job of run %d has ended yet: there is nothing to simulate", rec.ID)
	}
	w := workload.FromRun(fmt.Sprintf("run %d, %s", rec.ID, clipped(lineOf(&rec.Run))), jobs)
	if rec.Damaged > 0 {
		w.Notes = append(w.Notes, fmt.Sprintf("%d lines of the journal are damaged, and their jobs left out", rec.Damaged))
	}
	return w, nil
}

// answer makes the runs and prints what they came to.
func (q *simulation) answer(w io.Writer, f *simFlags) error {
	runs, err := q.runs()
	if err != nil {
		return err
	}
	whatif.SpeedUp(runs)
	laws := whatif.Laws(runs)
	switch {
	case f.json:
		err = printJSON(w, q.report(runs, laws))
	case f.csv:
		for _, note := range q.notes(runs) {
			complain("%s", note) // standard output is for the figures
		}
		err = simCSV(w, runs)
	default:
		_, err = io.WriteString(w, simText(q, runs, laws))
	}
	if err != nil || f.chart == "" {
		return err
	}
	return drawSim(f.chart, q, runs, laws)
}

// runs makes all runs, as many at once as there are CPUs here, in the order of policies
// and then of CPUs.
func (q *simulation) runs() ([]whatif.Run, error) {
	runs := make([]whatif.Run, len(q.policies)*len(q.cpus))
	errs := make([]error, len(runs))
	var all sync.WaitGroup
	free := make(chan struct{}, runtime.GOMAXPROCS(0))
	for i := range runs {
		free <- struct{}{}
		all.Go(func() {
			runs[i], errs[i] = q.Run(q.policies[i/len(q.cpus)], q.cpus[i%len(q.cpus)])
			<-free
		})
	}
	all.Wait()
	for _, err := range errs { // the first is enough: others are often the same
		if err != nil {
			return nil, err
		}
	}
	return runs, nil
}
