package cli

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/tutti-run/tutti/internal/graph"
	"github.com/tutti-run/tutti/internal/nearest"
	"github.com/tutti-run/tutti/internal/options"
	"github.com/tutti-run/tutti/topo"
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
		RunE: func(_ *cobra.Command, args []string) error {
			if err := taskCommand(o, args[0]); err != nil {
				return withCode(err, exitMapUsage)
			}
			return nil
		},
	}
	options.AttachRun(cmd, o)
	return cmd
}

// taskCommand carries out tutti run.
func taskCommand(o *options.Map, file string) error {
	if err := o.Check(); err != nil {
		return err
	}
	// A task that failed is not done: others wait for it.
	o.ResumeFailed = o.Resume
	machine, err := topo.Detect()
	if err != nil {
		return err
	}
	p, err := newPlan(o, nil, facts{cpus: cpusFor(o, machine), memory: memoryOf(machine), isFile: isPlainFile, readFile: readText})
	if err != nil {
		return err
	}
	p.graph, p.program, p.shell = true, "tutti run", startedBy(os.Getppid())
	g, err := readGraph(file)
	if err != nil {
		return err
	}
	return runTasks(p, g)
}

// readGraph reads a file of tasks; - is standard input.
func readGraph(file string) (*graph.Graph, error) {
	var text []byte
	var err error
	if file == "-" {
		file = "standard input"
		text, err = io.ReadAll(os.Stdin)
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
