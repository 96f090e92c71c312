package engine

import (
	"fmt"
	"math/bits"
	"sync"
	"sync/atomic"
	"testing"
)

// vyukovRing is the other design that was measured: a bounded queue of hints for
// many producers and consumers after Dmitry Vyukov, each cell with a sequence
// number. Between claim and publish it has a hole that a death leaves for ever:
// for a pool it would need an owner in each cell and a repair besides.
type vyukovRing struct {
	mask  uint64
	cells []vyukovCell
	_     [64]byte
	tail  atomic.Uint64
	_     [56]byte
	head  atomic.Uint64
	_     [56]byte
}

type vyukovCell struct {
	seq  atomic.Uint64
	hint uint32
}

func newVyukovRing(n int) *vyukovRing {
	r := &vyukovRing{mask: uint64(n - 1), cells: make([]vyukovCell, n)}
	for i := range r.cells {
		r.cells[i].seq.Store(uint64(i))
	}
	return r
}

func (r *vyukovRing) push(hint uint32) bool {
	for pos := r.tail.Load(); ; {
		c := &r.cells[pos&r.mask]
		switch seq := c.seq.Load(); {
		case seq == pos:
			if r.tail.CompareAndSwap(pos, pos+1) {
				c.hint = hint
				c.seq.Store(pos + 1)
				return true
			}
			pos = r.tail.Load()
		case seq < pos:
			return false
		default:
			pos = r.tail.Load()
		}
	}
}

func (r *vyukovRing) take() (uint32, bool) {
	for pos := r.head.Load(); ; {
		c := &r.cells[pos&r.mask]
		switch seq := c.seq.Load(); {
		case seq == pos+1:
			if r.head.CompareAndSwap(pos, pos+1) {
				hint := c.hint
				c.seq.Store(pos + r.mask + 1)
				return hint, true
			}
			pos = r.head.Load()
		case seq < pos+1:
			return 0, false
		default:
			pos = r.head.Load()
		}
	}
}

const benchTasks = 4096

// hintQueue is what the benchmark asks of a design: put lot neighbouring hints,
// take up to lot. Both return how many.
type hintQueue struct {
	push func(first uint32, lot int) int
	take func(lot int) int
}

func bitmapQueue(n int) func() hintQueue {
	h := newHints(n)
	return func() hintQueue {
		cursor := 0
		return hintQueue{
			push: func(first uint32, lot int) int {
				leaf, set := int(first>>6), (uint64(1)<<lot-1)<<(first&63)
				for h.leaves[leaf].Load()&set != 0 {
					pause() // passed over in this round: a task is hinted once at a time
				}
				h.add(leaf, set)
				return lot
			},
			take: func(lot int) int {
				_, taken := h.take(&cursor, lot, false)
				return bits.OnesCount64(taken)
			},
		}
	}
}

func ringQueue(n int) func() hintQueue {
	r := newVyukovRing(n)
	return func() hintQueue {
		return hintQueue{
			push: func(first uint32, lot int) int {
				for i := range lot {
					if !r.push(first + uint32(i)) {
						return i
					}
				}
				return lot
			},
			take: func(lot int) int {
				for i := range lot {
					if _, ok := r.take(); !ok {
						return i
					}
				}
				return lot
			},
		}
	}
}

// BenchmarkQueues measures push and take of one hint for two designs: bitmap words
// (what the engine uses) and a ring of hints.
//
// ns a hint, the median of 40 runs of 300,000, on two virtual CPUs of an AMD EPYC
// that were not idle otherwise (runs are kept short for that; the ring's two-thread
// runs spread from 7 to 28 ns, the bitmap's with lots of 32 from 2.3 to 3.2):
//
//	               lots of 1          lots of 32
//	           1 thread 2 threads  1 thread 2 threads
//	bitmap        19.0      23.9      0.59       3.2
//	ring           9.7      20.9      9.6       28.1
//
// So the ring halves the price of a lone hint in one thread, where nobody waits
// for nanoseconds, and the bitmap divides by nine to sixteen that of many, which is
// where the rate is made; and it has no hole for a death to leave.
func BenchmarkQueues(b *testing.B) {
	designs := []struct {
		name string
		make func() func() hintQueue
	}{
		{"bitmap", func() func() hintQueue { return bitmapQueue(benchTasks) }},
		{"ring", func() func() hintQueue { return ringQueue(benchTasks) }},
	}
	for _, d := range designs {
		for _, lot := range []int{1, 32} {
			b.Run(fmt.Sprintf("%s/lot%d/threads1", d.name, lot), func(b *testing.B) {
				q := d.make()()
				for i := 0; i < b.N; i += lot {
					q.push(uint32(i%benchTasks), lot)
					q.take(lot)
				}
			})
			b.Run(fmt.Sprintf("%s/lot%d/threads2", d.name, lot), func(b *testing.B) { twoThreads(b, d.make(), lot) })
		}
	}
}

// twoThreads has one goroutine push and another take; at most a quarter of the
// table is under way, as in a stream.
func twoThreads(b *testing.B, one func() hintQueue, lot int) {
	var taken atomic.Int64
	total := int64((b.N + lot - 1) / lot * lot)
	var wg sync.WaitGroup
	wg.Go(func() {
		q := one()
		for n := int64(0); n < total; {
			got := q.take(lot)
			if got == 0 {
				pause()
				continue
			}
			n += int64(got)
			taken.Store(n)
		}
	})
	q := one()
	seen := int64(0)
	for pushed := int64(0); pushed < total; {
		for pushed-seen > benchTasks/4-int64(lot) {
			if seen = taken.Load(); pushed-seen > benchTasks/4-int64(lot) {
				pause()
			}
		}
		pushed += int64(q.push(uint32(pushed%benchTasks), lot))
	}
	wg.Wait()
}
