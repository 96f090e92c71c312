package engine

import (
	"encoding/json"
	"math/bits"
	"structs"
	"sync/atomic"
	"unsafe"

	"github.com/tutti-run/tutti/internal/core"
)

// Findings.
//
// A waiting worker runs on one stack the task that waits and the call that it
// waits for. When that worker dies of the call, the task is innocent: it is begun
// again, and makes the call again, as a task of another name. So that the call
// does not kill again, the supervisor keeps what it found: how the call has ended,
// or how many of its attempts are used up. The worker that begins the call anew
// knows it by the task at the top of its family, by its function and by its input,
// claims the finding, and leaves its end as the result in place of running it.
//
// What is made anew with another input dies again. The task is begun again up to core.MaxReturns times, or until it has left strayMax
// findings unclaimed; then it fails, and its error names the call.
//
// Each finding serves one call in each attempt of the task: of two equal calls
// the second has a finding of its own, or runs.

// finding is what recovery found of one call. An entry whose root has ended is
// free.
//
//	field  writer
//	root   supervisor, last of all; 0 while the rest is being written
//	claim  workers, CAS from 0; the supervisor when root is begun again
//	rest   supervisor, while root is 0 or the claimant is dead
type finding struct {
	_      structs.HostLayout
	root   atomic.Uint64 // TaskID of the task at the top, which will make the call again
	claim  atomic.Uint64 // TaskID of the call in the present attempt of root
	hash   uint64        // of the input
	fn     uint32
	deaths uint32 // attempts used up
	kind   uint32 // how the call ended; KindValue: it has attempts left
	len    uint32
	data   [findingBytes - 40]byte // a Crash, as JSON
}

const (
	findingsMax  = 32 // bits of header.findings
	findingBytes = 2048
)

var _ [findingBytes]byte = [unsafe.Sizeof(finding{})]byte{} // else bump layoutVersion

// alive reports whether the task has neither ended nor made room for another.
func (m *memory) alive(id TaskID) bool {
	if id == 0 || int(id.index()) >= m.inUse() {
		return false
	}
	w := Word(m.words[id.index()].Load())
	return w.gen() == id.gen() && (w.state() == Queued || w.state() == Running)
}

// eachFinding calls f for the findings in use until it returns false.
func (m *memory) eachFinding(f func(*finding) bool) {
	for set := m.head.findings.Load(); set != 0; set &= set - 1 {
		if !f(&m.findings[bits.TrailingZeros32(set)]) {
			return
		}
	}
}

// claimed returns the finding that a call has claimed; nil when it has none.
func (m *memory) claimed(id TaskID) (found *finding) {
	m.eachFinding(func(f *finding) bool {
		if TaskID(f.claim.Load()) == id {
			found = f
		}
		return found == nil
	})
	return found
}

// deathsBefore is how many attempts a call had used up when its task was begun.
func (m *memory) deathsBefore(id TaskID) int {
	if f := m.claimed(id); f != nil {
		return int(min(f.deaths, MaxAttempts))
	}
	return 0
}

// strayMax is how many findings a task may leave unclaimed when it takes its worker
// along again: it makes ever new calls then, which nothing that is known can settle.
const strayMax = 3

// strays reports whether a task no longer makes the calls that it died of.
func (m *memory) strays(root TaskID) bool {
	n := 0
	m.eachFinding(func(f *finding) bool {
		if TaskID(f.root.Load()) == root && f.claim.Load() == 0 {
			n++
		}
		return true
	})
	return n >= strayMax
}

// claim finds what is known of a call that is about to run.
func (w *Worker) claim(index uint32, id TaskID) (found *finding) {
	if found = w.m.claimed(id); found != nil {
		return found
	}
	var hash uint64
	hashed := false
	w.m.eachFinding(func(f *finding) bool {
		// SYNC finding: pairs with supervisor.keep
		if root := TaskID(f.root.Load()); root == 0 || f.fn != w.m.descs[index].fn {
			return true
		}
		if !hashed {
			if hash, hashed = w.m.inputHash(index); !hashed {
				return false
			}
		}
		// The hash first: the way up may be long.
		if f.hash == hash && w.isBelow(index, TaskID(f.root.Load())) && f.claim.CompareAndSwap(0, uint64(id)) {
			found = f
		}
		return found == nil
	})
	return found
}

