package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/tutti-run/tutti"
)

// busy computes for so long and tells in which worker.
var busy = tutti.NewFunc("bench.busy", func(ctx context.Context, ns int64) (work, error) {
	begin := time.Now()
	for time.Since(begin) < time.Duration(ns) {
	}
	info, _ := tutti.Info(ctx)
	return work{Worker: int64(info.Worker), Ns: time.Since(begin).Nanoseconds()}, nil
})

// work is what a task has done.
type work struct{ Worker, Ns int64 }

// balance is how evenly work comes to the workers that lies at one of them.
func (w *workshop) balance() row {
	lengths := heavyTailed(int(w.size(10_000)))
	return row{
		name: "balance", unit: percent,
		title: fmt.Sprintf("%d tasks of heavy-tailed length (Pareto, α 1.1, from 50 µs to 10 ms), all placed at one of two workers: how far their busy times are apart, in percent of the mean", len(lengths)),
		contenders: []contender{
			{name: "tutti, default policy", kind: ours, round: func(ctx context.Context) (figure, error) {
				return spreadOf(ctx, "", lengths, tutti.Affinity(1))
			}},
			{name: "policy round-robin, dealt to both in turn", kind: peer, round: func(ctx context.Context) (figure, error) {
				return spreadOf(ctx, "round-robin", lengths)
			}},
		},
		targets: []target{{bound: 2}},
	}
}

// spreadOf runs the tasks over two workers and returns how far apart these are.
func spreadOf(ctx context.Context, policy string, lengths []int64, opts ...tutti.Option) (f figure, err error) {
	pool, err := tutti.Open(ctx, tutti.Config{Workers: 2, Policy: policy})
	if err != nil {
		return figure{}, err
	}
	defer func() { err = errors.Join(err, pool.Close()) }()
	var sums [2]int64
	done := 0
	for w, err := range busy.Map(ctx, pool, slices.Values(lengths), opts...) {
		if err != nil {
			return figure{}, err
		}
		sums[w.Worker-1] += w.Ns
		done++
	}
	if done != len(lengths) {
		return figure{}, fmt.Errorf("%d of %d tasks were run", done, len(lengths))
	}
	mean := float64(sums[0]+sums[1]) / 2
	return figure{value: 100 * math.Abs(float64(sums[0]-sums[1])) / mean}, nil
}

// heavyTailed are lengths in ns: most are short, and the few long ones are half of the
// work.
func heavyTailed(n int) []int64 {
	const least, most, alpha = 50e3, 10e6, 1.1
	r := rand.New(rand.NewPCG(1, 2))
	tail := math.Pow(least/most, alpha) // bounded by inversion
	var lengths []int64
	for range n {
		lengths = append(lengths, int64(least/math.Pow(1-r.Float64()*(1-tail), 1/alpha)))
	}
	return lengths
}
