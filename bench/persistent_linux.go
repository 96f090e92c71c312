package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// persistentRows measure programs that run on from input to input: how many lines go
// through one, and how long one line takes.
func (w *workshop) persistentRows() []row {
	n := w.size(2_000_000)
	trips := w.size(20_000)
	own := []string{"map", "-j1", "-k", "--persistent", "cat"}
	return []row{
		{
			name: "persistent", unit: linesPerSecond,
			title: fmt.Sprintf("%d lines through one cat that runs on, in order", n),
			contenders: []contender{
				{name: "tutti map -j1 -k --persistent cat", kind: ours, ready: w.oursReady("--persistent", "cat", ":::", "a"), round: w.linesThrough(n, func() program {
					path, _ := w.tutti() // ready has built it
					return program{path: path, args: own}
				})},
				{name: "cat", kind: floor, round: w.linesThrough(n, func() program { return program{path: "cat"} })},
			},
			targets: []target{{bound: 100e3}},
		},
		{
			name: "persistent-trip", unit: microseconds,
			title: fmt.Sprintf("one line in, and its answer out, one after the other, from the writer of the input to the reader of the output; the median of %d", trips),
			contenders: []contender{
				{name: "tutti map -j1 -k --persistent cat", kind: ours, ready: w.oursReady("--persistent", "cat", ":::", "a"), round: w.lineTrips(trips, func() program {
					path, _ := w.tutti()
					return program{path: path, args: own}
				})},
				w.relayed(trips),
				{name: "cat, two pipes", kind: floor, round: w.lineTrips(trips, func() program { return program{path: "cat"} })},
			},
			targets: []target{{bound: 50}},
		},
	}
}

// linesThrough measures how many lines a second go through what command says.
func (w *workshop) linesThrough(n int64, command func() program) func(context.Context) (figure, error) {
	return func(ctx context.Context) (figure, error) {
		path, size, err := w.numberLines(n)
		if err != nil {
			return figure{}, err
		}
		p := command()
		p.input = path
		var got int64
		took, err := p.drain(ctx, func(b []byte) { got += int64(len(b)) })
		if err == nil && got != size {
			err = fmt.Errorf("%d bytes came out of %d", got, size)
		}
		return figure{value: float64(n) / took.wall.Seconds()}, err
	}
}

// numberLines makes a file of the numbers from 1 to n, a line each.
func (w *workshop) numberLines(n int64) (path string, size int64, err error) {
	path = filepath.Join(w.dir, fmt.Sprintf("numbers-%d", n))
	if info, err := os.Stat(path); err == nil {
		return path, info.Size(), nil
	}
	f, err := os.Create(path)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	out := bufio.NewWriter(f)
	for i := range n {
		k, _ := fmt.Fprintln(out, i+1) // Flush has its error
		size += int64(k)
	}
	return path, size, out.Flush()
}

// lineTrips measures the median time of a line through what command says. This side waits
// in plain system calls: goroutines would take turns here that are none of the tool's.
func (w *workshop) lineTrips(n int64, command func() program) func(context.Context) (figure, error) {
	return func(ctx context.Context) (figure, error) {
		runtime.LockOSThread() // as in program.run
		defer runtime.UnlockOSThread()
		cmd, release, err := command().prepare(ctx)
		if err != nil {
			return figure{}, err
		}
		defer release()
		theirs, in, err1 := os.Pipe()
		out, theirsToo, err2 := os.Pipe()
		if err := errors.Join(err1, err2); err != nil {
			return figure{}, err
		}
		defer in.Close()
		defer out.Close()
		cmd.Stdin, cmd.Stdout = theirs, theirsToo
		err = errors.Join(cmd.Start(), theirs.Close(), theirsToo.Close())
		if err != nil {
			return figure{}, err
		}
		to, from := int(in.Fd()), int(out.Fd()) // and so they block
		line := []byte("line\n")
		trip := func() (time.Duration, error) {
			begin := time.Now()
			if _, err := unix.Write(to, line); err != nil {
				return 0, err
			}
			var room [64]byte
			answer := room[:0]
			for !bytes.HasSuffix(answer, line[len(line)-1:]) {
				got, err := unix.Read(from, room[len(answer):])
				if err == unix.EINTR {
					continue
				}
				if err != nil || got <= 0 {
					return 0, fmt.Errorf("read the answer: %d bytes (%w)", got, err)
				}
				answer = room[:len(answer)+got]
			}
			took := time.Since(begin)
			if !bytes.Equal(answer, line) {
				return 0, fmt.Errorf("the answer was %q", answer)
			}
			return took, nil
		}
		for range n / 10 { // until it has settled
			if _, err := trip(); err != nil {
				return figure{}, err
			}
		}
		f, err := medianOf(n, time.Microsecond, trip)
		if err != nil {
			return figure{}, err
		}
		if err := in.Close(); err != nil {
			return figure{}, err
		}
		return f, cmd.Wait()
	}
}

// relayed is cat behind a C program that only hands on: as many processes as with tutti.
func (w *workshop) relayed(n int64) contender {
	path := ""
	return contender{
		name: "cat behind a bare relay, C", kind: floor,
		ready: func(context.Context) (_ string, err error) {
			path, err = w.buildC("cc", noCompiler, "relay")
			return "", err
		},
		round: w.lineTrips(n, func() program { return program{path: path} }),
	}
}
