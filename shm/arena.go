package shm

import (
	"fmt"
	"structs"
	"sync"
	"sync/atomic"
	"unsafe"
)

// Ref is an object's offset in its segment; every process may use it. 0 is none.
type Ref uint64

// Geometry says where in a segment an arena lies.
type Geometry struct {
	// Meta is the offset of the span table, [MetaBytes] long: a multiple of 64.
	Meta int64
	// Data is the offset of the first span: a multiple of [SpanBytes], not 0.
	Data int64
	// Spans is the number of spans, 1 to 2^24-1. They need no memory until used.
	Spans int
}

// layoutVersion changes with the layout of arenaHeader, span and spanWord.
const layoutVersion = 1

// arenaHeader is the first 256 bytes of the table. Nothing in it is trusted:
// low and idle are hints, which Reclaim puts right after deaths.
//
//	offset  size  field  writer       if the writer dies
//	     0     8  seal   first, once  the next one writes the same
//	     8     8  top    any, by CAS  rows below top have memory behind them
//	    64     8  low    any          a search begins too late and wraps round
//	   128     8  idle   any          off by the run in hand
type arenaHeader struct {
	_    structs.HostLayout
	seal atomic.Uint64 // version and geometry
	top  atomic.Uint64 // spans from here on were never used
	_    [48]byte
	low  atomic.Uint64 // probably no span below is free
	_    [56]byte
	idle atomic.Int64 // spans that are free and committed
	_    [120]byte
}

var _ [256]byte = [unsafe.Sizeof(arenaHeader{})]byte{}        // else bump layoutVersion
var _ [64]byte = [unsafe.Offsetof(arenaHeader{}.low)]byte{}   // else bump layoutVersion
var _ [128]byte = [unsafe.Offsetof(arenaHeader{}.idle)]byte{} // else bump layoutVersion

const (
	// idleSpans bounds the free spans that keep their memory: 8 MiB.
	idleSpans = 128
	// growSpans is how many rows of the table get memory at a time: 64 KiB.
	growSpans = 512
)

// Arena is an allocator in a segment, for all processes that attach to it.
// Every object belongs to a slot, that of the process that allocated it, until
// it is freed or, its process being dead, reclaimed. All methods may be called
// from many goroutines and processes at once.
type Arena struct {
	seg    *Segment
	geo    Geometry
	header *arenaHeader
	taken  spanMap
	spans  []span // the first top rows may be touched

	idleMax int64 // idleSpans, or less in tests
	grow    int   // growSpans, or less in tests

	mu    sync.Mutex
	heaps map[uint16]*Heap
}

func mapBytes(spans int) int64 { return int64(spans+511) / 512 * 64 }

// MetaBytes returns the size in bytes of the table for that many spans: about
// 1/500 of what it describes, and like that committed only as it is used.
func MetaBytes(spans int) int64 {
	return int64(unsafe.Sizeof(arenaHeader{})) + mapBytes(spans) + int64(spans)*int64(unsafe.Sizeof(span{}))
}

// NewArena makes the arena at g in seg, or attaches to the one that is there,
// whose geometry must be the same. The table's memory must be zero at first;
// there is nothing else to initialise, and it does not matter who comes first.
func NewArena(seg *Segment, g Geometry) (*Arena, error) {
	if err := g.check(seg.Size()); err != nil {
		return nil, fmt.Errorf("arena: %w", err)
	}
	a := &Arena{seg: seg, geo: g, idleMax: idleSpans, grow: growSpans, heaps: make(map[uint16]*Heap)}
	table := g.Meta + int64(unsafe.Sizeof(arenaHeader{})) + mapBytes(g.Spans)
	if err := seg.Commit(g.Meta, table-g.Meta); err != nil {
		return nil, fmt.Errorf("arena: %w", err)
	}
	base := seg.Base()
	a.header = (*arenaHeader)(unsafe.Add(base, g.Meta))
	a.taken = unsafe.Slice((*atomic.Uint64)(unsafe.Add(base, g.Meta+int64(unsafe.Sizeof(arenaHeader{})))), mapBytes(g.Spans)/8)
	a.spans = unsafe.Slice((*span)(unsafe.Add(base, table)), g.Spans)
	a.header.seal.CompareAndSwap(0, g.seal())
	if seal := a.header.seal.Load(); seal != g.seal() {
		return nil, fmt.Errorf("arena: the segment holds another (seal %#x, want %#x): all processes must run the same version", seal, g.seal())
	}
	return a, nil
}

