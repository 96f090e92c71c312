package engine

import (
	"slices"
	"testing"

	"github.com/tutti-run/tutti/sched"
)

// Each task that waits is counted once and where it is, whatever hints there are.
func TestWaitingCountsTasksAndNotHints(t *testing.T) {
	t.Parallel()
	m := newHeapMemory(t, 3, 256, 0)
	s := newSubmitter(m, 0, sched.NewWorkStealing())
	var all []uint32
	for range 100 {
		index, ok := put(t.Context(), s, 1)
		if !ok {
			t.Fatal("the table is full")
		}
		s.Submit(index, &Spec{Fn: fnDouble})
		all = append(all, index)
	}
	check := func(what string, want ...int) {
		t.Helper()
		if got := m.waiting(); !slices.Equal(got, want) {
			t.Errorf("%s: %v wait, want %v", what, got, want)
		}
	}
	place := func(index uint32) (leaf int, bit uint64) { return int(index >> 6), 1 << (index & 63) }
	check("submitted", 100, 0, 0)
	leaf, bit := place(all[0])
	m.queue[1][normalClass].add(leaf, bit)
	if n := m.waiting(); n[0]+n[1]+n[2] != 100 {
		t.Errorf("a task with two hints: %v", n)
	}
	m.queue[0][normalClass].remove(leaf, bit)
	check("another queue", 99, 1, 0)
	m.queue[1][normalClass].remove(leaf, bit)
	check("no hint", 100, 0, 0)
	m.slot[2].batchLeaf.Store(uint32(leaf))
	m.slot[2].batchBits.Store(bit)
	check("taken and not begun", 99, 0, 1)
	if _, ok := m.begin(all[0], 2, 0); !ok {
		t.Fatal("it cannot be begun")
	}
	check("begun", 99, 0, 0)
	leaf, bit = place(all[1])
	if _, ok := m.begin(all[1], 1, 0); !ok {
		t.Fatal("it cannot be begun")
	}
	m.queue[0][normalClass].add(leaf, bit)
	check("a stale hint", 98, 0, 0)
	m.slot[1].batchLeaf.Store(1 << 20)
	m.slot[1].batchBits.Store(^uint64(0))
	m.queue[2][normalClass].sums[0].Store(^uint64(0))
	check("damaged", 98, 0, 0)
}
