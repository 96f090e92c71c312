package main

import (
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	makespanSlots  = 4
	makespanTasks  = 40
	makespanRounds = 3
	makespanLeast  = 2 * time.Second // what a run takes at the least
)

// makespan compares how long tools take over tasks whose times are heavy-tailed with the
// least that is possible: the longest task, or all of them on all slots. Each round has
// the inputs in another order, the same for all. Tutti knows the tasks from a run before.
func (w *workshop) makespan() row {
	j := job{name: "sleep", workers: makespanSlots, words: []string{"sleep"}, text: "sleep {}"}
	known, first, gnu := w.oursFor(j), w.oursFor(j, "--no-journal"), gnuParallelFor(j)
	first.kind = floor
	from := "drawn from a Pareto law"
	if w.trace != "" {
		from = "drawn from a recorded workload"
	}
	prepared := known.ready
	known.ready = func(ctx context.Context) (string, error) {
		version, err := prepared(ctx)
		if err == nil {
			_, err = w.makespanOf(ctx, known, 0) // what is known of them
		}
		return version, err
	}
	var contenders []contender
	for _, t := range []tool{known, first, gnu} {
		round := uint64(0)
		contenders = append(contenders, contender{name: t.name, kind: t.kind, ready: t.ready, round: func(ctx context.Context) (figure, error) {
			round++
			return w.makespanOf(ctx, t, round)
		}})
	}
	return row{
		name: "makespan", unit: times, maxRounds: makespanRounds,
		title: fmt.Sprintf("%d heavy-tailed sleeps, %s, %d at a time, in another random order each round: the time of the whole run over the least possible, %v; tutti knows them from one run before, and with --no-journal it knows nothing",
			makespanTasks, from, makespanSlots, makespanLeast),
		contenders: contenders,
		targets:    []target{{bound: 1.05}, {against: gnu.name, bound: 1}},
	}
}

// makespanOf runs a tool over the sleeps, in the order of a round.
func (w *workshop) makespanOf(ctx context.Context, t tool, round uint64) (figure, error) {
	sleeps, err := w.sleeps()
	if err != nil {
		return figure{}, err
	}
	lines := make([]string, len(sleeps))
	for i, s := range sleeps {
		lines[i] = strconv.FormatFloat(s, 'f', 4, 64)
	}
	rand.New(rand.NewPCG(round, 0)).Shuffle(len(lines), func(a, b int) { lines[a], lines[b] = lines[b], lines[a] })
	in, err := w.list(fmt.Sprintf("sleeps-%d", round), lines)
	if err != nil {
		return figure{}, err
	}
	_, took, err := t.command(in).run(ctx)
	return figure{value: took.wall.Seconds() / makespanLeast.Seconds()}, err
}

// sleeps are the times, in seconds, of which the least possible makespan is
// makespanLeast. No one of them is longer than that.
func (w *workshop) sleeps() ([]float64, error) {
	r := rand.New(rand.NewPCG(1993, 0))
	var times []float64
	if w.trace != "" {
		recorded, err := recordedTimes(w.trace)
		if err != nil {
			return nil, fmt.Errorf("-trace: %w", err)
		}
		for range makespanTasks {
			times = append(times, recorded[r.IntN(len(recorded))])
		}
	} else {
		for range makespanTasks {
			times = append(times, math.Pow(1-r.Float64(), -1/1.1))
		}
	}
	return scaled(times), nil
}

// scaled brings times to the sum that keeps all slots busy for makespanLeast; what would
// be longer than that is cut.
func scaled(times []float64) []float64 {
	times = slices.Clone(times)
	whole := makespanLeast.Seconds() * makespanSlots
	for range 100 { // cutting makes the sum smaller, and the rest larger
		sum := 0.0
		for _, t := range times {
			sum += t
		}
		for i := range times {
			times[i] = min(times[i]*whole/sum, makespanLeast.Seconds())
		}
	}
	return times
}

// recordedTimes are the run times of a workload in the standard workload format,
// compressed with gzip: the fourth column of what is no remark.
func recordedTimes(path string) (times []float64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var text io.Reader = f
	if text, err = gzip.NewReader(f); err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(text)
	for lines.Scan() {
		columns := strings.Fields(lines.Text())
		if len(columns) < 4 || strings.HasPrefix(columns[0], ";") {
			continue
		}
		if t, err := strconv.ParseFloat(columns[3], 64); err == nil && t > 0 {
			times = append(times, t)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if len(times) == 0 {
		return nil, errors.New("no run times in it")
	}
	return times, nil
}
