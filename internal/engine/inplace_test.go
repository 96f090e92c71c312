package engine

import (
	"testing"

	"github.com/tutti-run/tutti/internal/core"
	"github.com/tutti-run/tutti/sched"
)

// A call in place whose caller is not known to run beside it is nobody's when its
// process has died: its input is gone, and no other worker may begin it.
func TestCallsInPlaceAreNeverQueued(t *testing.T) {
	t.Parallel()
	p := newHeapPool(t, 1, 64, 0)
	m, s := p.m, &supervisor{m: p.m, sub: p.sub}
	index, ok := m.takeReserve(1)
	if !ok || !m.reserved(index) {
		t.Fatalf("descriptor %d, %v", index, ok)
	}
	dead := newSubmitter(m, 1, p.sub.policy)
	dead.fill(index, &Spec{})
	m.descs[index].flags |= flagInPlace
	m.words[index].Store(uint64(Word(m.words[index].Load()).withState(Running)))
	s.recoverPlain(1, core.Crash)
	if w := Word(m.words[index].Load()); w.state() != Running {
		t.Errorf("put back: %v", w)
	}
	s.recoverAll(1, core.Crash, Crash{})
	if w := Word(m.words[index].Load()); w.state() != Free || m.reserve.len() != reserveStep {
		t.Errorf("%v, %d of the reserve can be had", w, m.reserve.len())
	}
}

// The reserve gets memory as it is needed, whoever dies of giving it, up to its end;
// and all of it comes back.
func TestReserveGrows(t *testing.T) {
	t.Parallel()
	m := newHeapMemory(t, 2, 64, 0)
	if n := m.inUse(); n != 64 {
		t.Fatalf("at first %d descriptors are in use", n)
	}
	seen := map[uint32]bool{}
	take := func(want int) {
		t.Helper()
		for range want {
			index, ok := m.takeReserve(1)
			if !ok || seen[index] || int(index) >= m.inUse() || !m.reserved(index) {
				t.Fatalf("descriptor %d of %d, %v; had before: %v", index, m.inUse(), ok, seen[index])
			}
			seen[index] = true
		}
	}
	take(reserveStep)
	if n := m.inUse(); n != 64+reserveStep {
		t.Errorf("%d in use after a step", n)
	}
	m.growReserve(0) // late: somebody else has done it, and all of it is taken
	take(1)
	if n := m.inUse(); n != 64+2*reserveStep {
		t.Errorf("%d in use after two", n)
	}
	m.head.grown.Add(reserveStep / 64) // who counted it has died before it set the hints
	(&supervisor{m: m, sub: newSubmitter(m, 0, sched.NewWorkStealing())}).sweep(1)
	take(InPlaceMax - len(seen))
	if index, ok := m.takeReserve(1); ok {
		t.Errorf("one more than there are: %d", index)
	}
	for index := range seen {
		m.freed(index)
	}
	if n := m.reserve.len(); n != InPlaceMax {
		t.Errorf("%d of %d came back", n, InPlaceMax)
	}
}
