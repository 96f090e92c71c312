package ipc

import (
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/tutti-run/tutti/shm"
)

// Space is shared memory with locks, channels and values in it, found by their
// names. A process has one Space for each memory it opened; its methods, and those
// of what it gives out, may be called from many goroutines at once.
type Space struct {
	seg     *shm.Segment
	head    *header
	members []member
	objects []object
	claims  []claim
	arena   *shm.Arena
	kin     kin
	policy  Policy
	report  func(*DeadlockError)

	slot    int    // of this process
	owner   uint32 // slot + 1, as locks record it
	guarded chan struct{}
	closing atomic.Bool

	taking taking // what its goroutines hold, where that is checked
	checks bool   // Options.CheckOrder

	txns atomic.Int32 // object that has the transactions + 1; 0: not known yet

	idle struct { // claims of this process that are about nothing
		sync.Mutex
		rows   []int
		cursor int
	}

	mine struct { // claims of this process that are HELD
		sync.Mutex
		held map[int][]int // by object, in the order of taking
	}
	releasing sync.Mutex // held while units of semaphores are given back

	within struct { // operations that Close waits for
		n    atomic.Int64
		gone chan struct{} // has room for one: perhaps the last of them has ended
	}
}

// Options say how a space is opened. The zero value is right.
type Options struct {
	// Folder is where the file lies; empty means /dev/shm. It must be in memory, a
	// tmpfs: what a power cut leaves of it on a disk is in no order.
	Folder string
	// Mode is the file's permissions when it is made; 0 means 0600, so that other
	// users can neither read nor open it.
	Mode fs.FileMode
	// Objects and Claims bound how many named objects the space may have at a time,
	// see Space.Remove, and how many holds and waits, when it is made; 0 means 1024
	// and 4096.
	Objects, Claims int
	// Data is how many bytes of data the space has room for when it is made, if that is
	// more than Open asks for: for who takes one as it is, and wants ample room in his
	// own. Room takes no memory until it is used.
	Data int64
	// OnDeadlock says what is done about a deadlock that a wait in this process
	// closes. The zero value gives the youngest of its goroutines a DeadlockError.
	OnDeadlock Policy
	// Report, if set, is called with every deadlock that this process breaks up, after
	// that, or that a wait in it closes with ReportOnly. It runs in the goroutine that
	// waits.
	Report func(*DeadlockError)
	// CheckOrder has this process learn in which order its Mutexes and RWMutexes are
	// taken, together with all others of the space that do so. Who takes two in an order
	// that is the opposite of what was ever seen gets an OrderError, also if nobody else
	// is there. It costs some hundred nanoseconds a lock. Locks of which an order was
	// learnt keep their names until they are removed, see Space.Remove.
	CheckOrder bool
}

// Open opens the space of a name, and makes it if it is not there, as the file
// tutti-ipc-NAME in /dev/shm, with room for size bytes of data besides its locks, in
// steps of 64 KiB. Each call is a member of its own, also in one process. A space that is there must
// have at least that much. It stays until it is removed, see Remove, or the
// machine is started anew; what a process held that died is freed by those that
// live, or by the next that opens it.
func Open(name string, size int64) (*Space, error) { return OpenWith(name, size, Options{}) }

// OpenWith is Open with options.
func OpenWith(name string, size int64, o Options) (*Space, error) {
	s, err := openFile(name, size, o)
	if err != nil {
		return nil, fmt.Errorf("ipc: open %q: %w", name, err)
	}
	return s, nil
}

// Anonymous makes a space without a name, which vanishes with the last process
// that has it. Others get it by its descriptor, see FD and Attach.
func Anonymous(size int64, o Options) (*Space, error) {
	s, err := anonymous(size, o)
	if err != nil {
		return nil, fmt.Errorf("ipc: anonymous space: %w", err)
	}
	return s, nil
}

// Attach opens the anonymous space whose descriptor came here from another process,
// as one of the ExtraFiles of a command, say. The descriptor is then the space's.
func Attach(fd int, o Options) (*Space, error) {
	seg, err := shm.Attach(fd)
	if err != nil {
		return nil, fmt.Errorf("ipc: %w", err)
	}
	s, err := enterSpace(seg, 0, o, newKin())
	if err != nil {
		return nil, errors.Join(fmt.Errorf("ipc: attach: %w", err), seg.Close())
	}
	return s, nil
}

// FD returns the descriptor of the space's memory, to be inherited by a child that
// calls Attach. It stays the space's.
func (s *Space) FD() int { return s.seg.FD() }

