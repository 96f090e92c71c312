package cli

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tutti-run/tutti"
	"github.com/tutti-run/tutti/internal/journal"
	"github.com/tutti-run/tutti/internal/proc"
	"github.com/tutti-run/tutti/internal/whatif"
	"github.com/tutti-run/tutti/sim"
	"github.com/tutti-run/tutti/topo"
)

// Measured is CPU time where that is what a step costs, so that other programs disturb
// it little, and the time that passes where somebody waits. Each is of several
// rounds.
const (
	calibrateRounds   = 7
	calibrateStream   = 100_000 // tasks that follow each other
	calibrateSteals   = 1_000
	calibrateCommands = 100
	calibrateRest     = 2 * time.Millisecond // until a worker sleeps
)

// measureCosts measures what the engine's steps cost on this machine. Its notes say
// what could not be.
func measureCosts(ctx context.Context, m *topo.Machine) (c whatif.Costs, notes []string, err error) {
	c = whatif.UsualCosts
	near, far := pairs(m)
	for _, step := range []func(context.Context, *whatif.Costs) error{measureSteps, measureDeaths, measureCommands} {
		if err := step(ctx, &c); err != nil {
			return c, nil, err
		}
	}
	if near == nil {
		return c, []string{"this process may use one CPU only, so that steals cost as usual"}, nil
	}
	measured, err := measureSteal(ctx, near)
	if err != nil {
		return c, nil, err
	}
	if measured == disturbed {
		return c, []string{"other programs disturbed stealing each time, so that steals cost as usual; measure again when the machine is quiet"}, nil
	}
	c.StealNear = measured
	if far != nil {
		if measured, err = measureSteal(ctx, far); err != nil {
			return c, nil, err
		}
	}
	if far == nil || measured == disturbed {
		// As much more as usual: the way to a cache that is not shared is longer.
		c.StealFar = c.StealNear * whatif.UsualCosts.StealFar / whatif.UsualCosts.StealNear
		return c, []string{"no steal between two caches could be measured, so it is taken for as many times a near one as usual"}, nil
	}
	c.StealFar = measured
	return c, nil, nil
}

// pairs are two CPUs that are as near as two can be, and two that share no cache; nil
// where there are none.
func pairs(m *topo.Machine) (near, far []int) {
	least, most := topo.Far+1, topo.Cache
	for i, a := range m.CPUs {
		for _, b := range m.CPUs[i+1:] {
			d := a.Distance(b)
			if d < least {
				least, near = d, []int{a.ID, b.ID}
			}
			if d > most {
				most, far = d, []int{a.ID, b.ID}
			}
		}
	}
	return near, far
}

// usually is the second least of what f measures in some rounds: what disturbs it makes
// it longer, and the very least may be luck.
func usually(f func() (int64, error)) (sim.Span, error) {
	var all []int64
	for range calibrateRounds {
		ns, err := f()
		if err != nil {
			return 0, err
		}
		all = append(all, max(ns, 0))
	}
	slices.Sort(all)
	return sim.Span(all[1]), nil
}

// withPool calls f with a pool of n workers that do not poll, since polling would count
// as work.
func withPool(ctx context.Context, n int, policy string, f func(*tutti.Pool) error) (err error) {
	pool, err := tutti.Open(ctx, tutti.Config{Workers: n, Policy: policy, Spin: -1})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, pool.Close()) }()
	return f(pool)
}

// clocks asks a worker for its own.
func clocks(ctx context.Context, pool *tutti.Pool, worker int) (probed, error) {
	return runProbe.Call(ctx, pool, probe{Kind: probeClocks}, tutti.Affinity(worker))
}

// measureSteps measures what a task costs its submitter and its worker, and how long a
// worker takes to wake.
func measureSteps(ctx context.Context, c *whatif.Costs) error {
	return withPool(ctx, 1, "", func(pool *tutti.Pool) (err error) {
		c.Submit, err = usually(func() (int64, error) {
			submit, _, err := streamed(ctx, pool)
			return submit, err
		})
		if err != nil {
			return err
		}
		c.Dispatch, err = usually(func() (int64, error) {
			_, dispatch, err := streamed(ctx, pool)
			return dispatch, err
		})
		if err != nil {
			return err
		}
		c.Wake, err = usually(func() (int64, error) {
			time.Sleep(calibrateRest)
			begin := clockNs(unix.CLOCK_MONOTONIC)
			r, err := clocks(ctx, pool, 1)
			return r.Begin - begin, err
		})
		return err
	})
}

// measureCommands measures what passes between commands of a job slot, beside the times
// that the job log has of them: a run of commands that do nothing tells.
func measureCommands(ctx context.Context, c *whatif.Costs) (err error) {
	if err := proc.BecomeSubreaper(); err != nil {
		return err
	}
	folder, err := os.MkdirTemp("", "tutti-calibrate")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	log := filepath.Join(folder, "log")
	argv := []string{"tutti", "map", "-j1", "--no-journal", "--joblog", log, "true {}", ":::"}
	for i := range calibrateCommands {
		argv = append(argv, strconv.Itoa(i))
	}
	c.Process, err = usually(func() (int64, error) {
		r := proc.Run(ctx, proc.Command{Path: "/proc/self/exe", Argv: argv, SameGroup: true, Stderr: os.Stderr})
		if r.StartErr != nil || r.Status.Exit != 0 {
			return 0, fmt.Errorf("a run of commands ended with exit status %d: %w", r.Status.Exit, r.StartErr)
		}
		return betweenCommands(log)
	})
	return err
}

