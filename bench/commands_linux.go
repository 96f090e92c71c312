package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"time"
)

// cpuColumn is the second figure of rows that start commands: of the tool and all
// that it waited for, the command itself included.
const cpuColumn = "CPU ms a job"

// commands compares the rates at which commands are started. GNU parallel gets a
// quarter of the inputs, as it is that slow.
func (w *workshop) commands() row {
	n := w.size(2000)
	j := jobTrue(2)
	const spawnTwo = "posix_spawn in C, two at a time"
	xargs, gnu := xargsFor(j), gnuParallelFor(j)
	return row{
		name: "commands", unit: commandsPerSecond, beside: cpuColumn,
		title: fmt.Sprintf("%s, %d times, two at a time; tutti with grouped output and a job log, GNU parallel with grouped output, the others with neither", trueProgram, n),
		contenders: []contender{
			w.rateOf(w.oursLogged(j), j, n),
			w.spawnLoop(spawnTwo, j, n),
			w.spawnLoop("posix_spawn in C, one at a time", jobTrue(1), n),
			{name: "ForkExec in Go, two at a time", kind: floor, round: counted(n, bareLoop(n, 2))},
			{name: "ForkExec in Go, one at a time", kind: floor, round: counted(n, bareLoop(n, 1))},
			w.rateOf(xargs, j, n),
			w.rateOf(makeFor(j), j, n),
			w.rateOf(moreutilsFor(j), j, n),
			w.rateOf(rushFor(j), j, n),
			w.rateOf(gnu, j, n/4),
		},
		targets: []target{
			{against: spawnTwo, bound: 0.75}, {against: gnu.name, bound: 7}, {against: xargs.name, bound: 1.2},
		},
	}
}

// starts are the rows of starts a second, plain and by a shell, for some numbers of
// commands at once. GNU parallel gets a quarter of the inputs.
func (w *workshop) starts() []row {
	var rows []row
	n := w.size(1000)
	for _, workers := range []int{1, 2, 8} {
		for _, j := range []job{jobTrue(workers), jobShell(workers)} {
			rows = append(rows, row{
				name: fmt.Sprintf("starts-%s-%d", j.name, workers), unit: commandsPerSecond, beside: cpuColumn,
				title: fmt.Sprintf("`%s`, %d times, %d at a time, each tool as it is by default", j.text, n, workers),
				contenders: []contender{
					w.rateOf(w.oursFor(j), j, n),
					w.spawnLoop("posix_spawn in C", j, n),
					w.rateOf(xargsFor(j), j, n),
					w.rateOf(makeFor(j), j, n),
					w.rateOf(moreutilsFor(j), j, n),
					w.rateOf(rushFor(j), j, n),
					w.rateOf(gnuParallelFor(j), j, n/4),
				},
			})
		}
	}
	return rows
}

// firstCommand compares whole runs that have one command to start.
func (w *workshop) firstCommand() row {
	n := max(w.size(20), 5)
	j := jobTrue(2)
	return row{
		name: "first-command", unit: milliseconds,
		title: fmt.Sprintf("the whole run of a tool that has one %s to start; the median of %d", trueProgram, n),
		contenders: []contender{
			w.startOf(w.oursLogged(j), j, n), w.startOf(xargsFor(j), j, n), w.startOf(makeFor(j), j, n),
			w.startOf(moreutilsFor(j), j, n), w.startOf(rushFor(j), j, n), w.startOf(gnuParallelFor(j), j, n),
		},
		targets: []target{{bound: 10}},
	}
}

// rateOf measures commands a second over a run of n.
func (w *workshop) rateOf(t tool, j job, n int64) contender {
	return contender{name: t.name, kind: t.kind, ready: t.ready, round: counted(n, func(ctx context.Context) (figure, error) {
		took, err := w.timed(ctx, t, j, n)
		f := outcome{N: n, Ns: took.wall.Nanoseconds()}.perSecond()
		f.beside = perJob(took.cpu, n)
		return f, err
	})}
}

func perJob(cpu time.Duration, n int64) float64 {
	return float64(cpu) / float64(time.Millisecond) / float64(n)
}

// startOf measures the wall time of a run of one command, the median of n.
func (w *workshop) startOf(t tool, j job, n int64) contender {
	return contender{name: t.name, kind: t.kind, ready: t.ready, round: counted(n, func(ctx context.Context) (figure, error) {
		return medianOf(n, time.Millisecond, func() (time.Duration, error) {
			took, err := w.timed(ctx, t, j, 1)
			return took.wall, err
		})
	})}
}

// timed runs t over n numbers.
func (w *workshop) timed(ctx context.Context, t tool, j job, n int64) (spent, error) {
	in, err := w.numbers(n)
	if err == nil {
		err = w.makefile(in, j)
	}
	if err != nil {
		return spent{}, err
	}
	_, took, err := t.command(in).run(ctx)
	if err == nil && t.check != nil {
		err = t.check(in)
	}
	return took, err
}

// spawnLoop is the floor in C. Its rate leaves out a warm-up of a tenth and one more,
// which its CPU time has in it.
func (w *workshop) spawnLoop(name string, j job, n int64) contender {
	ready := func(context.Context) (string, error) {
		_, err := w.spawn()
		return "", err
	}
	return contender{name: name, kind: floor, ready: ready, round: func(ctx context.Context) (figure, error) {
		path, err := w.spawn()
		if err != nil {
			return figure{}, err
		}
		args := append([]string{strconv.FormatInt(n, 10), strconv.Itoa(j.workers)}, j.words...)
		out, took, err := program{path: path, args: args}.run(ctx)
		if err != nil {
			return figure{}, err
		}
		o, err := parseOutcome(out)
		if err == nil {
			err = o.check(n, n)
		}
		f := o.perSecond()
		f.beside = perJob(took.cpu, n+n/10+1)
		return f, err
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

// checkJobLog tells whether the job log has a heading and a line for each command,
// and removes it, so that the next run begins one.
func checkJobLog(list string, n int64) error {
	log, err := os.ReadFile(list + ".log")
	if err != nil {
		return err
	}
	if lines := int64(bytes.Count(log, []byte{'\n'})); lines != n+1 {
		return fmt.Errorf("the job log has %d lines for %d commands", lines, n)
	}
	return os.Remove(list + ".log")
}
