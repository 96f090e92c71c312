package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tool starts a command for each of many inputs.
type tool struct {
	name  string
	kind  kind
	ready func(context.Context) (version string, err error)
	// command is its command line for the numbers 0 to n-1, which are the lines of
	// the file list, and the targets of the makefile beside it.
	command func(list string, n int64) program
	// check looks, outside of the time, at what a run left behind; nil: nothing.
	check func(list string, n int64) error
}

var xargs = tool{
	name: "xargs -P2 -n1", kind: peer,
	ready: installed("xargs", "GNU findutils", "not installed; apt-get install -y findutils"),
	command: func(list string, n int64) program {
		return program{path: "xargs", args: []string{"-P2", "-n1", trueProgram}, input: list}
	},
}

var gnuParallel = tool{
	name: "GNU parallel -j2", kind: peer,
	ready: installed("parallel", "GNU parallel", "not installed; apt-get install -y parallel"),
	command: func(list string, n int64) program {
		return program{path: "parallel", args: []string{"-j2", trueProgram}, input: list}
	},
}

var gnuMake = tool{
	name: "make -j2", kind: peer,
	ready: installed("make", "GNU Make", "not installed; apt-get install -y make"),
	command: func(list string, n int64) program {
		return program{path: "make", args: []string{"-s", "-j2", "-f", list + ".mk"}}
	},
}

var rush = tool{
	name: "rush -j2", kind: peer,
	ready: installed("rush", "rush v", "not installed; go install github.com/shenwei356/rush@latest (Debian's rush is another program)"),
	command: func(list string, n int64) program {
		return program{path: "rush", args: []string{"-j2", trueProgram + " {}"}, input: list}
	},
}

// moreutils is called parallel.moreutils where GNU parallel took the name.
var moreutils = tool{
	name: "moreutils parallel -j2", kind: peer,
	ready: func(context.Context) (string, error) {
		_, err := moreutilsPath()
		return "", err
	},
	command: func(list string, n int64) program {
		path, _ := moreutilsPath() // ready has found it
		args := []string{"-j2", trueProgram, "--"}
		for i := range n {
			args = append(args, strconv.FormatInt(i, 10))
		}
		return program{path: path, args: args}
	},
}

// moreutilsPath tells the two programs called parallel apart by their usage, since
// this one knows no --version.
func moreutilsPath() (string, error) {
	for _, name := range []string{"parallel.moreutils", "parallel"} {
		said, _ := exec.Command(name, "--help").CombinedOutput() // it knows no --help either: exit 1
		if strings.Contains(string(said), "parallel [OPTIONS] command -- arguments") {
			return exec.LookPath(name)
		}
	}
	return "", errors.New("not installed; apt-get install -y moreutils (beside GNU parallel it is parallel.moreutils)")
}

// commands compares the rates at which commands are started. GNU parallel gets a
// quarter of the inputs, as it is that slow.
func (w *workshop) commands() row {
	n := w.size(2000)
	const spawnTwo = "posix_spawn in C, two at a time"
	return row{
		name: "commands", unit: commandsPerSecond,
		title: fmt.Sprintf("%s, %d times, two at a time; tutti with grouped output and a job log, GNU parallel with grouped output, the others with neither", trueProgram, n),
		contenders: []contender{
			w.rateOf(w.oursTool(), n),
			w.spawnLoop(spawnTwo, n, 2),
			w.spawnLoop("posix_spawn in C, one at a time", n, 1),
			{name: "ForkExec in Go, two at a time", kind: floor, round: counted(n, bareLoop(n, 2))},
			{name: "ForkExec in Go, one at a time", kind: floor, round: counted(n, bareLoop(n, 1))},
			w.rateOf(xargs, n),
			w.rateOf(gnuMake, n),
			w.rateOf(moreutils, n),
			w.rateOf(rush, n),
			w.rateOf(gnuParallel, n/4),
		},
		targets: []target{
			{against: spawnTwo, bound: 0.75}, {against: gnuParallel.name, bound: 7}, {against: xargs.name, bound: 1.2},
		},
	}
}

