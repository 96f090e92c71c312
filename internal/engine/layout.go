package engine

import (
	"errors"
	"fmt"
	"structs"
	"sync/atomic"
	"unsafe"

	"github.com/tutti-run/tutti/sched"
	"github.com/tutti-run/tutti/shm"
)

// The segment, from its start; each part begins on a page of its own.
//
//	header    one page: magic, geometry, what all processes wait for together
//	slots     slotBytes a process: who it is, its bells, its batch, its figures
//	funcs     the names of the functions, by number
//	ranks     8 bytes a task: its rank, for policies that order exactly
//	findings  2 KiB × 32: what is known of calls that died on their caller's stack
//	takers    8 bytes a function: the groups of workers that take it
//	orders    40 bytes a task: what the master goes by when it assigns it; AMP only
//	free      hints: descriptors that nobody uses
//	queues    hints, classes × slots: tasks that wait
//	ended     hints, one set a slot: tasks whose end its process waits for
//	outs      8 bytes × tasks × slots: results that fit, in the row of who wrote them
//	cells     64 bytes × tasks × slots: what kind of result, and larger ones
//	reserve   hints: descriptors of the reserve (inplace.go) that nobody uses
//	words     8 bytes a task, and for each descriptor of the reserve
//	tasks     128 bytes a task: the descriptors; likewise
//	ins       8 bytes a task: inputs that fit; likewise
//	arena     span table and spans: what does not fit into descriptor or cell
//	extra     what the pool's user lays out himself
//
// Everything before the arena is committed at the start, but for what belongs to the
// reserve, which is as it is needed; zero is its idle state.
//
// Short values lie apart and close together, and what is the same for one task
// after another in a descriptor or cell is not written again: then eight short
// tasks share the three cache lines that must move between submitter and worker
// for them. With a line for each input and each result a task took three times
// as long: the CAS that ends it has to wait for the result's line.
// InlineOut is the size of the largest result that lies in its cell.
const InlineOut = 56

// NameMax bounds the name of a function, in bytes.
const NameMax = 124

// PolicyNameMax bounds the name of a policy, in bytes.
const PolicyNameMax = 32

const (
	layoutMagic   = 0x3169747475742e01 // ".tutti1", little-endian, after a byte no text has
	layoutVersion = 8

	pageBytes   = 4096
	funcsMax    = 1024
	shortMax    = 8 // bytes of a value in ins and outs
	inlineIn    = 40
	inlineOut   = InlineOut
	cellBytes   = 64
	histBuckets = 256
)

var (
	errLayout = errors.New("not a tutti segment of this version")
	// ErrGeometry says that a pool of this shape cannot be laid out.
	ErrGeometry = errors.New("engine: impossible pool geometry")
)

// header is the first page. Invariant: what stands before bell is written once,
// before any other process attaches, and checked by everyone who does.
//
//	offset  size  field     writer      if the writer dies
//	     0    64  geometry  master      the pool is gone with it
//	    64     4  bell      anyone +1   the supervisor's own time limits remain
//	   128     8  nextWake  supervisor  the pool is gone with it
//	   192     4  cursor    beginner    some task starts before an older one
//	   196     4  findings  supervisor  the pool is gone with it
//	   200     8  arch      master      written once, with what follows
//	   256     4  grown     CAS         the next one commits the same again
//	  1024   512  sleeping  CAS         recovery clears all and wakes everybody
//	  1536   512  starving  CAS         likewise
//	  2048   512  asking    CAS         a new process of the slot asks anew
//	  2560   512  napping   CAS         as sleeping
type header struct {
	_       structs.HostLayout
	magic   uint64
	version uint32
	slots   uint32
	tasks   uint32
	spans   uint32
	funcs   uint32
	_       uint32
	spinNs  int64  // how long to spin before parking; 0 is not at all
	threads uint32 // GOMAXPROCS of a worker
	_       [4]byte
	id      uint64 // tells pools apart
	extra   int64  // bytes of the last part

	bell atomic.Uint32 // futex: something happened that the supervisor must see
	_    [60]byte

	nextWake  atomic.Int64  // the supervisor looks at time limits at this time at the latest
	classes   atomic.Uint32 // bit c: class c has been used; set only
	policyLen uint32        // of policy; with it written once
	policy    [PolicyNameMax]byte
	inOrder   uint32 // 1: tasks start oldest first, one at a time; written once
	_         [12]byte
	cursor    atomic.Uint32 // where in the table the oldest waiting task lies; with inOrder
	findings  atomic.Uint32 // bit i: finding i may be in use
	arch      uint32        // 1: the master assigns all tasks; see assign.go
	ahead     uint32        // 1: it may assign more than a worker has begun; with arch
	_         [48]byte
	grown     atomic.Uint32 // leaves of the reserve that have memory; it only grows
	_         [1024 - 260]byte

	sleeping [MaxSlots / 64]atomic.Uint64 // workers parked on their park word
	starving [MaxSlots / 64]atomic.Uint64 // processes that wait for a free descriptor
	asking   [MaxSlots / 64]atomic.Uint64 // workers without a task in their box; AMP only
	napping  [MaxSlots / 64]atomic.Uint64 // of these, those parked: in place of sleeping
	_        [pageBytes - 3072]byte
}

