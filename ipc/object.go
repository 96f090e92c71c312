package ipc

import (
	"errors"
	"fmt"
	"sort"
	"structs"
	"sync/atomic"
	"unsafe"

	"github.com/tutti-run/tutti/shm"
)

// object is the row of a lock, channel, value: anything with a name.
//
//	offset  size  field  writer                if the writer dies
//	     0     4  kind   creator, last         the row is free, whatever else it holds
//	     4     4  latch  see latch.go
//	     8     4  flags  holder of the latch   torn: repaired by the next holder
//	    12    12  first… holder of the latch   likewise
//	    32    32  openers any, by bit           burial clears the bit, see forget.go
//	    64    64  name   creator               the row is free
//	   128   128  state  by kind
type object struct {
	_       structs.HostLayout
	kind    atomic.Uint32
	latch   latch
	flags   atomic.Uint32
	first   uint32 // list of waiters in order of their tickets: row + 1, 0: none
	last    uint32
	waiting uint32
	rank    atomic.Int32                   // see SetRank; 0: none
	site    atomic.Uint32                  // where may be read: where the owner took it
	openers [maxMembers / 64]atomic.Uint64 // a bit for each slot that has it open
	name    [lineBytes]byte
	state   [128]byte
}

// Flags of an object.
const (
	flagDied   = 1 << iota // an owner died, and nobody has marked the data consistent
	flagLost               // and nobody ever will
	flagClosed             // a channel, topic or server
	flagBroken             // a barrier
	flagOwned              // a semaphore: units belong to the goroutines that acquired them; for ever
	flagEnds               // a channel: somebody has said that only some send, or receive; for ever
	flagGoing              // it is being forgotten, see forget.go
)

// kindOf is what is done with the objects of a kind that is not common to all. Each
// function may be nil.
type kindOf struct {
	name string
	// unlisted says that who waits is not on the object's list of waiters: he sleeps on
	// a word of the object's state.
	unlisted bool
	// repair makes the digest of the claims anew. The latch is held.
	repair func(s *Space, object int)
	// bury undoes what a dead process left half done, its claims apart, which follow.
	bury func(s *Space, object, slot int)
	// forfeit is told that the owner of a claim is dead. The latch is held; the claim
	// is then taken off the list of waiters and freed.
	forfeit func(s *Space, object, claim int)
	// grant gives what is free to those who wait, and returns their claims, to be
	// rung when the latch is dropped.
	grant func(s *Space, object int) []int
	// refs calls keep with the memory that the object needs.
	refs func(s *Space, object int, keep func(shm.Ref))
	// blank reports whether the object is as it was made, when no process has it open;
	// nil: what it is must be kept. The latch is held.
	blank func(s *Space, object int) bool
	// role says what the process of a slot is to the object that no claim says, and what
	// ends that; "": nothing. The latch is held.
	role func(s *Space, object, slot int) string
}

// The kinds of objects. They are part of the layout.
const (
	kindMutex = 1 + iota
	kindRWMutex
	kindSemaphore
	kindCond
	kindBarrier
	kindEvent
	kindOnce
	kindChan
	kindStream
	kindTopic
	kindServer
	kindVar
	kindMap
	kindCounter
	kindBanker
	kindTxns
	kindOrder
	kindByteChan
	kindByteTopic
	numKinds
)

// kinds is filled by the init functions of the kinds, since theirs come back to it.
var kinds [numKinds]kindOf

func init() {
	kinds[kindMutex] = kindOf{name: "mutex", unlisted: true, bury: buryMutex, blank: blankMutex, role: roleOfOwner}
	kinds[kindRWMutex] = kindOf{name: "rwmutex", repair: repairUnits, forfeit: forfeitUnits, grant: grantUnits, blank: blankUnits}
	kinds[kindSemaphore] = kindOf{name: "semaphore", repair: repairUnits, forfeit: forfeitUnits, grant: grantUnits, blank: blankUnits}
	kinds[kindCond] = kindOf{name: "cond", forfeit: forfeitCond, blank: always}
	kinds[kindBarrier] = kindOf{name: "barrier", forfeit: forfeitBarrier, blank: always}
	kinds[kindEvent] = kindOf{name: "event", unlisted: true, blank: blankEvent}
	kinds[kindOnce] = kindOf{name: "once", unlisted: true, bury: buryOnce, blank: blankOnce, role: roleOfOwner}
}

// how is what is done with the objects of o's kind.
func (o *object) how() *kindOf {
	if k := o.kind.Load(); k < numKinds {
		return &kinds[k]
	}
	return &kinds[0] // damaged: nothing
}

