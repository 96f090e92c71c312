package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/tutti-run/tutti/sched"
	"github.com/tutti-run/tutti/sim"
)

// simRows are the simulator's own speed. A run is one goroutine and reads no clock,
// so its time is what its thread has of a CPU: other load does not count.
func (w *workshop) simRows() []row {
	const load = "tasks of exponential length that come at random (Poisson) and keep the CPUs busy for nine tenths of the time; CPU time"
	million := int(w.size(1_000_000))
	speed := func(name, policy string, k kind, cpus int) contender {
		return contender{name: name, kind: k, round: func(context.Context) (figure, error) {
			r, seconds, err := simulated(policy, cpus, million)
			return figure{value: float64(r.Events) / seconds}, err
		}}
	}
	whole := func(policy string, k kind) contender {
		return contender{name: "policy " + policy, kind: k, round: func(context.Context) (figure, error) {
			r, seconds, err := simulated(policy, 1000, million)
			return figure{value: seconds, note: fmt.Sprintf("%.2f M events/s", float64(r.Events)/seconds/1e6)}, err
		}}
	}
	return []row{
		{
			name: "sim", unit: eventsPerSecond,
			title: fmt.Sprintf("the simulator's loop: %d %s", million, load),
			contenders: []contender{
				speed("64 CPUs, default policy", sched.Default, ours, 64),
				speed("64 CPUs, policy least-loaded", "least-loaded", peer, 64),
				speed("64 CPUs, policy aged-priority", "aged-priority", peer, 64),
				speed("1 CPU, default policy", sched.Default, peer, 1),
				speed("1000 CPUs, default policy", sched.Default, peer, 1000),
			},
			targets: []target{{bound: 1e6}},
		},
		{
			name: "sim-1000", unit: seconds,
			title:      fmt.Sprintf("the simulator on 1000 CPUs: %d %s", million, load),
			contenders: []contender{whole(sched.Default, ours), whole("least-loaded", peer), whole("aged-priority", peer)},
			targets:    []target{{bound: 30}},
		},
		w.simReal(),
	}
}

// simCosts are what the engine's steps take on a machine of today, about.
var simCosts = sim.Costs{Submit: 30, Wake: 5_000, Dispatch: 30, StealNear: 100, StealFar: 400, Notice: sim.Millisecond, Start: 2 * sim.Millisecond}

// simulated runs n tasks on so many CPUs and returns the CPU time in seconds.
func simulated(policy string, cpus, n int) (sim.Result, float64, error) {
	const mean = 1e6 // ns
	rnd := rand.New(rand.NewPCG(1, 2))
	at, left := 0.0, n
	next := func() (sim.Task, bool) {
		at += rnd.ExpFloat64() * mean / (0.9 * float64(cpus))
		length := sim.Span(rnd.ExpFloat64() * mean)
		left--
		return sim.Task{At: sim.Time(at), Length: length, Expected: length}, left >= 0
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	begin := cpuSeconds(unix.CLOCK_THREAD_CPUTIME_ID)
	r, err := sim.Run(sim.Config{CPUs: sim.Grid(1, 1, cpus, 1), Policy: builtinPolicy(policy), Costs: simCosts}, next)
	took := cpuSeconds(unix.CLOCK_THREAD_CPUTIME_ID) - begin
	if err == nil && r.Done != n {
		err = fmt.Errorf("%d of %d tasks ended", r.Done, n)
	}
	return r, took, err
}

// builtinPolicy makes policies of package sched, of a name that it has.
func builtinPolicy(name string) func() sched.Policy {
	return func() sched.Policy {
		p, err := sched.New(name, nil)
		if err != nil {
			panic(err)
		}
		return p
	}
}

// cpuSeconds is the CPU time that a clock of the kernel says, of the calling thread or
// of this process.
func cpuSeconds(clock int32) float64 {
	var t unix.Timespec
	if err := unix.ClockGettime(clock, &t); err != nil {
		panic("bench: a clock of CPU time: " + err.Error()) // they exist on every Linux
	}
	return float64(t.Nano()) / 1e9
}
