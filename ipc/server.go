package ipc

import (
	"errors"
	"fmt"
	"structs"
	"sync/atomic"
	"unsafe"

	"github.com/tutti-run/tutti/shm"
)

func init() {
	kinds[kindServer] = kindOf{name: "server", unlisted: true, bury: buryService, refs: serviceRefs, blank: blankService, role: roleInService}
}

// ErrServerDied is returned by Call when the process that was serving the call died. It
// may have done what it was asked for, or a part. The call was not made again: whoever
// made it knows whether that would be right.
var ErrServerDied = errors.New("ipc: the server died while it served this call")

// RemoteError is the error that a server returned for a call, of which the text alone
// comes to the client, up to 192 bytes.
type RemoteError struct{ Text string }

func (e *RemoteError) Error() string { return e.Text }

// service is where calls are made and served: a table with a row for each that is under
// way.
//
//	FREE      → ASKING(client)           the client, CAS
//	ASKING    → ASKED                    the same, when the question is written
//	ASKED     → SERVING(client, server)  any server, CAS
//	ASKED     → FREE                     the client that gives up
//	SERVING   → DONE or FAILED           the server, when the answer is written
//	SERVING   → ABANDONED(server)        the client that gives up; or burial of it
//	SERVING   → DIED(client)             burial of the server
//	ABANDONED → FREE                     the server when it is done; or burial of it
//	DONE, FAILED, DIED → FREE            the client, when it has the answer
//	ASKING, ASKED, DONE, FAILED, DIED → FREE   burial of the client
//
// There is no queue: servers look through the table, each from where it stopped, so
// that every call has its turn, and nothing can be lost between a queue and the table.
//
// If the process dies, by fail point:
//
//	call-asking, call-written  burial frees the row
//	call-asked, call-answered  likewise; or the server does
//	call-freed                 burial wakes who waits for a row
//	serve-taken, serve-done    the client gets ErrServerDied
//	serve-answered             the client gets the answer; burial wakes it
type service struct {
	s        *Space
	object   int
	state    *serviceState
	rows     unsafe.Pointer
	in, out  uintptr // sizes
	stride   uintptr
	cursor   atomic.Uint64 // where a client looks first
	toAsk    spinner
	toAnswer spinner
}

// serviceState is the state of the object.
type serviceState struct {
	_       structs.HostLayout
	servers bell // rung when there is something to serve
	rows    uint32
	print   uint64
	in, out uint64 // bytes
	ref     uint64
	closed  atomic.Uint32
	_       [20]byte
	clients bell // rung when a row is free
	_       [60]byte
}

// call is a row, which the question and the answer follow.
type call struct {
	_       structs.HostLayout
	word    atomic.Uint64
	client  bell // rung when there is an answer
	textLen uint32
	_       [48]byte
	text    [3 * lineBytes]byte // of an error
}

var _ [lineBytes]byte = [unsafe.Offsetof(serviceState{}.clients)]byte{} // else bump layoutVersion
var _ [2 * lineBytes]byte = [unsafe.Sizeof(serviceState{})]byte{}       // else bump layoutVersion
var _ [4 * lineBytes]byte = [unsafe.Sizeof(call{})]byte{}               // else bump layoutVersion

// callWord is the state of a row in 64 bits:
//
//	bits  0–2   state
//	bits  4–11  slot of the client
//	bits 12–19  slot of the server
//	bits 20–63  generation: counts the uses of the row
type callWord uint64

const (
	callFree callWord = iota
	callAsking
	callAsked
	callServing
	callDone
	callFailed
	callDied
	callAbandoned

	callState callWord = 7

	callsMax = 1 << 12
)

func (w callWord) state() callWord         { return w & callState }
func (w callWord) client() int             { return int(w >> 4 & 0xff) }
func (w callWord) server() int             { return int(w >> 12 & 0xff) }
func (w callWord) to(st callWord) callWord { return w&^callState | st }
func (w callWord) asking(slot int) callWord {
	return (w>>20+1)<<20 | callWord(slot)<<4 | callAsking
}
func (w callWord) serving(slot int) callWord {
	return w&^(0xff<<12)&^callState | callWord(slot)<<12 | callServing
}

func (c *call) load() callWord { return callWord(c.word.Load()) }

func (c *call) swap(from, to callWord) bool {
	return c.word.CompareAndSwap(uint64(from), uint64(to))
}

func (v *service) row(i int) *call { return (*call)(unsafe.Add(v.rows, uintptr(i)*v.stride)) }

func (v *service) input(c *call) unsafe.Pointer {
	return unsafe.Add(unsafe.Pointer(c), unsafe.Sizeof(*c))
}

func (v *service) output(c *call) unsafe.Pointer {
	return unsafe.Add(v.input(c), uintptr(roundUp(int64(v.in), lineBytes)))
}

