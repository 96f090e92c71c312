package main

import (
	"context"
	"fmt"
	"strings"
)

func (w *workshop) memoryOfCommands() row {
	return row{
		name: "memory-commands", unit: times, maxRounds: memoryRounds,
		title: "growth of the master's peak memory from few inputs to many, read from a pipe",
		contenders: []contender{{name: "tutti map --dry-run", kind: ours, ready: w.oursReady("--dry-run", "true", ":::", "x"), round: func(ctx context.Context) (figure, error) {
			path, err := w.tutti()
			if err != nil {
				return figure{}, err
			}
			return growth(ctx, w.size(10_000_000), func(ctx context.Context, inputs int64) (int64, error) {
				return peakOfRun(ctx, program{path: path, args: []string{"map", "--dry-run", trueProgram}}, inputs)
			})
		}}},
		targets: []target{{bound: 1.1}},
	}
}

// echoProgram prints its input. It is named by its path, or a shell would do it.
const echoProgram = "/bin/echo"

// memoryRows compare the peak memory of the whole of a tool: the sum over its master
// and its workers, without the jobs.
func (w *workshop) memoryRows() []row {
	j := jobOn(echoProgram, 2)
	counts := []int64{w.size(10_000), w.size(1_000_000), w.size(10_000_000)}
	rows := []row{{
		name: "memory-dry-run", title: "peak memory of a run that starts nothing, at the largest number of inputs that the tool was given",
		contenders: []contender{
			w.memoryOf(w.oursFor(j, "--dry-run"), counts...),
			w.memoryOf(rushFor(j, "--dry-run"), counts[0]),
			w.memoryOf(gnuParallelFor(j, "--dry-run"), counts[0]),
		},
	}}
	few, many := w.size(10_000), w.size(100_000)
	for _, order := range [][]string{nil, {"-k"}} {
		r := row{
			name:  "memory-starts" + strings.Join(order, ""),
			title: "peak memory of a tool's master and workers together, which start " + echoProgram + ", at the largest number of inputs that the tool was given",
			contenders: []contender{
				w.memoryOf(w.oursFor(j, order...), few, many),
				w.memoryOf(rushFor(j, order...), few),
				w.memoryOf(gnuParallelFor(j, order...), few/4),
			},
		}
		if order == nil {
			r.contenders = append(r.contenders, w.memoryOf(xargsFor(j), few))
		}
		rows = append(rows, r)
	}
	for i := range rows {
		rows[i].unit, rows[i].maxRounds = mebibytes, 1 // a figure that hardly varies and takes long
	}
	return rows
}

// memoryOf is the peak memory of t for each of the numbers of inputs; the last is
// its figure.
func (w *workshop) memoryOf(t tool, counts ...int64) contender {
	return contender{name: t.name, kind: t.kind, ready: t.ready, round: func(ctx context.Context) (f figure, err error) {
		var notes []string
		for _, n := range counts {
			p := t.command(inputs{})
			p.input = "" // it is fed through a pipe
			kib, err := peakOfRun(ctx, p, n)
			if err != nil {
				return figure{}, err
			}
			f.value = float64(kib) / 1024
			notes = append(notes, fmt.Sprintf("%.1f for %s", f.value, formatFigure(float64(n))))
		}
		f.note = strings.Join(notes, ", ")
		return f, nil
	}}
}
