package cli

import (
	"os"
	"slices"
	"sync"

	"golang.org/x/sys/unix"
)

// inlet is standard input while programs of --persistent run. Who reads it does not sleep
// in a read of its own: a slot that sleeps until its program answers looks out for input
// as well, and has the reader read when there is some. So a line that comes alone wakes one
// thread here, which reads it and hands it to the program, and not one after the other.
//
//	reader    reads        there is something; or nobody looks out, and the read blocks
//	          waits        for a token: look again
//	lookout   awake        comes by watch before it sleeps, and finds that the reader waits
//	          looks out    it sleeps, and wakes for input too: gives the token
//	          blind        it sleeps and nobody waited then: the reader rings it
//	          leaves       its program has ended: another slot is lookout, or none is, and
//	                       the reader is given the token
//
// A lookout that is held up, by whoever reads the output, could not look out: meanwhile
// there is none.
type inlet struct {
	from  *os.File
	fd    int
	token chan struct{} // one element of room; in it only while the reader does not wait

	mu    sync.Mutex
	waits bool // the reader does
	blind bool
	held  int       // calls of holdUp
	slots []*dialog // whose programs run; the first is the lookout
}

func newInlet(from *os.File) *inlet {
	return &inlet{from: from, fd: int(from.Fd()), token: make(chan struct{}, 1)}
}

// Read reads when there is something to be read, or nobody looks out for it.
func (in *inlet) Read(p []byte) (int, error) {
	for !in.readable() && in.wait() {
		<-in.token
	}
	return in.from.Read(p)
}

// readable reports whether a read would return at once.
func (in *inlet) readable() bool {
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(in.fd), Events: unix.POLLIN}}, 0)
	return n > 0 || err != nil && err != unix.EINTR
}

// wait has the lookout look out; false where there is none.
func (in *inlet) wait() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	if len(in.slots) == 0 || in.held > 0 {
		return false
	}
	in.waits = true
	if in.blind {
		in.blind = false
		in.slots[0].ring()
	}
	return true
}

// tellLocked has the reader look again.
func (in *inlet) tellLocked() {
	if in.waits {
		in.waits = false
		in.token <- struct{}{}
	}
}

// holdUp calls f, which may hold slots up.
func (in *inlet) holdUp(f func()) {
	in.mu.Lock()
	in.held++
	in.tellLocked()
	in.mu.Unlock()
	f()
	in.mu.Lock()
	defer in.mu.Unlock()
	in.held--
}

// watch is called by a slot that is about to sleep, and returns what to look out for
// besides; -1: nothing.
func (in *inlet) watch(d *dialog) (fd int) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.slots[0] != d {
		return -1
	}
	if in.blind = !in.waits; in.blind {
		return -1
	}
	return in.fd
}

// watched is called when it is awake, with whether there is input.
func (in *inlet) watched(d *dialog, some bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.slots[0] != d {
		return
	}
	in.blind = false
	if some {
		in.tellLocked()
	}
}

// join has a slot look out, whose program runs from now on, unless another one does.
func (in *inlet) join(d *dialog) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.slots = append(in.slots, d)
}

// leave takes that back. Who is lookout now may sleep: the reader, which looks again, is
// to ring it.
func (in *inlet) leave(d *dialog) {
	in.mu.Lock()
	defer in.mu.Unlock()
	i := slices.Index(in.slots, d)
	in.slots = slices.Delete(in.slots, i, i+1)
	if i == 0 {
		in.blind = true
		in.tellLocked()
	}
}
