package main

import (
	"context"
	"fmt"

	"github.com/tutti-run/tutti"
)

// Both architectures side by side: workers that look for work, and a master that
// assigns it, with a policy that places lots and one that orders exactly. Where the master
// becomes the ceiling on more CPUs than there are here, package sim tells
// (TestMasterIsTheCeiling): at the length of a task over the time of an assignment.

// eachArch gives a contender for each architecture and policy.
func eachArch(round func(tutti.Config) func(context.Context) (figure, error)) (all []contender) {
	for _, policy := range []string{"work-stealing", "earliest-deadline"} {
		for _, arch := range []tutti.Arch{tutti.SMP, tutti.AMP} {
			kind := variant
			if len(all) == 0 {
				kind = ours // the default
			}
			all = append(all, contender{
				name: fmt.Sprintf("tutti, %s, %s", arch, policy), kind: kind,
				round: round(tutti.Config{Workers: 2, Arch: arch, Policy: policy}),
			})
		}
	}
	return all
}

func (w *workshop) architectures() row {
	n := w.size(1_000_000)
	return row{
		name: "functions-arch", unit: tasksPerSecond,
		title: "no-op functions through Map over two workers, by who decides",
		contenders: eachArch(func(c tutti.Config) func(context.Context) (figure, error) {
			return func(ctx context.Context) (figure, error) {
				return mapRate(ctx, c, addOne, first, n, sumOfAddOne(n))
			}
		}),
	}
}

// waiting is the tail of how long tasks wait, window full: what was submitted is begun
// after so long, the 99th of a hundred.
func (w *workshop) waiting() row {
	n := w.size(1_000_000)
	return row{
		name: "waiting-arch", unit: microseconds,
		title: "how long a no-op function waits at most, of 99 in 100, two workers, 32 under way",
		contenders: eachArch(func(c tutti.Config) func(context.Context) (figure, error) {
			return func(ctx context.Context) (figure, error) {
				o, err := withPool(ctx, c, func(pool *tutti.Pool) (outcome, error) {
					sum := int64(0)
					for out, err := range addOne.Map(ctx, pool, first(n), tutti.Window(32)) {
						if err != nil {
							return outcome{}, err
						}
						sum += out
					}
					return outcome{N: 1, Ns: pool.Stats().Wait.P99, Sum: sum}, nil
				})
				if err == nil {
					err = o.check(1, sumOfAddOne(n))
				}
				return o.microseconds(), err
			}
		}),
	}
}
