package engine

import (
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/tutti-run/tutti/internal/core"
	"github.com/tutti-run/tutti/internal/proc"
	"github.com/tutti-run/tutti/shm"
)

// Workers that die at start end the pool with an error that says how, after a
// bounded number of starts.
func TestWorkersThatDieAtStart(t *testing.T) {
	t.Parallel()
	p, err := tryOpen(t, func(c *Config) {
		c.Env = append(c.Env, workerVariable+"=exit")
		c.Restart = core.DefaultIntensity(c.Workers)
	})
	if err == nil {
		t.Fatal("the pool opened")
	}
	if !strings.Contains(err.Error(), "die too often") || !strings.Contains(err.Error(), "exit status 3") {
		t.Error(err)
	}
	if n := p.ctl.starts.Load(); n < 2 || n > 8 {
		t.Errorf("%d starts", n) // each death at start weighs four of sixteen
	}
}

// A program that never becomes a worker is told so.
func TestWorkersThatNeverAttach(t *testing.T) {
	t.Parallel()
	_, err := tryOpen(t, func(c *Config) {
		c.Env = append(c.Env, workerVariable+"=hang")
		c.Attach = 100 * core.Millisecond
	})
	if !errors.Is(err, ErrNotAttached) {
		t.Error(err)
	}
}

// Idle workers that die are replaced, and counted; too many such deaths are the
// end of the pool, for those too who wait.
func TestDeathsWithoutATask(t *testing.T) {
	skipUnderRace(t)
	t.Parallel()
	p := openTest(t, func(c *Config) { c.Restart.Max = 5 })
	for range 2 {
		p.kill(1)
		p.kill(2)
	}
	st := p.sub.Stats()
	for _, w := range st.Workers {
		if w.Restarts != 2 || w.Crashes != 2 {
			t.Errorf("worker %d: %d restarts after %d crashes, want 2 and 2", w.Slot, w.Restarts, w.Crashes)
		}
	}
	held := p.task(Spec{Fn: fnHold}, []byte{1})
	until(t, "the task runs", func() bool { return p.ctl.notes[1].Load() != 0 })
	idle := 3 - p.slotOf(int(p.ctl.notes[1].Load()>>32))
	p.kill(idle)
	killSlot(&p.m.slot[idle])
	if _, err := held.Wait(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "die too often") || !strings.Contains(err.Error(), "signal 9") {
		t.Error(err)
	}
	until(t, "the workers end", func() bool { return len(p.Workers()) == 0 })
}

// A plain task is put back when its worker's lifeline breaks, while the process is
// not gone: one of its threads is held at its exit by a tracer. A task that may
// run once only is left alone until the process is certainly gone.
func TestLifelineComesBeforeTheEnd(t *testing.T) {
	skipUnderRace(t)
	t.Parallel()
	p := openTest(t, func(c *Config) { c.Workers, c.Lanes = 3, 3 })
	plain := p.task(Spec{Fn: fnHold, MaxAttempts: 2}, []byte{1})
	once := p.task(Spec{Fn: fnHold, AtMostOnce: true}, []byte{2})
	until(t, "both run", func() bool { return p.ctl.notes[1].Load() != 0 && p.ctl.notes[2].Load() != 0 })
	plainPid, oncePid := int(p.ctl.notes[1].Load()>>32), int(p.ctl.notes[2].Load()>>32)
	plainSlot, onceSlot := p.slotOf(plainPid), p.slotOf(oncePid)
	freePlain := holdExit(t, plainPid, p.m.slot[plainSlot].lifeline.Load())
	freeOnce := holdExit(t, oncePid, p.m.slot[onceSlot].lifeline.Load())
	pidfd, err := unix.PidfdOpen(plainPid, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pidfd)
	for _, slot := range []int{onceSlot, plainSlot} { // in this order, so that the first was seen with the second
		killSlot(&p.m.slot[slot])
		until(t, "the lifeline breaks", func() bool { return p.m.slot[slot].state.Load() == slotDead })
	}
	// The third worker takes the plain one.
	until(t, "the plain task runs again", func() bool { return p.ctl.notes[1].Load()&0xff == 2 })
	if n, _ := unix.Poll([]unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}, 0); n != 0 {
		t.Error("the dead process was gone already: nothing is shown")
	}
	p.ctl.open(1)
	if r := p.wait(plain); r.Kind != KindValue || r.Worker == plainSlot || r.Worker == onceSlot {
		t.Errorf("the plain task: kind %d in worker %d", r.Kind, r.Worker)
	}
	if w := Word(p.m.words[once.index].Load()); w.state() != Running || w.owner() != onceSlot {
		t.Errorf("the task that runs at most once is %v while its process is not gone", w)
	}
	freePlain()
	freeOnce()
	p.crash(once)
	p.empty()
}