func (g Geometry) check(size int64) error {
	if g.Spans < 1 || g.Spans > maxSpans {
		return fmt.Errorf("%d spans: 1 to %d are possible", g.Spans, maxSpans)
	}
	meta, data := MetaBytes(g.Spans), int64(g.Spans)*SpanBytes
	switch {
	case g.Meta < 0 || g.Meta%cacheLine != 0 || meta > size || g.Meta > size-meta:
		return fmt.Errorf("table of %d bytes at offset %d: not aligned or outside a segment of %d bytes", meta, g.Meta, size)
	case g.Data <= 0 || g.Data%SpanBytes != 0 || data > size || g.Data > size-data:
		return fmt.Errorf("%d spans at offset %d: not aligned or outside a segment of %d bytes", g.Spans, g.Data, size)
	case g.Data < g.Meta+meta && g.Meta < g.Data+data:
		return fmt.Errorf("table at offset %d and spans at offset %d overlap", g.Meta, g.Data)
	}
	return nil
}

func (g Geometry) seal() uint64 {
	return layoutVersion<<56 | uint64(g.Spans)<<32 | uint64(g.Data/SpanBytes)&0xffff_ffff
}

// top returns how many rows of the table may be touched.
func (a *Arena) top() int { return int(min(a.header.top.Load(), uint64(len(a.spans)))) }

// offset returns the offset in the segment of byte off of span i.
func (a *Arena) offset(i int, off uint32) int64 { return a.geo.Data + int64(i)*SpanBytes + int64(off) }

// object is a live object: where it lies and what it is part of.
type object struct {
	span  int
	word  spanWord
	index int // in a span of small objects
	size  int // usable bytes
}

// find returns the live object that r names, or an error that wraps ErrBadRef.
func (a *Arena) find(r Ref) (object, error) {
	off := int64(r) - a.geo.Data
	if r > 1<<62 || off < 0 || off/SpanBytes >= int64(a.top()) {
		return object{}, fmt.Errorf("%w: %#x", ErrBadRef, uint64(r))
	}
	o := object{span: int(off / SpanBytes)}
	o.word = a.spans[o.span].load()
	switch o.word.state() {
	case small, adopted:
		if c := o.word.arg(); c < numClasses {
			i, ok := objectAt(c, uint32(off%SpanBytes))
			if ok && a.spans[o.span].has(i) {
				o.index, o.size = i, int(classBytes[c])
				return o, nil
			}
		}
	case large:
		if k := o.word.arg(); off%SpanBytes == 0 && k > 0 && k <= len(a.spans)-o.span {
			o.size = k * SpanBytes
			return o, nil
		}
	}
	return object{}, fmt.Errorf("%w: %#x", ErrBadRef, uint64(r))
}

// Size returns how many bytes of the object may be used, at least as many as
// were asked for.
func (a *Arena) Size(r Ref) (int, error) {
	o, err := a.find(r)
	return o.size, err
}

// Bytes returns the object's first n bytes. They stay valid until the object
// is freed; after that they may be another's, which nothing can detect.
func (a *Arena) Bytes(r Ref, n int) ([]byte, error) {
	o, err := a.find(r)
	if err != nil {
		return nil, err
	}
	if n < 0 || n > o.size {
		return nil, fmt.Errorf("arena: %d bytes of an object of %d", n, o.size)
	}
	return a.seg.Bytes(int64(r), int64(n))
}

// Free frees the object that r names, whoever allocated it. by is the slot of
// the calling process: should it die meanwhile, Reclaim of that slot completes
// what was begun. A reference to nothing is an error that wraps [ErrBadRef] and
// harms nobody; a second Free after the memory was allocated again cannot be
// told from a first and frees the new object.
func (a *Arena) Free(by uint16, r Ref) error {
	o, err := a.find(r)
	if err != nil {
		return fmt.Errorf("free: %w", err)
	}
	s := &a.spans[o.span]
	if o.word.state() == large {
		head := o.word.to(freeing, o.size/SpanBytes, by)
		if !s.swap(o.word, head) {
			return fmt.Errorf("free: %w: %#x: somebody frees it at this moment", ErrBadRef, uint64(r))
		}
		at("free-large-begun")
		a.retire(o.span, head)
		return nil
	}
	if !s.drop(o.index) {
		return fmt.Errorf("free: %w: %#x: somebody freed it at this moment", ErrBadRef, uint64(r))
	}
	at("free-small-cleared")
	// SYNC last-object: pairs with Reclaim. The bit is cleared before the word
	// is read again, there the word is changed before the bits are read again,
	// so one of the two sees that nothing is left.
	a.retireAdopted(o.span, by)
	return nil
}

// retireAdopted frees span i, for slot by, if it is adopted and empty.
func (a *Arena) retireAdopted(i int, by uint16) {
	s := &a.spans[i]
	w := s.load()
	if w.state() != adopted || w.arg() >= numClasses || !s.empty(classCount(w.arg())) {
		return
	}
	if head := w.to(freeing, 1, by); s.swap(w, head) { // else somebody saw it too
		at("free-adopted-begun")
		a.retire(i, head)
	}
}