// slotBlock is what belongs to one process. Fields with another writer than the
// owner say so; each such field has a line of its own.
type slotBlock struct {
	_     structs.HostLayout
	state atomic.Uint32 // slotVacant…; owner, and the supervisor when it is gone
	pid   atomic.Uint32
	epoch atomic.Uint64 // counts the processes that used the slot; supervisor
	lanes uint32        // tasks at once; supervisor, before the process starts
	lane0 uint32        // number of its first lane, unique in the pool
	cpu   atomic.Int32  // CPU that it is pinned to; -1 none; like what follows, the master
	core  atomic.Int32  // labels of that CPU, to compare for equality; see topo.CPU
	cache atomic.Int32
	node  atomic.Int32
	speed atomic.Uint32 // of that CPU; 0 where unknown
	group uint32        // of its workers; below groupsMax
	taken atomic.Uint32 // 1: it has taken tasks; owner
	_     [64 - 52]byte

	lifeline atomic.Uint32 // the kernel marks it when the process dies
	_        [60]byte
	park     atomic.Uint32 // futex of its idle lane; wakers +1
	_        [60]byte
	control  atomic.Uint32 // futex of its control goroutine; anyone +1
	stop     atomic.Uint32 // 1: leave when idle; supervisor
	_        [56]byte
	done     atomic.Uint32 // futex of who waits for ends in this process; finishers +1
	awaiting atomic.Uint32 // 1: somebody sleeps on done
	waits    atomic.Uint32 // of its tasks: goroutines that sleep until others of the pool end; AMP only
	looking  atomic.Uint32 // 1: its loop has a lane free and finds nothing; AMP only
	_        [48]byte

	batchLeaf atomic.Uint32 // what its worker took and may not have begun: hints
	_         [4]byte
	batchBits atomic.Uint64
	_         [48]byte

	stats slotStats
}

// slotStats are a slot's figures. One writer each: the process, but for the
// second line, which is the supervisor's.
type slotStats struct {
	_         structs.HostLayout
	run       atomic.Uint64 // tasks ended here
	stolen    atomic.Uint64 // of these, taken from another worker
	busyNs    atomic.Int64  // closed busy spells
	busySince atomic.Int64  // start of the open one; 0 when idle
	running   atomic.Uint32 // tasks being run
	_         [4]byte
	until     atomic.Int64 // when the running task is expected to end; 0 unknown
	_         [16]byte

	crashes  atomic.Uint64
	restarts atomic.Uint64
	_        [48]byte

	wait histogram
	time histogram
}

// histogram counts sampled durations in buckets, four to a power of two.
type histogram [histBuckets]atomic.Uint64

// descriptor is what is known of a task beside its word. The process that owns
// the word in WRITING fills it, and it is constant until the task has ended,
// but for the fields that name another writer.
type descriptor struct {
	_           structs.HostLayout
	fn          uint32
	flags       uint16
	maxAttempts uint8
	returned    uint8         // times it came back unpunished; supervisor
	parent      atomic.Uint64 // TaskID; 0 for none
	origin      atomic.Uint32 // submitter and class; the supervisor moves orphans to slot 0
	inLen       uint32
	in          [inlineIn]byte // an input that is not short, or its shm.Ref in the first 8 bytes

	timeoutNs  int64
	deadlineNs atomic.Int64 // the worker, when it begins; 0 before
	stampNs    int64        // when it was submitted, for sampled tasks; 0 otherwise
	affinity   uint32
	lane       uint32       // the worker, when it begins
	expectedNs atomic.Int64 // how long it will take; 0 unknown. Workers that look for something to do read it
	cautions   atomic.Uint32
	_          [20]byte
}

