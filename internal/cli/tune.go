package cli

import (
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tutti-run/tutti/internal/command"
	"github.com/tutti-run/tutti/internal/core"
	"github.com/tutti-run/tutti/internal/options"
	"github.com/tutti-run/tutti/internal/tune"
	"github.com/tutti-run/tutti/topo"
)

// tuning is what tutti tune is asked for.
type tuning struct {
	command string    // as it was typed
	numbers []int     // of workers, to be tried
	budget  core.Span // for all trials
	json    bool
	chart   string // a file; "" none
	output  bool   // what commands write is printed
	cpus    int    // of this machine, that may be used
}

// newTune makes the command tune.
func newTune() *cobra.Command {
	var t tuning
	var long, workers string
	cmd := &cobra.Command{
		Use:                   "tune [options] [--] command [arguments] [::: inputs…]",
		DisableFlagsInUseLine: true,
		Short:                 "Measure how many workers are best for a command, and what limits it",
		Long: `Run a command over and over with 1, 2 and more workers, for a short while each,
and say with how many it gets the most done, how sure that is, what limits it, and
what more CPUs would bring.

The command is run for real, hundreds of times if it is short: what it writes,
sends or deletes it does each time. Take a copy of the data, or a command that can
be repeated without harm. What it prints is thrown away.

The command and inputs are those of tutti map: {} is the input. Few inputs are used
again and again. Without ":::" the command is run as it is. Its standard input is empty.`,
		Example: `  tutti tune 'gzip -c {} > /dev/null' ::: *.log
  tutti tune --for 30s --chart scaling.html ./simulate --steps 100
  tutti tune --workers 1,2,4,8 --json 'convert {} -resize 50% png:/dev/null' :::: photos`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return withCode(fmt.Errorf("tune has no command to measure: name one, as in tutti tune 'gzip -c {} > /dev/null' ::: *.log"), exitMapUsage)
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			err := t.read(long, workers)
			if err == nil {
				err = tuneCommand(&t, args)
			}
			if err != nil {
				return withCode(err, exitMapUsage)
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.SetInterspersed(false) // what follows the command belongs to it
	f.StringVar(&long, "for", "10s", "how long to measure, in all: 30s, 2m; it begins once a first command has run")
	f.StringVarP(&workers, "workers", "j", "", "numbers of workers to try: 4 (all up to it), 2-6, 1,2,4; up to twice the CPUs by default")
	f.BoolVar(&t.json, "json", false, "print the report as JSON")
	f.StringVar(&t.chart, "chart", "", "also draw it: a file whose name ends with .svg, or .html for a page with tables")
	f.BoolVar(&t.output, "output", false, "print what the commands print")
	_ = cmd.RegisterFlagCompletionFunc("for", cobra.NoFileCompletions) // fails only for a second one
	_ = cmd.RegisterFlagCompletionFunc("workers", cobra.NoFileCompletions)
	return cmd
}

// read reads the values of the options.
func (t *tuning) read(long, workers string) (err error) {
	if t.budget, err = core.ParseFor(long); err != nil {
		return err
	}
	if t.budget <= 0 {
		return fmt.Errorf("--for %s: there is no time to measure anything; give some seconds, as in --for 10s", long)
	}
	if err := checkChart(t.chart); err != nil {
		return err
	}
	if t.output && t.json {
		return fmt.Errorf("--output and --json would both print to standard output: leave one out")
	}
	if workers != "" {
		t.numbers, err = tune.ParseNumbers(workers)
	}
	return err
}

// checkChart says, before it has cost time, that no chart can be drawn into a file.
func checkChart(name string) error {
	switch filepath.Ext(name) {
	case ".svg", ".html":
	default:
		if name != "" {
			return fmt.Errorf("--chart %s: the name of the file tells what to draw, and must end with .svg or .html", name)
		}
	}
	if folder := filepath.Dir(name); name != "" {
		if info, err := os.Stat(folder); err != nil || !info.IsDir() {
			return fmt.Errorf("--chart %s: there is no folder %s; make it, or name a file elsewhere", name, folder)
		}
	}
	return nil
}

// tuneCommand carries out tutti tune.
func tuneCommand(t *tuning, args []string) error {
	machine, err := topo.Detect()
	if err != nil {
		return err
	}
	o := new(options.Map)
	options.Attach(&cobra.Command{}, o) // for the values of what is not asked for
	o.NoJournal, o.JobServer = true, "off"
	t.cpus = cpusFor(o, machine)
	if t.numbers == nil {
		t.numbers = tune.Numbers(t.cpus)
	}
	o.Jobs = strconv.Itoa(t.numbers[len(t.numbers)-1])
	if err := o.Check(); err != nil {
		return err
	}
	p, err := newPlan(o, args, facts{cpus: t.cpus, memory: memoryOf(machine), isFile: isPlainFile, readFile: readText})
	if err != nil {
		return err
	}
	t.command = strings.Join(p.words, " ")
	p.tuned, p.program, p.shell = true, "tutti tune", startedBy(os.Getppid())
	if len(p.sources) == 0 {
		if err := p.alone(); err != nil {
			return err
		}
	}
	return runTune(p, t)
}

// alone makes the command of a plan without inputs its only input: a line that is run
// as it is.
func (p *plan) alone() error {
	line := strings.Join(p.words, " ")
	text, err := command.ParseText(line, p.TemplateOptions())
	if err != nil {
		return err
	}
	if text.HasReplacement() {
		return fmt.Errorf("the command %s waits for inputs, and there are none: give some, as in ::: *.log", command.Quote(line))
	}
	p.words, p.sources = nil, []command.SourceSpec{{Kind: command.Args, Args: []string{line}}}
	return nil
}

// cycleMost is how many inputs are kept to be used again.
const cycleMost = 10_000

// cycled gives jobs over and over, the first cycleMost of them from the second time
// on. Their numbers go on.
func cycled(jobs iter.Seq[*job]) iter.Seq[*job] {
	return func(yield func(*job) bool) {
		var kept []job
		seq := int64(0)
		for j := range jobs {
			if j.absent {
				continue
			}
			if j.seq == 0 { // the inputs cannot be read on
				yield(j)
				return
			}
			if seq = j.seq; len(kept) < cycleMost {
				kept = append(kept, *j)
			}
			if !yield(j) {
				return
			}
		}
		for len(kept) > 0 {
			for _, j := range kept {
				seq++
				j.seq = seq
				if !yield(&j) {
					return
				}
			}
		}
	}
}
