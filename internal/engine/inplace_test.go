package engine

import (
	"testing"

	"github.com/tutti-run/tutti/internal/core"
)

// A call in place whose caller is not known to run beside it is nobody's when its
// process has died: its input is gone, and no other worker may begin it.
func TestCallsInPlaceAreNeverQueued(t *testing.T) {
	t.Parallel()
	p := newHeapPool(t, 1, 64, 0)
	m, s := p.m, &supervisor{m: p.m, sub: p.sub}
	index, ok := m.takeReserve(1, true)
	if !ok || !m.reserved(int(index>>6)) {
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
	if w := Word(m.words[index].Load()); w.state() != Free || m.head.reserve.Load() != ^uint64(0) {
		t.Errorf("%v, reserve %064b", w, m.head.reserve.Load())
	}
}

// Calls without limits leave half of the reserve to those with some.
func TestReserveIsKeptForLimits(t *testing.T) {
	t.Parallel()
	m := newHeapMemory(t, 2, 64, 0)
	for _, c := range []struct {
		limited bool
		most    int
	}{{false, reserveTasks - reserveLimited}, {true, reserveLimited}, {true, 0}} {
		n := 0
		for ; n <= reserveTasks; n++ {
			if _, ok := m.takeReserve(1, c.limited); !ok {
				break
			}
		}
		if n != c.most {
			t.Errorf("limited %v: %d descriptors, want %d", c.limited, n, c.most)
		}
	}
}
