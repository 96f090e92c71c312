package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// firstInputs is how many jobs there are: some to keep all workers busy.
const firstInputs = 8

// firstStart compares the times until a tool has its first job running.
func (w *workshop) firstStart() row {
	n := max(w.size(20), 5)
	j := jobOn("/usr/bin/tee", 2)
	r := row{
		name: "first-start", unit: milliseconds,
		title: fmt.Sprintf("from before the start of a tool that has %d inputs until its first job runs (tee opens a named pipe that this program waits for); the median of %d", firstInputs, n),
		contenders: []contender{
			{name: "posix_spawn in C", kind: floor, ready: func(context.Context) (string, error) {
				_, err := w.spawn()
				return "", err
			}},
		},
		targets: []target{{bound: 10}},
	}
	r.contenders[0].round = w.firstOf(tool{command: func(in inputs) program {
		path, _ := w.spawn() // ready has built it
		return program{path: path, args: []string{"0", "1", j.words[0], in.lines[0]}, dir: w.dir}
	}}, j, n)
	for _, t := range []tool{
		w.oursFor(j), xargsFor(j), makeFor(j), moreutilsFor(j), rushFor(j), gnuParallelFor(j),
	} {
		r.contenders = append(r.contenders, contender{name: t.name, kind: t.kind, ready: t.ready, round: w.firstOf(t, j, n)})
	}
	return r
}

// firstOf measures n runs of t.
func (w *workshop) firstOf(t tool, j job, n int64) func(context.Context) (figure, error) {
	return func(ctx context.Context) (figure, error) {
		fifo := filepath.Join(w.dir, "first")
		if err := unix.Mkfifo(fifo, 0o600); err != nil && !errors.Is(err, unix.EEXIST) {
			return figure{}, err
		}
		lines := make([]string, firstInputs) // names of one pipe: a tool may begin with any
		for i := range lines {
			lines[i] = w.dir + strings.Repeat("/.", i) + "/first"
		}
		in, err := w.list("first-inputs", lines)
		if err == nil {
			err = w.makefile(in, j)
		}
		if err != nil {
			return figure{}, err
		}
		return medianOf(n, time.Millisecond, func() (time.Duration, error) { return untilOpened(ctx, t.command(in), fifo) })
	}
}

// untilOpened runs p and returns the time from before its start until somebody opens
// the named pipe for writing.
func untilOpened(ctx context.Context, p program, fifo string) (time.Duration, error) {
	opened, over := make(chan time.Time, 1), make(chan struct{})
	defer close(over)
	go func() {
		// Blocks until there is a writer, as writers do until there is a reader.
		if f, err := os.OpenFile(fifo, os.O_RDONLY, 0); err == nil {
			opened <- time.Now()
			<-over
			f.Close()
		}
		close(opened)
	}()
	begin := time.Now()
	if _, _, err := p.run(ctx); err != nil {
		return 0, errors.Join(err, letGo(fifo, opened))
	}
	const lag = 200 * time.Millisecond // until this process has heard of it, at worst
	select {
	case at, ok := <-opened:
		if !ok {
			return 0, errors.New("the named pipe cannot be opened")
		}
		return at.Sub(begin), nil
	case <-time.After(lag):
		return 0, errors.Join(errors.New("ended without a first job"), letGo(fifo, opened))
	}
}

// letGo frees the reader of a named pipe that no job has opened.
func letGo(fifo string, opened <-chan time.Time) error {
	f, err := os.OpenFile(fifo, os.O_RDWR, 0) // blocks never
	if err != nil {
		return err
	}
	<-opened
	return f.Close()
}