// What a worker that looks for something to do asks of a task before it claims it. They
// follow from the rest, which is not for those who may look at another task by now.
const (
	cautionAlone uint32 = 1 << iota // it must not share its worker
	cautionRisky                    // its author reckons with its death: a time limit, or few attempts
)

// A task's family and origin are read by workers that look for something to do,
// when the descriptor may have become another task's: what they read then is
// stale and never torn, and their claim pins the word.

// submitter is the slot of the process that waits for the task.
func (d *descriptor) submitter() int { return int(d.origin.Load() >> 8) }

// class is the class of the queues that the task waits in.
func (d *descriptor) class() int { return min(int(d.origin.Load()&0xff), sched.Classes-1) }

// setOrigin records both. Most often they are what they were.
func (d *descriptor) setOrigin(submitter, class int) {
	if origin := uint32(submitter)<<8 | uint32(class); d.origin.Load() != origin {
		d.origin.Store(origin)
	}
}

const (
	flagAtMostOnce uint16 = 1 << iota // a crash is the end of it
	flagContained                     // cannot harm its worker: may share one though it runs at most once
	flagInExtern                      // the input lies in the arena
	flagOrphan                        // nobody collects it: the supervisor frees it
	flagInPlace                       // runs where it was called; in place of the input lies its hash
)

// cell is where a worker writes the result of a task: row = its slot, column =
// the task. Nobody else ever writes to that row while the process may live.
type cell struct {
	_    structs.HostLayout
	kind uint32
	len  uint32
	out  [inlineOut]byte // a result that is not short, or its shm.Ref in the first 8 bytes
}

// short is a value of up to 8 bytes.
type short [shortMax]byte

// The states of a slot.
const (
	slotVacant uint32 = iota
	slotStarting
	slotReady
	slotDead // its lifeline broke; the process may still be ending
)

var (
	_ [pageBytes]byte = [unsafe.Sizeof(header{})]byte{}
	_ [1024]byte      = [unsafe.Offsetof(header{}.sleeping)]byte{}
	_ [128]byte       = [unsafe.Sizeof(descriptor{})]byte{}
	_ [64]byte        = [unsafe.Offsetof(descriptor{}.timeoutNs)]byte{} // else bump layoutVersion
	_ [cellBytes]byte = [unsafe.Sizeof(cell{})]byte{}
	_ [64]byte        = [unsafe.Offsetof(slotBlock{}.lifeline)]byte{}
	_ [384]byte       = [unsafe.Offsetof(slotBlock{}.stats)]byte{}
)

// Geometry is the shape of a pool's segment.
type Geometry struct {
	Slots int // the master and the workers
	Tasks int // descriptors; a multiple of 64
	Spans int // of shm.SpanBytes, for what is not small
	Extra int64
	// Assigned says that the master assigns all tasks.
	Assigned bool
}

// layout is where each part begins, in bytes.
type layout struct {
	Geometry
	slots, funcs, words, tasks, ins, ranks, findings, takers, orders, free, queues, ended, outs, cells, reserve, meta, data, extra, size int64
	hintBytes                                                                                                                            int64
	table                                                                                                                                int // descriptors with the whole reserve
}

