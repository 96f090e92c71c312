package cli

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tutti-run/tutti/internal/options"
	"github.com/tutti-run/tutti/internal/resource"
	"github.com/tutti-run/tutti/topo"
)

// newMap makes the command map. program is what messages call it.
func newMap(program string) *cobra.Command {
	o := new(options.Map)
	cmd := &cobra.Command{RunE: func(cmd *cobra.Command, args []string) error {
		if err := mapCommand(cmd, program, o, args); err != nil {
			return withCode(err, exitMapUsage)
		}
		return nil
	}}
	options.Attach(cmd, o)
	return cmd
}

// expanded is a command line of map with what configuration files and $PARALLEL
// add, in the plain form that the flag library reads without doubt.
func expanded(args []string) ([]string, error) {
	return options.Expand(args, options.Sources{Getenv: os.Getenv, ReadFile: os.ReadFile})
}

// line is a command line of map.
type line struct {
	words []string // as it was typed
	args  []string // with what profiles and the like add
}

// lineKey finds it in a command's context.
type lineKey struct{}

func withLine(ctx context.Context, l line) context.Context {
	return context.WithValue(ctx, lineKey{}, l)
}

// mapCommand carries out tutti map.
func mapCommand(cmd *cobra.Command, program string, o *options.Map, args []string) error {
	if err := o.Check(); err != nil {
		return err
	}
	if o.IsSemaphore() {
		return semCommand(cmd, o, args)
	}
	machine, err := machineFor(o)
	if err != nil {
		return err
	}
	if answered, err := answer(cmd, o, machine, os.Stdout); answered || err != nil {
		return err
	}
	for _, note := range o.Notes() {
		complain("%s", note)
	}
	p, err := newPlan(o, args, factsOfHere(o, machine))
	if err != nil {
		return err
	}
	p.program, p.shell = program, startedBy(os.Getppid())
	p.called, _ = cmd.Context().Value(lineKey{}).(line)
	p.head, _ = cmd.Context().Value(headKey{}).(*headStart)
	p.before, _ = cmd.Context().Value(earlierKey{}).(*earlier)
	if o.TmpDir != "" {
		// Whatever makes temporary files, here and in the workers, looks there.
		if p.tmpDir, err = filepath.Abs(o.TmpDir); err != nil {
			return err
		}
		if err := os.Setenv("TMPDIR", p.tmpDir); err != nil {
			return err
		}
	}
	if p.readsStdin() && isTerminal(os.Stdin) {
		complain("inputs are read from the terminal, one a line; Ctrl-D ends them. To give them on the command line use :::")
	}
	return runPlan(p)
}

// machineFor is this machine, with how its CPUs lie only where somebody asks.
func machineFor(o *options.Map) (*topo.Machine, error) {
	if o.CountBy != "threads" || o.CPUs || o.Cores || o.Sockets {
		return topo.Detect()
	}
	return topo.Limits()
}

// factsOfHere are those of this process.
func factsOfHere(o *options.Map, machine *topo.Machine) facts {
	return facts{
		cpus: cpusFor(o, machine), memory: memoryOf(machine), isFile: isPlainFile, readFile: readText,
		lookup: os.LookupEnv, gpus: topo.DetectGPUs,
	}
}

// memoryOf is how many bytes this process may have.
func memoryOf(m *topo.Machine) int64 {
	if m.MemoryLimit > 0 && (m.MemoryBytes == 0 || m.MemoryLimit < m.MemoryBytes) {
		return m.MemoryLimit
	}
	return m.MemoryBytes
}

// cpusFor is how many CPUs -j counts: no more than the task has that this runs in.
func cpusFor(o *options.Map, m *topo.Machine) int {
	cpus := m.Parallelism()
	if own, err := resource.ParseCPUs(os.Getenv(cpusVariable)); err == nil {
		cpus = min(cpus, max(int(own/resource.CPU), 1))
	}
	cores, sockets := counts(m)
	switch o.CountBy {
	case "cores":
		return min(cpus, cores)
	case "sockets":
		return min(cpus, sockets)
	}
	return cpus
}

// readText reads a small file, such as that of -j.
func readText(name string) (string, error) {
	b, err := os.ReadFile(name)
	return string(b), err
}

func isPlainFile(name string) bool {
	info, err := os.Stdin.Stat()
	if name != "-" {
		info, err = os.Stat(name)
	}
	return err == nil && info.Mode().IsRegular()
}

// programName is what a program file of this name does without a subcommand: a
// link named parallel is tutti map with another name.
func programName(path string) string {
	return strings.TrimSuffix(filepath.Base(path), ".exe")
}