// known returns how a call that was begun has ended already; nil when it is to run.
// It notes the attempts that the call has used up.
func (w *Worker) known(r *Run) *finding {
	f := w.claim(r.index, r.ID())
	if f == nil {
		return nil
	}
	r.before = int(min(f.deaths, MaxAttempts))
	if Kind(f.kind) == KindValue {
		return nil
	}
	return f
}

// end is how the call ended: a Crash, as JSON.
func (f *finding) end() []byte { return f.data[:min(int(f.len), len(f.data))] }

// settle leaves the end of a call that is known already; false when it is to run.
func (w *Worker) settle(r *Run) bool {
	f := w.known(r)
	if f == nil {
		return false
	}
	b := f.end()
	if dst, err := r.Output(Kind(f.kind), len(b)); err == nil {
		copy(unsafe.Slice((*byte)(dst), len(b)), b)
	}
	return true
}

// inputHash is the hash of the task's input; false when that is damaged.
func (m *memory) inputHash(index uint32) (uint64, bool) {
	p, n, err := m.input(index)
	if err != nil {
		return 0, false
	}
	if m.descs[index].flags&flagInPlace != 0 {
		return *(*uint64)(p), true
	}
	return hashOf(unsafe.Slice((*byte)(p), n)), true
}

// hashOf is FNV-1a.
func hashOf(input []byte) uint64 {
	h := uint64(14695981039346656037)
	for _, b := range input {
		h = (h ^ uint64(b)) * 1099511628211
	}
	return h
}

// keep keeps the verdict on a call that died on the stack of root. Where there is
// no room for one more the call is only dropped.
func (s *supervisor) keep(index uint32, w Word, root TaskID, attempt int, v core.Verdict, crash Crash) {
	m := s.m
	hash, ok := m.inputHash(index)
	if !ok {
		return
	}
	f := m.claimed(taskID(index, w))
	if f == nil {
		if f = m.freeFinding(); f == nil {
			return
		}
	}
	f.root.Store(0)
	f.hash, f.fn, f.deaths, f.kind, f.len = hash, m.descs[index].fn, uint32(attempt), uint32(KindValue), 0
	if v != core.Retry {
		crash.Attempt = attempt
		b := crash.fit(len(f.data))
		f.kind, f.len = uint32(failKinds[v]), uint32(copy(f.data[:], b))
	}
	f.claim.Store(0)
	f.root.Store(uint64(root)) // SYNC finding: pairs with Worker.claim; the rest is written first
}

// fit is the crash as JSON of at most most bytes: its trace loses its end.
func (c Crash) fit(most int) []byte {
	for {
		b, _ := json.Marshal(c) // a plain struct: cannot fail
		if len(b) <= most || c.Trace == "" {
			return b
		}
		c.Trace = c.Trace[:len(c.Trace)/2]
	}
}

// freeFinding returns an entry that is not in use any more, and says that it is.
func (m *memory) freeFinding() *finding {
	for i := range m.findings {
		if f := &m.findings[i]; !m.alive(TaskID(f.root.Load())) {
			f.root.Store(0)
			m.head.findings.Or(1 << i)
			return f
		}
	}
	return nil
}

// tidyFindings forgets what nobody will ask for, and frees the claims on the rest
// that were made in the last attempt of root.
func (m *memory) tidyFindings(root TaskID) {
	for i := range m.findings {
		f := &m.findings[i]
		switch id := TaskID(f.root.Load()); {
		case id == root:
			f.claim.Store(0)
		case !m.alive(id):
			m.head.findings.And(^uint32(1 << i))
		}
	}
}
