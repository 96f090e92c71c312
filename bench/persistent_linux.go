package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"
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
			title: fmt.Sprintf("one line in, and its answer out, one after the other, from the writer of the input to the reader of the output, a C program; the median of %d", trips),
			contenders: []contender{
				w.lineTrips("tutti map -j1 -k --persistent cat", ours, trips, func() (program, error) {
					path, err := w.tutti()
					return program{path: path, args: own}, err
				}),
				w.lineTrips("cat behind a bare relay, C", floor, trips, func() (program, error) {
					path, err := w.buildC("cc", noCompiler, "relay")
					return program{path: path}, err
				}),
				w.lineTrips("cat, two pipes", floor, trips, func() (program, error) { return program{path: "cat"}, nil }),
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

// lineTrips measures the median time of a line through what command says. Who writes and
// reads is peers/trip.c.
func (w *workshop) lineTrips(name string, kind kind, n int64, command func() (program, error)) contender {
	var trip program
	return contender{
		name: name, kind: kind,
		ready: func(context.Context) (string, error) {
			through, err := command()
			if err != nil {
				return "", err
			}
			path, err := w.buildC("cc", noCompiler, "trip")
			trip = program{path: path, args: append([]string{fmt.Sprint(n), through.path}, through.args...)}
			return "", err
		},
		round: func(ctx context.Context) (figure, error) {
			out, _, err := trip.run(ctx)
			if err != nil {
				return figure{}, err
			}
			var median, worst float64
			if _, err := fmt.Sscan(string(out), &median, &worst); err != nil {
				return figure{}, fmt.Errorf("trip printed %q: %w", out, err)
			}
			us := float64(time.Microsecond)
			return figure{value: median / us, note: fmt.Sprintf("worst of %d: %s", n, formatFigure(worst/us))}, nil
		},
	}
}
