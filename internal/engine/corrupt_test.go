package engine

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"unsafe"

	"github.com/tutti-run/tutti/internal/core"
	"github.com/tutti-run/tutti/sched"
	"github.com/tutti-run/tutti/shm"
)

// corruptTasks is small, so that damage hits what is used.
const corruptTasks = 64

// validSegment is a pool in the middle of its work: tasks in every state, inputs
// and results in and out of the arena, hints in every set, a batch.
func validSegment(tb testing.TB) *memory {
	tb.Helper()
	m := newHeapMemory(tb, 3, corruptTasks, 0)
	if err := m.writeNames([]string{"double"}); err != nil {
		tb.Fatal(err)
	}
	m.head.threads = 1
	m.slot[1].lanes, m.slot[2].lanes = 1, 2
	m.slot[1].state.Store(slotReady)
	s := newSubmitter(m, 0, sched.NewWorkStealing())
	heap := m.arena.Heap(1)
	for i := range corruptTasks - 8 {
		index, ok := s.TryAcquire()
		if !ok {
			break
		}
		size := []int{0, 8, 40, 41, 5000}[i%5]
		if _, err := s.Input(tb.Context(), index, size); err != nil {
			tb.Fatal(err)
		}
		if i%7 == 0 {
			continue // WRITING
		}
		s.Submit(index, &Spec{Hints: Hints{Priority: i%3 - 1}})
		if i%7 == 1 {
			continue // QUEUED
		}
		w, _ := m.begin(index, 1+i%2, 0)
		if i%7 == 2 {
			continue // RUNNING
		}
		c := m.cellOf(1+i%2, index)
		c.head(uint32(KindValue), i%57)
		if i%3 == 0 {
			ref, err := heap.Alloc(3000)
			if err != nil {
				tb.Fatal(err)
			}
			*c.ref() = ref
			c.head(uint32(KindValue)|kindExtern, 3000)
		}
		m.flag(index, w.gen(), flagWaited)
		m.end(index, w|flagWaited, Done)
		m.tell(index, m.descs[index].submitter())
	}
	if _, ok := m.takeReserve(1); !ok {
		tb.Fatal("the reserve is empty")
	}
	for slot := 1; slot < m.Slots; slot++ {
		m.slot[slot].batchBits.Store(0xff)
	}
	return m
}