// The sweep finds what a death inside hints.add or clearSum leaves: bits of a leaf
// whose sum bit is missing.
func TestSweepFindsALeafWithoutItsSum(t *testing.T) {
	t.Parallel()
	p := newHeapPool(t, 1, 128, 0, double)
	s := &supervisor{m: p.m, sub: p.sub}
	p.m.free.sums[0].Store(0)
	s.sweep(1)
	if n := p.m.free.len(); n != 128 {
		t.Errorf("%d of 128 free descriptors are found", n)
	}
}

// What a dead worker had in the arena is freed with its slot; a descriptor that it
// had filled, or run, must not free it again, when it is another's by then.
func TestDeadReferencesFreeNothing(t *testing.T) {
	t.Parallel()
	p := newHeapPool(t, 1, 128, 0)
	m, s := p.m, &supervisor{m: p.m, sub: p.sub, cfg: Config{}}
	dead := newSubmitter(m, 1, p.sub.policy) // of the process that dies
	filled, _ := dead.TryAcquire()
	in, err := dead.Input(t.Context(), filled, 1000)
	if err != nil {
		t.Fatal(err)
	}
	clear(unsafe.Slice((*byte)(in), 1000))
	run, _ := p.sub.TryAcquire()
	m.queued(run, 0)
	running, _ := m.begin(run, 1, 0)
	ref, err := dead.heap.Alloc(1000)
	if err != nil {
		t.Fatal(err)
	}
	*m.cellOf(1, run).ref() = ref
	m.cellOf(1, run).head(uint32(KindValue)|kindExtern, 1000)
	s.recoverAll(1, core.KilledForTask, Crash{})
	heir := newSubmitter(m, 0, p.sub.policy)
	var held []shm.Ref // of the same class: the same places
	for range 64 {
		r, err := heir.heap.Alloc(1000)
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, r)
	}
	p.sub.Unacquire(filled)
	m.freeResult(run, running, 0)
	for _, r := range held {
		if _, err := m.arena.Bytes(r, 1000); err != nil {
			t.Errorf("freed by a dead reference: %v", err)
		}
	}
}

// A worker that attached, began a task and died before the supervisor had looked is not
// one that died at its start.
func TestDeathRightAfterAttaching(t *testing.T) {
	t.Parallel()
	p := newHeapPool(t, 0, 64, 0)
	m := newHeapMemory(t, 2, 64, 0)
	s := &supervisor{
		m: m, sub: p.sub, rnd: rand.New(rand.NewPCG(1, 1)), life: &lifelines{}, kids: make([]*child, 2),
		cfg: Config{Stdout: io.Discard, Stderr: io.Discard},
	}
	k := &child{slot: 1, core: core.NewWorker(core.DefaultWorkerLimits, core.NewDeaths(core.Intensity{}))} // the first death of its own is the last
	s.kids[1] = k
	k.core.Step(0, core.Event{Kind: core.Start}, s.rnd, nil)
	m.slot[1].epoch.Store(1)
	m.slot[1].state.Store(slotStarting)
	process, err := proc.Start(proc.Spec{Path: "/bin/true"})
	if err != nil {
		t.Fatal(err)
	}
	status := process.Wait()
	s.hear(news{slot: 1, ev: core.Event{Epoch: 1}, proc: process})
	sub := newSubmitter(m, 0, p.sub.policy)
	index, _ := sub.TryAcquire()
	sub.fill(index, &Spec{})
	m.queued(index, 0)
	if _, ok := m.begin(index, 1, 0); !ok {
		t.Fatal("not begun")
	}
	m.slot[1].state.Store(slotReady)
	s.hear(news{slot: 1, ev: core.Event{Kind: core.Exited, Epoch: 1}, status: status})
	if s.fatal != nil {
		t.Errorf("the pool gave up: %v", s.fatal)
	}
	if w := Word(m.words[index].Load()); w.state() != Queued {
		t.Errorf("its task is %v", w)
	}
	// Its successor finds no pool, and ends.
	until(t, "the successor ends", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return slices.ContainsFunc(s.news, func(n news) bool { return n.ev.Kind == core.Exited || n.ev.Kind == core.StartFailed })
	})
}