// find returns the object of a name, and makes it if it is not there: then prepare
// is called to set up its state, before anybody sees it. From then on this process has
// it open. Where there is no room, what is of no use any more is forgotten.
func (s *Space) find(kind uint32, name string, prepare func(o *object) error) (int, error) {
	if name == "" || len(name) > nameMax {
		return 0, fmt.Errorf("ipc: %q: a name has 1 to %d bytes", name, nameMax)
	}
	if err := s.enter(); err != nil {
		return 0, err
	}
	defer s.leave()
	i, err := s.findOrMake(kind, name, prepare, false)
	if errors.Is(err, ErrTooMany) || errors.Is(err, shm.ErrFull) {
		s.buryTheDead() // what they had open is not forgotten before
		i, err = s.findOrMake(kind, name, prepare, true)
	}
	return i, err
}

// takeDirectory takes the latch with which objects are made and forgotten. What somebody
// died over is ended first: nobody is to look at the memory of a row that is GOING. An
// object that was half made is still free.
func (s *Space) takeDirectory() {
	if s.take(&s.head.directory) {
		for i := range s.objects {
			s.objects[i].endForgetting()
		}
		at("directory-mended")
		s.head.directory.mended()
	}
}

func (s *Space) findOrMake(kind uint32, name string, prepare func(o *object) error, tight bool) (int, error) {
	s.takeDirectory()
	defer s.drop(&s.head.directory)
	if tight {
		s.makeRoom()
	}
	spare := -1
	for i := range s.objects {
		o := &s.objects[i]
		switch k := o.kind.Load(); {
		case k == 0:
			if spare < 0 {
				spare = i
			}
		case pinned(o.name[:]) != name:
		case k != kind:
			return 0, fmt.Errorf("ipc: %q is a %s, not a %s", name, kindName(k), kindName(kind))
		default:
			o.open(s.slot)
			at("object-opened")
			return i, nil
		}
	}
	if spare < 0 {
		return 0, s.noRoom()
	}
	o := &s.objects[spare]
	o.reset() // who died while he made one may have left something in it
	copy(o.name[:], name)
	if prepare != nil {
		if err := prepare(o); err != nil {
			return 0, err
		}
	}
	o.open(s.slot)
	at("object-filled")
	o.kind.Store(kind) // SYNC object: what it is comes last
	at("object-made")
	return spare, nil
}

func kindName(k uint32) string {
	if k < numKinds {
		return kinds[k].name
	}
	return fmt.Sprintf("thing of kind %d", k)
}

// stateOf is the state of an object as its kind sees it.
func stateOf[T any](o *object) *T {
	var t T
	if unsafe.Sizeof(t) > unsafe.Sizeof(o.state) {
		panic("ipc: a state that an object has no room for")
	}
	return (*T)(unsafe.Pointer(&o.state))
}

// lock takes an object's latch, and repairs the object if need be.
func (s *Space) lock(i int) *object {
	o := &s.objects[i]
	if s.take(&o.latch) {
		s.relist(i)
		if repair := o.how().repair; repair != nil {
			repair(s, i)
		}
		at("repaired")
		o.latch.mended()
	}
	return o
}

func (s *Space) unlock(o *object) { s.drop(&o.latch) }

// The list of waiters. All its users hold the latch.

// enqueue puts claim c, which waits, at the end.
func (s *Space) enqueue(o *object, i int) {
	c := &s.claims[i]
	c.next, c.prev = 0, o.last
	if o.last == 0 {
		o.first = uint32(i) + 1
	} else {
		s.claims[o.last-1].next = uint32(i) + 1
	}
	o.last = uint32(i) + 1
	o.waiting++
}

// dequeue takes claim c out.
func (s *Space) dequeue(o *object, i int) {
	c := &s.claims[i]
	if c.prev == 0 {
		o.first = c.next
	} else {
		s.claims[c.prev-1].next = c.next
	}
	if c.next == 0 {
		o.last = c.prev
	} else {
		s.claims[c.next-1].prev = c.prev
	}
	c.next, c.prev = 0, 0
	o.waiting--
}

// listed reports whether claim i is in the list.
func (s *Space) listed(o *object, i int) bool {
	return o.first == uint32(i)+1 || s.claims[i].prev != 0
}

// relist makes the list anew from the claims that wait.
func (s *Space) relist(object int) {
	o := &s.objects[object]
	o.first, o.last, o.waiting = 0, 0, 0
	if o.how().unlisted {
		return
	}
	var waiting []int
	for i := range s.claims {
		if w := s.claims[i].load(); (w.state() == claimWaiting || w.state() == claimAborted) && w.object() == object {
			waiting = append(waiting, i)
		}
	}
	sort.Slice(waiting, func(a, b int) bool { return s.claims[waiting[a]].ticket < s.claims[waiting[b]].ticket })
	for _, i := range waiting {
		s.enqueue(o, i)
	}
}

// ptr is where the race detector is told of a word.
func ptr(w *atomic.Uint32) unsafe.Pointer { return unsafe.Pointer(w) }
