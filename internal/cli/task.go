package cli

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/tutti-run/tutti/internal/graph"
	"github.com/tutti-run/tutti/internal/nearest"
	"github.com/tutti-run/tutti/internal/options"
)

// newRun makes the command run.
func newRun() *cobra.Command {
	o := new(options.Map)
	cmd := &cobra.Command{
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return withCode(fmt.Errorf("run takes one file of tasks, and %d were given; name one, or - for standard input", len(args)), exitMapUsage)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := taskCommand(cmd, o, args[0]); err != nil {
				return withCode(err, exitMapUsage)
			}
			return nil
		},
	}
	options.AttachRun(cmd, o)
	return cmd
}

// runProgram is what messages, and the journal, call tutti run.
const runProgram = "tutti run"

// taskCommand carries out tutti run.
func taskCommand(cmd *cobra.Command, o *options.Map, file string) error {
	if err := o.Check(); err != nil {
		return err
	}
	// A task that failed is not done: others wait for it.
	o.ResumeFailed = o.Resume
	machine, err := machineFor(o)
	if err != nil {
		return err
	}
	here := factsOfHere(o, machine)
	here.graph = true
	p, err := newPlan(o, nil, here)
	if err != nil {
		return err
	}
	p.tasks, p.program, p.shell = file, runProgram, startedBy(os.Getppid())
	p.called, _ = cmd.Context().Value(lineKey{}).(line)
	p.before, _ = cmd.Context().Value(earlierKey{}).(*earlier)
	return runTasks(p)
}

// readGraph reads a file of tasks; - is standard input.
func readGraph(file string, stdin io.Reader) (*graph.Graph, error) {
	var text []byte
	var err error
	if file == "-" {
		file = "standard input"
		text, err = io.ReadAll(stdin)
	} else {
		text, err = os.ReadFile(file)
	}
	if err != nil {
		return nil, fmt.Errorf("read tasks: %w", err)
	}
	tasks, err := graph.Parse(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s, %w", file, err)
	}
	g, err := graph.New(tasks, nearest.Of)
	if err != nil {
		return nil, fmt.Errorf("%s, %w", file, err)
	}
	return g, nil
}
