package cli

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/tutti-run/tutti/internal/command"
	"github.com/tutti-run/tutti/internal/core"
	"github.com/tutti-run/tutti/topo"
)

const mapLong = `map runs a command once for each input, on all cores at the same time.

A command that contains {} has it replaced by the input, else the input is
appended. Inputs stand behind ::: or, one a line, in files behind :::: or on
standard input; several sources give every combination. Values are quoted for
the shell: a file named 'a b;rm -rf x' is only a name.

  {}    the input           {.}   without its extension   {#}  the job's number
  {/}   without its folder  {//}  its folder              {%}  the slot it runs in
  {/.}  without either      {1} {2/} {-1.} …  of the first, second, last source

The output of each job is printed whole when the job has ended. The exit code is
the number of jobs that failed, 101 if more than 100, 255 for wrong usage or an
error of tutti's own, 128 + signal after Ctrl-C, SIGTERM or SIGHUP.

Ctrl-C starts nothing more and sends the running commands SIGTERM, then SIGKILL;
a second Ctrl-C kills at once. Commands see PARALLEL_SEQ, PARALLEL_JOBSLOT,
PARALLEL_PID as in GNU parallel, and TUTTI_JOB, a mark to find their processes by.`

const mapExample = `  # compress every log on all cores
  tutti map 'gzip -9kf {}' ::: some/dir/*.log
  # the same without quotes: options end at the command's first word
  tutti map gzip -9kf ::: some/dir/*.log
  # convert, with another extension
  tutti map 'ffmpeg -i {} {.}.mp4' ::: *.mov
  # names from find, any bytes in them
  find . -name '*.png' -print0 | tutti map -0 optipng
  # every combination of two lists
  tutti map 'train --rate {1} --depth {2} > {1}-{2}.txt' ::: 0.1 0.01 ::: 3 5 7
  # inputs from a file, four at a time, output in the order of the inputs
  tutti map -j4 -k 'curl -s {}' :::: urls.txt
  # say which line came from which input
  tutti map --tag 'ping -c1 {}' ::: alpha beta gamma
  # see what would run
  tutti map --dry-run 'mv {} {//}/old-{/}' ::: photos/*.jpg
  # end what takes over two minutes, try three times, stop at the first failure
  tutti map --timeout 2m --retries 3 --halt now,fail=1 ./check :::: hosts
  # note what is done; after a crash, the same line does only the rest
  tutti map --joblog runs.log --resume ./simulate ::: seed-{1..1000}`

// mapFlags are the options of map as they were given.
type mapFlags struct {
	jobs, timeout, retries, halt, termSeq, strays string
	argFiles                                      []string
	null, keepOrder, ungroup, tag, dryRun         bool
	jobLog                                        string
	resume, resumeFailed                          bool
}

// mapPlan is what they mean.
type mapPlan struct {
	jobs     int   // commands at once
	tries    int64 // how often a failing command is run in all
	halt     core.Halt
	timeout  time.Duration // 0: none
	term     []core.TermStep
	killLeft bool // what a command leaves behind is killed
	sources  []command.SourceSpec
	template *command.Template
}

// plan checks the options against each other and reads their values. cpus is
// how many CPUs this process may use.
func (f *mapFlags) plan(cpus int) (p mapPlan, err error) {
	switch {
	case f.ungroup && f.tag:
		return p, errors.New("--tag marks whole lines, and with -u output is not looked at; leave one of them out")
	case f.ungroup && f.keepOrder:
		return p, errors.New("-k orders output, and with -u output is not looked at; leave one of them out")
	case (f.resume || f.resumeFailed) && f.jobLog == "":
		return p, errors.New("--resume reads in the job log what is done; name it with --joblog FILE")
	case f.strays != "keep" && f.strays != "kill":
		return p, fmt.Errorf("--strays %q: say keep or kill", f.strays)
	}
	if p.jobs, err = core.ParseJobs(f.jobs, cpus); err != nil {
		return p, err
	}
	if p.tries, err = core.ParseRetries(f.retries); err != nil {
		return p, err
	}
	if p.halt, err = core.ParseHalt(f.halt); err != nil {
		return p, err
	}
	timeout, err := core.ParseTimeout(f.timeout)
	if err != nil {
		return p, err
	}
	p.timeout = time.Duration(timeout)
	p.killLeft = f.strays == "kill"
	p.term, err = core.ParseTermSeq(f.termSeq)
	return p, err
}

