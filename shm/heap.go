package shm

import (
	"errors"
	"fmt"
	"sync"
)

const (
	// lookAhead is how many of its spans a heap looks at for room before it
	// claims another.
	lookAhead = 32
	// trimEvery is how often, in spans used up, a heap looks for spans that
	// fell empty; of those it meets it keeps keepEmpty.
	trimEvery = 16
	keepEmpty = 8
)

// Heap allocates for one slot. Only the process that owns the slot may use it,
// from any number of goroutines.
type Heap struct {
	arena   *Arena
	slot    uint16
	classes [numClasses]heapClass
}

// heapClass is the spans in which this process allocates objects of one size.
// What is in use is in the span table alone, so that nothing here is lost when
// the process dies.
type heapClass struct {
	mu    sync.Mutex
	spans []int // table indices
	cur   int   // allocates here
	turns int   // spans used up
	_     [cacheLine]byte
}

// Heap returns the handle through which this process, which owns slot,
// allocates. For the same slot it is the same handle.
func (a *Arena) Heap(slot uint16) *Heap {
	a.mu.Lock()
	defer a.mu.Unlock()
	h := a.heaps[slot]
	if h == nil {
		h = &Heap{arena: a, slot: slot}
		a.heaps[slot] = h
	}
	return h
}

// Alloc returns n bytes, aligned to 64, which belong to the heap's slot until
// somebody frees them. They are not zeroed: they hold what an earlier user
// left there. Up to 32 KiB objects share spans, larger ones take whole spans.
// When the arena or the machine is full the error wraps [ErrFull].
func (h *Heap) Alloc(n int) (Ref, error) {
	if n < 0 {
		return 0, fmt.Errorf("arena: allocate %d bytes", n)
	}
	r, err := h.alloc(n)
	if err != nil && errors.Is(err, ErrFull) && h.Trim() > 0 {
		r, err = h.alloc(n)
	}
	return r, err
}

func (h *Heap) alloc(n int) (Ref, error) {
	a := h.arena
	if n > maxSmall {
		return h.allocLarge(n)
	}
	class := classOf(n)
	count := classCount(class)
	c := &h.classes[class]
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		if c.cur < len(c.spans) {
			i := c.spans[c.cur]
			if b := a.spans[i].take(count); b >= 0 {
				at("alloc-bit-set")
				return Ref(a.offset(i, uint32(b)*classBytes[class])), nil
			}
		}
		if err := h.advanceLocked(c, class, count); err != nil {
			return 0, err
		}
	}
}

func (h *Heap) allocLarge(n int) (Ref, error) {
	a := h.arena
	k := (n-1)/SpanBytes + 1
	if k > len(a.spans) {
		return 0, fmt.Errorf("arena: %d bytes of %d: %w", n, len(a.spans)*SpanBytes, ErrFull)
	}
	i, err := a.claim(k, h.slot)
	if err != nil {
		return 0, err
	}
	if err := a.become(i, large, k, h.slot); err != nil {
		return 0, err
	}
	at("alloc-large")
	return Ref(a.offset(i, 0)), nil
}

// advanceLocked moves c to a span with room, one of its own if any of the next
// few has a sixteenth free, else a new one, else any of its own.
func (h *Heap) advanceLocked(c *heapClass, class, count int) error {
	c.turns++
	if c.turns%trimEvery == 0 {
		h.trimLocked(c, 2*trimEvery, keepEmpty)
	}
	if c.seekLocked(h.arena, lookAhead, count, max(1, count/16)) {
		return nil
	}
	i, err := h.arena.claim(1, h.slot)
	if err != nil {
		if errors.Is(err, ErrFull) && c.seekLocked(h.arena, len(c.spans), count, 1) {
			return nil
		}
		return err
	}
	if err := h.arena.become(i, small, class, h.slot); err != nil {
		return err
	}
	at("alloc-span")
	c.cur = len(c.spans)
	c.spans = append(c.spans, i)
	return nil
}

// seekLocked moves on through at most limit spans to one with need objects
// free of count, and reports whether there is one.
func (c *heapClass) seekLocked(a *Arena, limit, count, need int) bool {
	for range min(limit, len(c.spans)) {
		c.cur++
		if c.cur >= len(c.spans) {
			c.cur = 0
		}
		if count-a.spans[c.spans[c.cur]].inUse(count) >= need {
			return true
		}
	}
	return false
}

// Trim frees the spans in which nothing is in use any more, for the other
// slots or the system, and returns their size in bytes. Alloc does so from time
// to time; a process that will allocate nothing for a while should call Trim.
func (h *Heap) Trim() int {
	spans := 0
	for i := range h.classes {
		c := &h.classes[i]
		c.mu.Lock()
		spans += h.trimLocked(c, len(c.spans), 0)
		c.mu.Unlock()
	}
	return spans * SpanBytes
}

// trimLocked looks at the next limit spans of c, frees those that are empty
// except for the first keep, and returns how many it freed.
func (h *Heap) trimLocked(c *heapClass, limit, keep int) int {
	freed := 0
	next := c.cur + 1
	for range min(limit, len(c.spans)) {
		if next >= len(c.spans) {
			next = 0
		}
		i := c.spans[next]
		w := h.arena.spans[i].load()
		if w.state() != small || w.owner() != h.slot || w.arg() >= numClasses || !h.arena.spans[i].empty(classCount(w.arg())) {
			next++
			continue
		}
		if keep > 0 {
			keep--
			next++
			continue
		}
		// Only this process sets bits, and c is locked: it stays empty.
		if head := w.to(freeing, 1, h.slot); h.arena.spans[i].swap(w, head) {
			at("trim-begun")
			h.arena.retire(i, head)
			freed++
		}
		last := len(c.spans) - 1
		c.spans[next] = c.spans[last]
		c.spans = c.spans[:last]
	}
	return freed
}