func (g Geometry) layout() (layout, error) {
	if g.Slots < 1 || g.Slots > MaxSlots || g.Tasks < 64 || g.Tasks > 1<<16 || g.Tasks%64 != 0 || g.Spans < 1 || g.Spans > 1<<24 || g.Extra < 0 || g.Extra > 1<<44 {
		return layout{}, fmt.Errorf("%w: %d slots, %d tasks, %d spans, %d bytes besides", ErrGeometry, g.Slots, g.Tasks, g.Spans, g.Extra)
	}
	table := g.Tasks + InPlaceMax
	l := layout{Geometry: g, table: table, hintBytes: hintBytes(g.Tasks)}
	at := int64(pageBytes)
	part := func(n int64) (off int64) { off = at; at = roundUp(at+n, pageBytes); return off }
	l.slots = part(int64(g.Slots) * int64(unsafe.Sizeof(slotBlock{})))
	l.funcs = part(funcsMax * (NameMax + 4))
	l.ranks = part(int64(g.Tasks) * 8)
	l.findings = part(findingsMax * findingBytes)
	l.takers = part(funcsMax * 8)
	if g.Assigned {
		l.orders = part(int64(g.Tasks) * int64(unsafe.Sizeof(order{})))
	}
	l.free = part(l.hintBytes)
	l.queues = part(int64(g.Slots) * sched.Classes * l.hintBytes)
	l.ended = part(int64(g.Slots) * l.hintBytes)
	l.outs = part(int64(g.Slots) * int64(g.Tasks) * shortMax)
	l.cells = part(int64(g.Slots) * int64(g.Tasks) * cellBytes)
	l.reserve = part(hintBytes(InPlaceMax))
	l.words = part(int64(table) * 8) // from here on only a part has memory at the start
	l.tasks = part(int64(table) * int64(unsafe.Sizeof(descriptor{})))
	l.ins = part(int64(table) * shortMax)
	l.meta = part(shm.MetaBytes(g.Spans))
	l.data = roundUp(at, shm.SpanBytes)
	l.extra = l.data + int64(g.Spans)*shm.SpanBytes
	l.size = l.extra + g.Extra
	return l, nil
}

// hintBytes is the size of a set of hints for so many tasks.
func hintBytes(tasks int) int64 {
	sums, leaves := hintWords(tasks)
	return roundUp(int64(sums)*8, 64) + roundUp(int64(leaves)*8, 64)
}

func roundUp(n, to int64) int64 { return (n + to - 1) / to * to }

// memory is a mapped segment with its parts found. One a process.
type memory struct {
	layout
	seg      *shm.Segment
	arena    *shm.Arena
	head     *header
	slot     []slotBlock
	words    []atomic.Uint64 // with the reserve, like descs and ins; see inUse
	descs    []descriptor
	free     hints
	reserve  hints // positions in it are indices less Geometry.Tasks
	findings []finding
	queue    [][sched.Classes]hints
	ended    []hints
	ins      []short
	outs     []short // slots × tasks
	cells    []cell  // slots × tasks
	ranks    []atomic.Int64
	takers   []uint64  // by function, a bit a group; read only once workers start
	orders   []order   // nil unless the master assigns
	assigner *assigner // in that master; else nil
}

// create lays out an empty pool in seg, which is zero.
func create(seg *shm.Segment, l layout) (*memory, error) {
	m, err := locate(seg, l)
	if err != nil {
		return nil, err
	}
	if err := m.commitTasks(0, l.Geometry.Tasks); err != nil {
		return nil, err
	}
	m.head.version = layoutVersion
	m.head.slots, m.head.tasks, m.head.spans = uint32(l.Slots), uint32(l.Geometry.Tasks), uint32(l.Spans)
	m.head.extra = l.Extra
	if l.Assigned {
		m.head.arch = 1
	}
	for i := range l.Geometry.Tasks / 64 {
		m.free.add(i, ^uint64(0))
	}
	m.head.magic = layoutMagic
	return m, nil
}

// attach finds the parts of a pool in a segment made by another process. Its
// bytes are checked and never trusted.
func attach(seg *shm.Segment) (*memory, error) {
	if seg.Size() < pageBytes {
		return nil, fmt.Errorf("attach pool: %w: %d bytes", errLayout, seg.Size())
	}
	h := (*header)(seg.Base())
	if h.magic != layoutMagic || h.version != layoutVersion {
		return nil, fmt.Errorf("attach pool: %w: magic %#x version %d", errLayout, h.magic, h.version)
	}
	l, err := Geometry{Slots: int(h.slots), Tasks: int(h.tasks), Spans: int(h.spans), Extra: h.extra, Assigned: h.arch != 0}.layout()
	if err != nil {
		return nil, fmt.Errorf("attach pool: %w", err)
	}
	return locate(seg, l)
}