func newMap() *cobra.Command {
	var f mapFlags
	cmd := &cobra.Command{
		Use:                   "map [options] [command [arguments]] [::: inputs | :::: files]…",
		Short:                 "Run a command once for each input, on all cores",
		Long:                  mapLong,
		Example:               mapExample,
		DisableFlagsInUseLine: true,
		RunE:                  func(_ *cobra.Command, args []string) error { return f.run(args) },
	}
	o := cmd.Flags()
	o.SetInterspersed(false) // options end at the command's first word
	o.SortFlags = false
	o.StringVarP(&f.jobs, "jobs", "j", "100%", "commands at once: `N`, N% of the CPUs, +N or -N CPUs, 0 for as many as possible")
	o.BoolVarP(&f.keepOrder, "keep-order", "k", false, "print output in the order of the inputs")
	o.BoolVarP(&f.ungroup, "ungroup", "u", false, "let commands write to the terminal at once, mixed")
	o.BoolVar(&f.tag, "tag", false, "begin each line of output with the input and a tab")
	o.BoolVar(&f.dryRun, "dry-run", false, "print the commands and run none")
	o.StringArrayVarP(&f.argFiles, "arg-file", "a", nil, "read inputs from `file`, - for standard input; several times for combinations")
	o.BoolVarP(&f.null, "null", "0", false, "inputs in files end with a NUL byte, as find -print0 writes them")
	o.StringVar(&f.timeout, "timeout", "0", "end a command after this `time`: seconds, or 30s, 2m, 1h30m")
	o.StringVar(&f.retries, "retries", "1", "how `often` in all a failing command is run; 0 for ever")
	o.StringVar(&f.halt, "halt", "never", "when to stop: `rule` such as now,fail=1 or soon,fail=10% or now,success=1")
	o.StringVar(&f.jobLog, "joblog", "", "write a line for each finished job to `file`")
	o.BoolVar(&f.resume, "resume", false, "skip the jobs that are in the job log")
	o.BoolVar(&f.resumeFailed, "resume-failed", false, "skip the jobs that are in the job log and succeeded")
	o.StringVar(&f.termSeq, "termseq", core.DefaultTermSeq, "how a command is ended: `signals` and milliseconds in turn")
	o.StringVar(&f.strays, "strays", "keep", "what to do with processes that a command leaves behind: `keep` or kill")
	_ = cmd.MarkFlagFilename("joblog")
	_ = cmd.MarkFlagFilename("arg-file")
	return cmd
}

// run carries out tutti map.
func (f *mapFlags) run(args []string) error {
	machine, err := topo.Detect()
	if err != nil {
		return &exitError{exitMapUsage, err}
	}
	cpus := machine.Parallelism()
	p, err := f.plan(cpus)
	if err != nil {
		return &exitError{exitMapUsage, err}
	}
	words, sources, err := command.SplitArgs(args)
	if err != nil {
		return &exitError{exitMapUsage, err}
	}
	for _, name := range f.argFiles {
		p.sources = append(p.sources, command.SourceSpec{Kind: command.File, File: name})
	}
	p.sources = append(p.sources, sources...)
	if p.template, err = command.Parse(words); err != nil {
		return &exitError{exitMapUsage, err}
	}
	spec := command.InputSpec{Sources: p.sources, Null: f.null, Stdin: os.Stdin}
	if readsStdin(p.sources) && term.IsTerminal(int(os.Stdin.Fd())) {
		complain("inputs are read from the terminal, one a line; Ctrl-D ends them. To give them on the command line use :::")
	}
	if f.dryRun {
		return dryRun(p.template, spec, os.Stdout)
	}
	return runMap(f, &p, spec, cpus)
}

func readsStdin(sources []command.SourceSpec) bool {
	for _, s := range sources {
		if s.Kind == command.File && s.File == "-" {
			return true
		}
	}
	return len(sources) == 0
}