// segmentBytes is all of a heap segment.
func segmentBytes(tb testing.TB, seg *shm.Segment) []byte {
	tb.Helper()
	b, err := seg.Bytes(0, seg.Size())
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// damage is one write of a peer that went mad: so many bytes at a place.
type damage struct {
	at    uint32
	value uint64
	bytes uint8
}

// corrupt returns a copy of a segment with damage done to it, and what attaching
// to it gives.
func corrupt(tb testing.TB, valid []byte, list []damage) (*memory, error) {
	tb.Helper()
	seg := shm.HeapSegment(int64(len(valid)))
	b := segmentBytes(tb, seg)
	copy(b, valid)
	for _, d := range list {
		var v [8]byte
		*(*uint64)(unsafe.Pointer(&v)) = d.value
		copy(b[int(d.at)%len(b):], v[:1+d.bytes%8])
	}
	return attach(seg)
}

// useAll does with a damaged pool all that a worker, a submitter and a supervisor
// do. It may find nonsense; it must not panic, nor read outside.
func useAll(tb testing.TB, m *memory) {
	tb.Helper()
	_, _ = m.readNames()
	_ = m.stats()
	sub := newSubmitter(m, 0, sched.NewWorkStealing())
	if w, err := m.newWorkerAt(1, map[string]Handler{"double": func(r *Run) {
		if p, n, err := r.Input(); err == nil && n > 0 {
			sum := byte(0)
			for _, b := range unsafe.Slice((*byte)(p), n) {
				sum += b
			}
			if out, err := r.Output(KindValue, 100); err == nil {
				*(*byte)(out) = sum
			}
		}
	}}, nil); err == nil {
		run := &Run{w: w}
		for range 20 {
			leaf, batch := w.find(batchMax)
			each(leaf, batch, func(i uint32) { w.runOne(run, i) })
			w.block.batchBits.Store(0)
		}
		for i := range m.Geometry.Tasks {
			w.help(&wait{w: w}, uint32(i), false)
		}
		w.flush(true)
	}
	for i := range m.Geometry.Tasks {
		index := uint32(i)
		_, _, _ = m.input(index)
		if r, err := sub.Result(index); err == nil {
			sum := byte(0)
			for _, b := range r.Data {
				sum += b
			}
		}
		m.plainResult(index, 8)
		if word, ended := m.hasEnded(index); ended {
			m.tell(index, m.descs[index].submitter())
			m.freeResult(index, word, 0)
			m.freeInput(index, 0)
			m.freed(index)
		}
	}
	sub.drain()
	sub.rehint()
	m.rouse()
	for range 8 {
		if index, ok := sub.TryAcquire(); ok {
			if _, err := sub.Input(tb.Context(), index, 100); err == nil {
				sub.Submit(index, &Spec{})
			}
		}
	}
	if index, ok := m.takeReserve(1); ok {
		m.freed(index)
	}
	s := &supervisor{m: m, sub: sub}
	for slot := 1; slot < min(m.Slots, 4); slot++ {
		s.recoverPlain(slot, core.Crash)
		s.recoverAll(slot, core.Crash, Crash{Status: "damaged", Trace: string(make([]byte, 100))})
	}
	_ = m.arena.Usage()
}

// controlParts are the parts of the layout in which damage is done: everything
// but the arena's data.
func controlParts(l layout) [][2]int64 {
	batch := l.slots + 2*int64(unsafe.Sizeof(slotBlock{})) + int64(unsafe.Offsetof(slotBlock{}.batchLeaf))
	return [][2]int64{
		{0, 192}, {192, 320}, {0, pageBytes}, {l.slots, l.funcs}, {batch, batch + 16}, {l.slots, l.slots + 1024}, {l.funcs, l.funcs + 256},
		{l.reserve, l.words}, {l.words, l.words + corruptTasks*8}, {l.tasks, l.tasks + corruptTasks*128},
		{l.free, l.free + l.hintBytes}, {l.queues, l.ended}, {l.ended, l.outs},
		{l.cells, l.reserve}, {l.meta, l.meta + shm.MetaBytes(l.Spans)},
	}
}

// Random damage to every part of a segment, from one byte to whole areas.
func TestDamagedSegment(t *testing.T) {
	skipUnderRace(t) // one goroutine; there it would take half a minute
	t.Parallel()
	m := validSegment(t)
	valid := append([]byte(nil), segmentBytes(t, m.seg)...)
	parts := controlParts(m.layout)
	extremes := []uint64{0, 1, 63, 64, 255, 1 << 16, 1<<31 - 1, 1 << 31, 1<<32 - 1, 1 << 32, 1<<63 - 1, 1 << 63, ^uint64(0)}
	const rounds = 1500
	attached := 0
	for round := range rounds {
		rnd := rand.New(rand.NewPCG(2, uint64(round)))
		var list []damage
		part := parts[round%len(parts)]
		for range 1 + rnd.IntN(40) {
			d := damage{at: uint32(part[0] + rnd.Int64N(part[1]-part[0])), value: rnd.Uint64(), bytes: uint8(rnd.IntN(8))}
			if rnd.IntN(2) == 0 {
				d.at, d.bytes = d.at&^7, 7
				d.value = extremes[rnd.IntN(len(extremes))]
			}
			list = append(list, d)
		}
		func() {
			defer func() {
				if v := recover(); v != nil {
					t.Errorf("round %d: %v", round, v)
					panic(fmt.Sprint("round ", round, ": ", v))
				}
			}()
			if m, err := corrupt(t, valid, list); err == nil {
				attached++
				useAll(t, m)
			}
		}()
	}
	if attached < rounds/2 {
		t.Errorf("%d of %d damaged segments were attached to: the others show little", attached, rounds)
	}
}

// Too short a segment, and one of nothing, are refused.
func TestAttachRefuses(t *testing.T) {
	t.Parallel()
	for _, size := range []int64{1, pageBytes - 1, pageBytes, 1 << 20} {
		if _, err := attach(shm.HeapSegment(size)); err == nil {
			t.Errorf("%d bytes of zeros are a pool", size)
		}
	}
	m := validSegment(t)
	valid := segmentBytes(t, m.seg)
	short := shm.HeapSegment(m.size / 2)
	copy(segmentBytes(t, short), valid)
	if _, err := attach(short); err == nil {
		t.Error("half of a segment is a pool")
	}
}

func FuzzDamagedSegment(f *testing.F) {
	m := validSegment(f)
	valid := append([]byte(nil), segmentBytes(f, m.seg)...)
	for _, p := range controlParts(m.layout) {
		f.Add(uint32(p[0]), ^uint64(0), uint8(7), uint32(p[0]+16), uint64(1)<<31, uint8(3))
	}
	f.Fuzz(func(t *testing.T, at1 uint32, v1 uint64, n1 uint8, at2 uint32, v2 uint64, n2 uint8) {
		if m, err := corrupt(t, valid, []damage{{at1, v1, n1}, {at2, v2, n2}}); err == nil {
			useAll(t, m)
		}
	})
}
