package engine

import (
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// stop stops a process and returns when all of it has stopped.
func stop(tb testing.TB, pid int) {
	tb.Helper()
	if err := unix.Kill(pid, unix.SIGSTOP); err != nil {
		tb.Fatal(err)
	}
	stopped(tb, pid)
}

// stopped waits until a process is in state T.
func stopped(tb testing.TB, pid int) {
	tb.Helper()
	until(tb, "a process stops", func() bool {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			return false
		}
		var n int
		var name, state string
		_, err = fmt.Sscan(string(stat), &n, &name, &state)
		return err == nil && state == "T"
	})
}

func cont(tb testing.TB, pid int) {
	tb.Helper()
	if err := unix.Kill(pid, unix.SIGCONT); err != nil {
		tb.Fatal(err)
	}
}

// A stopped worker is stopped, not dead: its task waits for it and is delivered
// once, by the same process; what it had taken and not begun runs elsewhere.
func TestStoppedWorkerKeepsItsTask(t *testing.T) {
	skipUnderRace(t)
	t.Parallel()
	p := openTest(t, nil)
	// One lot in one leaf: who takes it has it in its batch, the holder first.
	held := p.task(Spec{Fn: fnHold, MaxAttempts: 1}, []byte{1})
	var behind []*Pending
	for i := range int64(30) {
		behind = append(behind, p.task(Spec{Fn: fnDouble, MaxAttempts: 1}, number(i)))
	}
	until(t, "the task runs", func() bool { return p.ctl.notes[1].Load() != 0 })
	pid := int(p.ctl.notes[1].Load() >> 32)
	slot := p.slotOf(pid)
	stop(t, pid)
	for i, f := range behind {
		if got := p.value(f); got != uint64(2*i) {
			t.Errorf("%d doubled is %d", i, got)
		}
	}
	p.callers(3, 40) // some of the wake-ups go to the stopped one
	p.doubles(500, true)
	p.doubles(500, false)
	if w := Word(p.m.words[held.index].Load()); w.state() != Running || w.owner() != slot {
		t.Errorf("the stopped worker's task is %v", w)
	}
	p.ctl.open(1)
	cont(t, pid)
	r := p.wait(held)
	if r.Kind != KindValue || r.Attempt != 1 || r.Worker != slot || int(p.m.slot[slot].pid.Load()) != pid {
		t.Errorf("kind %d, attempt %d, worker %d, want %d", r.Kind, r.Attempt, r.Worker, slot)
	}
	p.empty()
}

// An idle worker is stopped while it sleeps: the wake-ups that it swallows are
// made up for.
func TestStoppedSleeperSwallowsWakeUps(t *testing.T) {
	skipUnderRace(t)
	t.Parallel()
	p := openTest(t, nil)
	for slot := 1; slot < p.m.Slots; slot++ {
		until(t, "all workers sleep", func() bool {
			return p.m.head.sleeping[0].Load() == 1<<1|1<<2
		})
		pid := int(p.m.slot[slot].pid.Load())
		stop(t, pid)
		p.callers(2, 10)
		p.doubles(100, true)
		p.doubles(100, false)
		cont(t, pid)
	}
	p.empty()
}

// A worker is stopped at each point. All that it does not hold in RUNNING runs
// elsewhere; the rest comes when it goes on.
func TestStopAtEveryPoint(t *testing.T) {
	skipUnderRace(t)
	for _, point := range runnerPoints {
		for nth := 1; nth <= 2; nth++ {
			t.Run(fmt.Sprint(point, " ", nth), func(t *testing.T) {
				t.Parallel()
				stopAt(t, point, nth)
			})
		}
	}
}

func stopAt(t *testing.T, point Point, nth int) {
	p := openTest(t, nil)
	p.ctl.arm(point, nth, strikeAny, strikeStop)
	var all []*Pending
	for i := range int64(60) {
		all = append(all, p.task(Spec{Fn: fnDouble, MaxAttempts: 1}, number(i)))
		if point == PointMarked || point == PointRung { // asks to be told of the end
			p.m.flag(all[i].index, all[i].id.gen(), flagWaited)
		}
	}
	until(t, "a worker is stopped", func() bool { return p.ctl.struck.Load() != 0 })
	pid := int(p.ctl.struck.Load())
	stopped(t, pid)
	slot := p.slotOf(pid)
	var held []int
	for i, f := range all {
		if w := Word(p.m.words[f.index].Load()); w.gen() == f.id.gen() && w.state() == Running && w.owner() == slot {
			held = append(held, i)
		} else if got := p.value(f); got != uint64(2*i) {
			t.Errorf("%d doubled is %d", i, got)
		}
	}
	cont(t, pid)
	for _, i := range held {
		if got := p.value(all[i]); got != uint64(2*i) {
			t.Errorf("%d doubled is %d", i, got)
		}
	}
	p.empty()
}
