package ipc

import (
	"fmt"
	"structs"
	"sync/atomic"
	"unsafe"

	"github.com/tutti-run/tutti/shm"
)

// Counter is a number that many processes add to at once without getting into each
// other's way: it is the sum of stripes, one cache line each, and a goroutine adds to
// the stripe that its process and itself choose. No addition is lost when a process
// dies, for an atomic addition is done or not, and stripes belong to nobody.
//
// A handle may be used from many goroutines at once.
type Counter struct {
	s       *Space // keeps the memory mapped
	stripes *[counterStripes]stripe
	slot    uint64
}

// More stripes would make Load slower, and fewer goroutines meet at one.
const (
	counterBits    = 6
	counterStripes = 1 << counterBits
	counterBytes   = counterStripes * lineBytes
)

type stripe struct {
	_ structs.HostLayout
	n atomic.Int64
	_ [lineBytes - 8]byte
}

// counterState says where the stripes are; written by the creator before anybody
// sees it. If he dies first they are freed with all that he had.
type counterState struct {
	_       structs.HostLayout
	_       [8]byte // a futex on which nobody sleeps
	stripes uint64
}

var _ [lineBytes]byte = [unsafe.Sizeof(stripe{})]byte{} // else bump layoutVersion

func init() { kinds[kindCounter] = kindOf{name: "counter", refs: refsCounter, blank: blankCounter} }

// Counter returns the counter of a name, and makes it, at 0, if it is not there.
func (s *Space) Counter(name string) (*Counter, error) {
	i, err := s.find(kindCounter, name, func(o *object) error {
		ref, err := s.keepBytes(make([]byte, counterBytes))
		stateOf[counterState](o).stripes = uint64(ref)
		return err
	})
	if err != nil {
		return nil, err
	}
	b, err := s.arena.Bytes(shm.Ref(stateOf[counterState](&s.objects[i]).stripes), counterBytes)
	if err != nil {
		return nil, s.damaged(i, err.Error())
	}
	c := &Counter{s: s, stripes: stripesIn(b)}
	c.slot = uint64(s.slot) * 0x9e37_79b9_7f4a_7c15
	return c, nil
}

// Add adds n, which may be negative. The sum wraps at 64 bits. In a closed space it does
// nothing.
func (c *Counter) Add(n int64) {
	if c.s.closing.Load() {
		return // the memory may be another's
	}
	// Numbers that follow each other have products whose upper bits lie far apart.
	h := self()*0x9e37_79b9_7f4a_7c15 + c.slot
	c.stripes[h>>(64-counterBits)&(counterStripes-1)].n.Add(n)
}

// Load returns the sum. Additions that ended before Load began are in it, those that
// begin after it ended are not, and others may be.
func (c *Counter) Load() int64 { return sumOf(c.stripes) }

func sumOf(stripes *[counterStripes]stripe) (sum int64) {
	for i := range stripes {
		sum += stripes[i].n.Load()
	}
	return sum
}

// stripesIn are the stripes that memory holds.
func stripesIn(b []byte) *[counterStripes]stripe {
	return (*[counterStripes]stripe)(unsafe.Pointer(unsafe.SliceData(b)))
}

// String returns the sum as text.
func (c *Counter) String() string { return fmt.Sprint(c.Load()) }

func refsCounter(s *Space, object int, keep func(shm.Ref)) {
	keep(shm.Ref(stateOf[counterState](&s.objects[object]).stripes))
}