// firstCommand compares whole runs that have one command to start.
func (w *workshop) firstCommand() row {
	n := max(w.size(20), 5)
	return row{
		name: "first-command", unit: milliseconds,
		title: fmt.Sprintf("the whole run of a tool that has one %s to start; the median of %d", trueProgram, n),
		contenders: []contender{
			w.startOf(w.oursTool(), n), w.startOf(xargs, n), w.startOf(gnuMake, n),
			w.startOf(moreutils, n), w.startOf(rush, n), w.startOf(gnuParallel, n),
		},
		targets: []target{{bound: 10}},
	}
}

// rateOf measures commands a second over a run of n.
func (w *workshop) rateOf(t tool, n int64) contender {
	return contender{name: t.name, kind: t.kind, ready: t.ready, round: counted(n, func(ctx context.Context) (figure, error) {
		wall, err := w.wall(ctx, t, n)
		return outcome{N: n, Ns: wall.Nanoseconds()}.perSecond(), err
	})}
}

// startOf measures the wall time of a run of one command, the median of n.
func (w *workshop) startOf(t tool, n int64) contender {
	return contender{name: t.name, kind: t.kind, ready: t.ready, round: counted(n, func(ctx context.Context) (figure, error) {
		return medianOf(n, time.Millisecond, func() (time.Duration, error) { return w.wall(ctx, t, 1) })
	})}
}

func (w *workshop) wall(ctx context.Context, t tool, n int64) (time.Duration, error) {
	list, err := w.numbers(n)
	if err != nil {
		return 0, err
	}
	_, wall, err := t.command(list, n).run(ctx)
	if err == nil && t.check != nil {
		err = t.check(list, n)
	}
	return wall, err
}

// spawnLoop is the floor in C.
func (w *workshop) spawnLoop(name string, n, outstanding int64) contender {
	ready := func(context.Context) (string, error) {
		_, err := w.spawn()
		return "", err
	}
	return contender{name: name, kind: floor, ready: ready, round: func(ctx context.Context) (figure, error) {
		path, err := w.spawn()
		if err != nil {
			return figure{}, err
		}
		p := program{path: path, args: []string{strconv.FormatInt(n, 10), strconv.FormatInt(outstanding, 10), trueProgram}}
		return report(ctx, p, n, n, outcome.perSecond)
	}}
}

// counted fails a round in which the machine started fewer than n processes.
func counted(n int64, round func(context.Context) (figure, error)) func(context.Context) (figure, error) {
	return func(ctx context.Context) (figure, error) {
		before, err := forks()
		if err != nil {
			return figure{}, err
		}
		f, err := round(ctx)
		if err != nil {
			return figure{}, err
		}
		after, err := forks()
		if err == nil && after-before < n {
			err = fmt.Errorf("started %d processes, not %d", after-before, n)
		}
		return f, err
	}
}

// numbers writes 0 to n-1, a line each, to a file, and beside it a makefile that
// starts the command once for each; it returns the first one's path.
func (w *workshop) numbers(n int64) (string, error) {
	path := filepath.Join(w.dir, fmt.Sprintf("numbers-%d", n))
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	var lines, targets strings.Builder
	for i := range n {
		fmt.Fprintf(&lines, "%d\n", i)
		fmt.Fprintf(&targets, " %d", i)
	}
	makefile := fmt.Sprintf("all:%[1]s\n.PHONY: all%[1]s\n%[1]s:\n\t@%[2]s $@\n", targets.String(), trueProgram)
	if err := os.WriteFile(path+".mk", []byte(makefile), 0o644); err != nil {
		return "", err
	}
	return path, os.WriteFile(path, []byte(lines.String()), 0o644)
}