// betweenCommands is the mean time between the commands of a job log of one slot.
func betweenCommands(name string) (int64, error) {
	f, err := os.Open(name)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	var begin, end time.Time
	n, took := int64(0), time.Duration(0)
	for e, err := range journal.Read(f) {
		if err != nil {
			return 0, err
		}
		if n == 0 {
			begin = e.Start
		}
		end = e.Start.Add(e.Runtime)
		took += e.Runtime
		n++
	}
	return int64(end.Sub(begin)-took) / max(n-1, 1), nil
}

// streamed is what a task of a stream costs this process and its worker.
func streamed(ctx context.Context, pool *tutti.Pool) (submit, dispatch int64, err error) {
	before, err := clocks(ctx, pool, 1)
	if err != nil {
		return 0, 0, err
	}
	own := cpuNs()
	err = runProbe.ForEach(ctx, pool, slices.Values(make([]probe, calibrateStream)))
	if err != nil {
		return 0, 0, err
	}
	own = cpuNs() - own
	after, err := clocks(ctx, pool, 1)
	return own / calibrateStream, (after.CPU - before.CPU) / calibrateStream, err
}

// measureDeaths measures how long a start takes, and how long until a death is certain.
func measureDeaths(ctx context.Context, c *whatif.Costs) (err error) {
	c.Start, err = usually(func() (ns int64, err error) {
		begin := clockNs(unix.CLOCK_MONOTONIC)
		err = withPool(ctx, 1, "", func(*tutti.Pool) error {
			ns = clockNs(unix.CLOCK_MONOTONIC) - begin
			return nil
		})
		return ns, err
	})
	if err != nil {
		return err
	}
	return withPool(ctx, 1, "", func(pool *tutti.Pool) (err error) {
		c.Notice, err = usually(func() (int64, error) {
			if _, err := clocks(ctx, pool, 1); err != nil { // it is there again
				return 0, err
			}
			begin := clockNs(unix.CLOCK_MONOTONIC)
			_, err := runProbe.Call(ctx, pool, probe{Kind: probeDie}, tutti.AtMostOnce())
			took := clockNs(unix.CLOCK_MONOTONIC) - begin
			if _, died := errors.AsType[*tutti.CrashError](err); !died {
				return 0, fmt.Errorf("a worker was to die and did not: %w", err)
			}
			return took, nil
		})
		c.Notice = max(0, c.Notice-c.Wake)
		return err
	})
}

// measureSteal measures what it costs to take a task from the other of two CPUs: how
// much more CPU time the second worker needs for tasks that lie at the first. Whatever
// disturbs it makes it longer, so the least of the rounds counts.
func measureSteal(ctx context.Context, cpus []int) (sim.Span, error) {
	if err := topo.PinProcess(cpus...); err != nil {
		return 0, err
	}
	own, stolen := int64(math.MaxInt64), int64(math.MaxInt64)
	err := withPool(ctx, len(cpus), "work-stealing-one", func(pool *tutti.Pool) error {
		for range calibrateRounds {
			here, err := drained(ctx, pool, 2)
			if err != nil {
				return err
			}
			there, err := drained(ctx, pool, 1)
			if err != nil {
				return err
			}
			own, stolen = min(own, here), min(stolen, there)
		}
		return nil
	})
	if max(own, stolen) == math.MaxInt64 {
		return disturbed, err
	}
	return sim.Span(max(0, stolen-own)), err
}

// disturbed is what measureSteal returns where the workers never had the CPUs for long
// enough.
const disturbed sim.Span = -1

// drained is the CPU time that the second worker needs for each of many tasks that lie
// at a worker when it begins with them, while the first is busy for longer than that.
// It is the longest there is if that worker had not most of them.
func drained(ctx context.Context, pool *tutti.Pool, at int) (int64, error) {
	const submitting, draining = 10 * time.Millisecond, 40 * time.Millisecond
	var futures []*tutti.Future[probed]
	submit := func(p probe, worker int) error {
		f, err := runProbe.Go(ctx, pool, p, tutti.Affinity(worker))
		futures = append(futures, f)
		return err
	}
	err := errors.Join(
		submit(probe{Kind: probeBusy, Ns: int64(draining)}, 1),
		submit(probe{Kind: probeBusy, Ns: int64(submitting)}, 2),
	)
	for i := 0; i < calibrateSteals && err == nil; i++ {
		err = submit(probe{}, at)
	}
	if err != nil {
		return 0, err
	}
	begin, n := int64(0), int64(0)
	for i, f := range futures {
		r, err := f.Wait(ctx)
		switch {
		case err != nil:
			return 0, err
		case i == 1:
			begin = r.CPU
		case i > 1 && r.Worker == 2:
			n++
		}
	}
	after, err := clocks(ctx, pool, 2)
	if err != nil || n < calibrateSteals*3/4 {
		return math.MaxInt64, err
	}
	return (after.CPU - begin) / n, nil
}