func callStride(in, out uint64) uintptr {
	return uintptr(int64(unsafe.Sizeof(call{})) + roundUp(int64(in), lineBytes) + roundUp(int64(out), lineBytes))
}

// openService finds or makes a table for so many calls at a time.
func openService[In, Out any](s *Space, name string, calls int) (*service, error) {
	p, err := plainOf[struct {
		In  In
		Out Out
	}]()
	if err != nil {
		return nil, err
	}
	if calls < 0 || calls > callsMax {
		return nil, fmt.Errorf("ipc: server %q: %d calls at a time: 1 to %d are possible", name, calls, callsMax)
	}
	var in In
	var out Out
	i, err := s.find(kindServer, name, func(o *object) error {
		if calls == 0 {
			return fmt.Errorf("ipc: there is no server %q, and 0 calls do not make one", name)
		}
		st := stateOf[serviceState](o)
		st.rows, st.print, st.in, st.out = uint32(calls), p.print, uint64(unsafe.Sizeof(in)), uint64(unsafe.Sizeof(out))
		return s.makeService(st, p.text)
	})
	if err != nil {
		return nil, err
	}
	v, text, err := s.serviceOf(i)
	if err != nil {
		return nil, err
	}
	if v.state.print != p.print || v.in != unsafe.Sizeof(in) || v.out != unsafe.Sizeof(out) {
		return nil, fmt.Errorf("ipc: server %q answers %s, not %s", name, text, p.text)
	}
	return v, nil
}

func (st *serviceState) bytes() int {
	return textBytes + int(st.rows)*int(callStride(st.in, st.out)) + lineBytes
}

func (s *Space) makeService(st *serviceState, text string) error {
	ref, err := s.arena.Heap(uint16(s.slot) + 1).Alloc(st.bytes())
	if err != nil {
		return fmt.Errorf("ipc: room for %d calls: %w", st.rows, err)
	}
	b, err := s.arena.Bytes(ref, st.bytes())
	if err != nil {
		return err
	}
	clear(b)
	copy(b[:textBytes-1], text)
	st.ref = uint64(ref)
	return nil
}

func (s *Space) serviceOf(i int) (*service, string, error) {
	st := stateOf[serviceState](&s.objects[i])
	name := pinned(s.objects[i].name[:])
	if st.rows < 1 || st.rows > callsMax || st.in > plainMax || st.out > plainMax {
		return nil, "", fmt.Errorf("%w: server %q has %d rows of %d and %d bytes", ErrNotASpace, name, st.rows, st.in, st.out)
	}
	b, err := s.arena.Bytes(shm.Ref(st.ref), st.bytes())
	if err != nil {
		return nil, "", fmt.Errorf("%w: the memory of server %q: %w", ErrNotASpace, name, err)
	}
	v := &service{s: s, object: i, state: st, rows: unsafe.Pointer(&b[textBytes]), in: uintptr(st.in), out: uintptr(st.out)}
	v.stride = callStride(st.in, st.out)
	return v, pinned(b[:textBytes]), nil
}

func serviceRefs(s *Space, object int, keep func(shm.Ref)) {
	keep(shm.Ref(stateOf[serviceState](&s.objects[object]).ref))
}

// roleInService says whether a process makes a call or serves one. It may serve one whose
// client has given up.
func roleInService(s *Space, object, slot int) string {
	v, _, err := s.serviceOf(object)
	if err != nil {
		return "" // damaged: it is of no use
	}
	for i := range int(v.state.rows) {
		w := v.row(i).load()
		switch st := w.state(); {
		case (st == callServing || st == callAbandoned) && w.server() == slot:
			return "this process serves a call; wait for the end of that first"
		case st != callFree && st != callAbandoned && w.client() == slot:
			return "this process makes a call; wait for the end of that first"
		}
	}
	return ""
}

// buryService ends what a dead process asked and served.
func buryService(s *Space, object, slot int) {
	v, _, err := s.serviceOf(object)
	if err != nil {
		return
	}
	for i := range int(v.state.rows) {
		v.buryCall(v.row(i), slot)
	}
	v.state.servers.ringOut(wakeAll)
	v.state.clients.ringOut(wakeAll)
}

func (v *service) buryCall(c *call, slot int) {
	for {
		w, to := c.load(), callWord(0)
		switch st := w.state(); {
		case st == callFree:
			return
		case st == callServing && w.client() == slot:
			to = w.to(callAbandoned)
		case st == callServing && w.server() == slot:
			to = w.to(callDied)
		case st == callAbandoned && w.server() == slot, st != callServing && st != callAbandoned && w.client() == slot:
			to = w.to(callFree)
		default:
			// The server may have died before it could ring.
			c.client.ringOut(wakeAll)
			return
		}
		c.swap(w, to)
		at("call-buried")
	}
}