func locate(seg *shm.Segment, l layout) (*memory, error) {
	if seg.Size() < l.size {
		return nil, fmt.Errorf("attach pool: %w: %d bytes, geometry needs %d", errLayout, seg.Size(), l.size)
	}
	arena, err := shm.NewArena(seg, shm.Geometry{Meta: l.meta, Data: l.data, Spans: l.Spans})
	if err != nil {
		return nil, fmt.Errorf("attach pool: %w", err)
	}
	m := &memory{layout: l, seg: seg, arena: arena, head: (*header)(seg.Base())}
	m.slot = part[slotBlock](m, l.slots, l.Slots)
	m.words = part[atomic.Uint64](m, l.words, l.table)
	m.descs = part[descriptor](m, l.tasks, l.table)
	m.ins = part[short](m, l.ins, l.table)
	m.ranks = part[atomic.Int64](m, l.ranks, l.Geometry.Tasks)
	m.findings = part[finding](m, l.findings, findingsMax)
	m.takers = part[uint64](m, l.takers, funcsMax)
	if l.Assigned {
		m.orders = part[order](m, l.orders, l.Geometry.Tasks)
	}
	m.outs = part[short](m, l.outs, l.Slots*l.Geometry.Tasks)
	m.cells = part[cell](m, l.cells, l.Slots*l.Geometry.Tasks)
	m.free = m.hintsAt(l.free, l.Geometry.Tasks)
	m.reserve = m.hintsAt(l.reserve, InPlaceMax)
	m.queue = make([][sched.Classes]hints, l.Slots)
	m.ended = make([]hints, l.Slots)
	for s := range l.Slots {
		for c := range sched.Classes {
			m.queue[s][c] = m.hintsAt(l.queues+int64(s*sched.Classes+c)*l.hintBytes, l.Geometry.Tasks)
		}
		m.ended[s] = m.hintsAt(l.ended+int64(s)*l.hintBytes, l.Geometry.Tasks)
	}
	return m, nil
}

// part views n values at off as a slice. The layout has checked the range.
func part[T any](m *memory, off int64, n int) []T {
	return unsafe.Slice((*T)(unsafe.Add(m.seg.Base(), off)), n)
}

func (m *memory) hintsAt(off int64, tasks int) hints {
	sums, leaves := hintWords(tasks)
	return hints{
		sums:   part[atomic.Uint64](m, off, sums),
		leaves: part[atomic.Uint64](m, off+roundUp(int64(sums)*8, 64), leaves),
	}
}

// outOf is where a slot writes a short result of a task.
func (m *memory) outOf(slot int, index uint32) *short {
	return &m.outs[slot*m.Geometry.Tasks+int(index)]
}

// cellOf is where a slot writes the result of a task.
func (m *memory) cellOf(slot int, index uint32) *cell {
	return &m.cells[slot*m.Geometry.Tasks+int(index)]
}

// name is an entry of the function table.
type name struct {
	_    structs.HostLayout
	len  uint32
	text [NameMax]byte
}

// writeNames records the functions of the pool; index is number.
func (m *memory) writeNames(names []string) error {
	if len(names) > funcsMax {
		return fmt.Errorf("engine: %d functions, at most %d fit", len(names), funcsMax)
	}
	table := part[name](m, m.funcs, funcsMax)
	for i, s := range names {
		if len(s) > NameMax {
			return fmt.Errorf("engine: function name %.20q… is longer than %d bytes", s, NameMax)
		}
		table[i].len = uint32(copy(table[i].text[:], s))
	}
	m.head.funcs = uint32(len(names))
	return nil
}

// readNames returns the functions of the pool by number.
func (m *memory) readNames() ([]string, error) {
	n := m.head.funcs
	if n > funcsMax {
		return nil, fmt.Errorf("attach pool: %w: %d functions", errLayout, n)
	}
	names := make([]string, n)
	for i, e := range part[name](m, m.funcs, funcsMax)[:n] {
		if e.len > NameMax {
			return nil, fmt.Errorf("attach pool: %w: function %d has a name of %d bytes", errLayout, i, e.len)
		}
		names[i] = string(e.text[:e.len])
	}
	return names, nil
}