// furnish writes the header of a new space. Nobody else sees it yet.
func furnish(seg *shm.Segment, l layout, o Options, k kin, id uint64) {
	h := (*header)(seg.Base())
	_, _, cycles := here()
	*(*[128]byte)(unsafe.Pointer(h)) = [128]byte{}
	h.magic, h.version, h.size, h.id = magic, layoutVersion, l.size, id
	h.objects, h.claims, h.spans = uint32(o.Objects), uint32(o.Claims), uint32(l.arena.Spans)
	h.boot, h.pidSpace = k.boot(), k.pidSpace()
	h.cycles, h.madeNs = cycles, k.now()
}

func (o Options) orDefaults() Options {
	if o.Objects == 0 {
		o.Objects = defaultObjects
	}
	if o.Claims == 0 {
		o.Claims = defaultClaims
	}
	if o.Mode == 0 {
		o.Mode = 0o600
	}
	return o
}

// enterSpace makes this process a member of the space in seg.
func enterSpace(seg *shm.Segment, size int64, o Options, k kin) (*Space, error) {
	s, err := viewSpace(seg, size, o, k)
	if err != nil {
		return nil, err
	}
	if err := s.join(); err != nil {
		return nil, err
	}
	for slot := range s.members {
		s.buryIfDead(slot)
	}
	AddMemory(spaceMemory{s})
	go s.guard()
	if o.CheckOrder {
		if err := s.checkOrder(); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	if seg.FD() >= 0 {
		runtime.AddCleanup(s, func(seg *shm.Segment) { _ = seg.Close() }, seg)
	}
	return s, nil
}

// viewSpace is the space in seg as somebody sees it who is no member.
func viewSpace(seg *shm.Segment, size int64, o Options, k kin) (*Space, error) {
	h := (*header)(seg.Base())
	if seg.Size() < pageBytes {
		return nil, fmt.Errorf("%w: %d bytes", ErrNotASpace, seg.Size())
	}
	l, err := h.check(seg.Size())
	if err != nil {
		return nil, err
	}
	switch have := int64(h.spans) * shm.SpanBytes; {
	case have < size:
		return nil, fmt.Errorf("it has room for %d bytes of data, %d are asked for; remove it and make it anew, or ask for less", have, size)
	case h.boot != k.boot():
		return nil, fmt.Errorf("%w: it was made before this machine was started; remove it", ErrNotASpace)
	case h.pidSpace != k.pidSpace():
		return nil, errors.New("it was made in another PID namespace, whose processes cannot be told from here; give both containers the same one")
	}
	s := &Space{seg: seg, head: h, kin: k, policy: o.OnDeadlock, report: o.Report, guarded: make(chan struct{})}
	s.within.gone = make(chan struct{}, 1)
	base := seg.Base()
	s.members = unsafe.Slice((*member)(unsafe.Add(base, l.members)), maxMembers)
	s.objects = unsafe.Slice((*object)(unsafe.Add(base, l.objects)), h.objects)
	s.claims = unsafe.Slice((*claim)(unsafe.Add(base, l.claims)), h.claims)
	if s.arena, err = shm.NewArena(seg, l.arena); err != nil {
		return nil, err
	}
	s.slot = -1
	return s, nil
}

// enter begins an operation that waits, has a latch, or is about something for a while;
// leave ends it. Close waits for these, so that none of them meets a slot or a row that is
// another's by now. The others, of a few instructions, only look whether the space is
// open.
func (s *Space) enter() error {
	s.within.n.Add(1) // before it looks whether the space is closing; Close looks after that
	if s.closing.Load() {
		s.leave()
		return ErrClosed
	}
	return nil
}

func (s *Space) leave() {
	if s.within.n.Add(-1) == 0 && s.closing.Load() {
		select {
		case s.within.gone <- struct{}{}:
		default: // Close has been told, and looks again
		}
	}
}

// Close gives back all that this process holds, as if it had died, and leaves the
// space. Operations that wait return ErrClosed, and so do later ones. Nobody may
// begin one, or be within one that does not wait, while Close runs. The memory stays
// mapped as long as something refers to the space, so that what was got from it does no
// harm.
func (s *Space) Close() error {
	if s.closing.Swap(true) {
		return nil
	}
	s.changed() // the guardian leaves, and so do those who wait
	for i := range s.claims {
		if w := s.claims[i].load(); w.slot() == s.slot && w.state() == claimWaiting {
			s.ring(i)
		}
	}
	for s.within.n.Load() != 0 {
		<-s.within.gone
	}
	<-s.guarded
	RemoveMemory(spaceMemory{s})
	m := &s.members[s.slot]
	w := m.load()
	m.swap(w, w.to(memberLeaving))
	at("leaving")
	s.clear(s.slot)
	at("left")
	s.kin.release(&m.lifeline)
	at("released")
	w = m.load()
	m.swap(w, w.freed())
	s.changed()
	return s.seg.CloseFD()
}
