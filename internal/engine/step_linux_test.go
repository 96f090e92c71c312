//go:build amd64 || arm64

package engine

import (
	"fmt"
	"testing"

	"golang.org/x/sys/unix"
)

// The gates and notes of the two tasks around the cycle.
const (
	noteStage = 1 // the thread that is traced
	noteBegun = 2 // the cycle has begun
	noteHold  = 3
	noteMark  = 4 // the cycle is complete
)

// sampleSteps is how many places TestKillAtEveryInstruction tries without
// -engine.exhaustive.
const sampleSteps = 60

// A worker's thread is single-stepped from the end of one task through the claim,
// the run and the completion of the next to the start of a third, and its process
// killed after k instructions, for every k. Each time all three results come
// exactly once, and are right.
//
// The other worker of the pool is busy meanwhile and takes over afterwards.
func TestKillAtEveryInstruction(t *testing.T) {
	skipUnderRace(t)
	// How long is a cycle? It varies by what the runtime does between.
	const whole = 1 << 20
	length := 0
	t.Run("whole", func(t *testing.T) { length = openStepped(t).cycle(whole) })
	stride := max(1, length/sampleSteps)
	if *exhaustive {
		stride = 1
	}
	t.Logf("a cycle has %d instructions; killed at every %d.", length, stride)
	for k, complete := 1, false; length > 0 && !complete; {
		t.Run(fmt.Sprint("from ", k), func(t *testing.T) {
			p := openStepped(t)
			for range cyclesPool {
				if complete = p.cycle(k) < k; complete || t.Failed() {
					break
				}
				k += stride
			}
			p.idle()
		})
		if t.Failed() {
			t.Fatalf("killed after %d instructions", k)
		}
	}
}

// cyclesPool is how many cycles one pool serves. A worker that dies between two
// tasks is started later each time.
const cyclesPool = 4

// openStepped opens a pool whose threads go through the engine's instructions
// alone: nothing preempts them, no collector asks for their help.
func openStepped(t *testing.T) *testPool {
	t.Helper()
	return openTest(t, func(c *Config) { c.Env = append(c.Env, "GODEBUG=asyncpreemptoff=1", "GOGC=off") })
}

// cycle lets one worker do k instructions of a cycle, kills it, and checks what
// comes of the tasks. It returns how many instructions it did.
func (p *testPool) cycle(k int) (steps int) {
	p.tb.Helper()
	p.ready()
	c := p.ctl
	for _, n := range []int{noteStage, noteBegun, noteHold, noteMark} {
		c.gates[n].Store(0)
		c.notes[n].Store(0)
	}
	spec := func(fn uint32) Spec { return Spec{Fn: fn, MaxAttempts: MaxAttempts} }
	held := p.task(spec(fnHold), []byte{noteHold})
	until(p.tb, "a worker is busy", func() bool { return c.notes[noteHold].Load() != 0 })
	stage := p.task(spec(fnStage), []byte{noteStage})
	until(p.tb, "the other one spins", func() bool { return c.notes[noteStage].Load() != 0 })
	pid, tid := int(c.notes[noteStage].Load()>>32), int(uint32(c.notes[noteStage].Load()))
	slot := p.slotOf(pid)
	epoch := p.m.slot[slot].epoch.Load()

	// The task of the cycle has an input and a result in the arena, and somebody
	// asks to be told of its end: the longest way.
	const size = 100
	in := make([]byte, size)
	echoInput(in, uint64(k), size, 1)
	echoed := p.task(spec(fnEcho), in)
	p.m.flag(echoed.index, echoed.id.gen(), flagWaited)
	marked := p.task(spec(fnMark), []byte{noteMark})

	tr := newTracer()
	tr.seize(p.tb, tid, 0)
	tr.do(func() { steps = step(p.tb, tr, pid, tid, k, c) })
	tr.end()
	c.open(noteMark)
	c.open(noteHold)
	p.replaced(slot, epoch)
	p.value(held)
	p.value(stage)
	p.value(marked)
	if r := p.wait(echoed); r.Kind != KindValue || len(r.Data) != size || !hasPattern(r.Data, ^uint64(k)) {
		p.tb.Errorf("after %d instructions: kind %d, %d bytes", k, r.Kind, len(r.Data))
	}
	p.idle()
	return steps
}

// step opens the stage's gate, does k instructions of the traced thread from then
// on, or fewer if the cycle is complete, and kills the process.
func step(tb testing.TB, tr *tracer, pid, tid, k int, c *control) (steps int) {
	if err := unix.PtraceInterrupt(tid); err != nil {
		tb.Errorf("interrupt: %v", err)
		return 0
	}
	next := func() bool {
		status, err := tr.wait(tid)
		if err != nil || !status.Stopped() {
			tb.Errorf("the traced thread does not stop: %v, %v", status, err)
			return false
		}
		return true
	}
	if !next() {
		return 0
	}
	c.gates[noteStage].Store(1)
	for steps < k && c.notes[noteMark].Load() == 0 {
		if err := unix.PtraceSingleStep(tid); err != nil {
			tb.Errorf("step %d: %v", steps, err)
			break
		}
		if !next() {
			break
		}
		if c.notes[noteBegun].Load() != 0 {
			steps++
		}
	}
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		tb.Errorf("kill: %v", err)
	}
	if pid != tid { // the leader's end is its parent's to see
		_, _ = tr.wait(tid)
	}
	return steps
}
