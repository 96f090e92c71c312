package ipc

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"structs"
	"sync/atomic"
	"unsafe"

	"github.com/tutti-run/tutti/internal/waitfor"
	"github.com/tutti-run/tutti/shm"
)

// bank is a Banker as it lies in shared memory:
//
//	names   32 bytes for each resource
//	totals   8 bytes for each resource
//	rows    one for each claim: a head; then, with 8 bytes for each resource, the most it
//	        will hold, twice what it holds, and what it waits for
//
// All is looked at and changed with the object's latch held, and the rows are the truth:
// what is free is what they leave. A row has two places for what it holds, of which its
// word says which counts; so each change is there with one store of the word:
//
//	FREE     → DECLARED  who declares; what is declared is written before
//	DECLARED → WANTING   the same process: what it waits for is written before, and its
//	                     claim in the table of all waits and has its place in the line
//	WANTING  → DECLARED  whoever gives something back: the other place counts then; or
//	                     who gives up waiting: the same place
//	any      → the same  who gives back: the other place
//	any      → FREE      the same process, or who buries it
//
// Who grants moves the row first, then the claim to HELD. If he dies in between, a claim
// waits whose row wants nothing: the next who grants moves it, and whoever buries does
// that at least.
type bank struct {
	s     *Space
	i     int // object
	o     *object
	names []string
	total []int64
	mem   []int64 // the rows
}

// bankState says where all that is; it is written before anybody sees it.
type bankState struct {
	_         structs.HostLayout
	_         [4]byte // a futex on which nobody sleeps
	resources uint32
	ref       uint64
}

// bankHead begins a row.
type bankHead struct {
	_     structs.HostLayout
	word  atomic.Uint64
	claim uint32 // with which it waits
	_     [4]byte
}

// bankWord is the state of a row in 64 bits:
//
//	bits  0–1   state
//	bit   2     which of the two places counts
//	bits  8–23  slot of the process
//	bits 24–63  generation: counts the uses of the row
type bankWord uint64

const (
	bankFree = iota
	bankDeclared
	bankWanting
)

const (
	bankPlace     bankWord = 1 << 2
	bankRows               = 256
	bankResources          = 16
	bankNameBytes          = 32
	bankHeadWords          = int(unsafe.Sizeof(bankHead{}) / 8)
)

func (w bankWord) state() int            { return int(w & 3) }
func (w bankWord) slot() int             { return int(w >> 8 & 0xffff) }
func (w bankWord) to(state int) bankWord { return w&^3 | bankWord(state) }
func (w bankWord) flipped() bankWord     { return w ^ bankPlace }

// owner is what stays the same as long as the row belongs to one claim.
func (w bankWord) owner() bankWord { return w >> 8 }

func (w bankWord) declared(slot int) bankWord {
	return (w>>24+1)<<24 | bankWord(slot)<<8 | bankDeclared
}

func init() {
	kinds[kindBanker] = kindOf{name: "banker", bury: buryBank, grant: grantBank, refs: refsBank, role: roleInBank}
}

func refsBank(s *Space, object int, keep func(shm.Ref)) {
	keep(shm.Ref(stateOf[bankState](&s.objects[object]).ref))
}

// bankRow is a row as it is used: its parts in shared memory.
type bankRow struct {
	head       *bankHead
	most, want []int64
	alloc      [2][]int64
}

func (h *bankHead) load() bankWord { return bankWord(h.word.Load()) }
func (r bankRow) load() bankWord   { return r.head.load() }
func (r bankRow) store(w bankWord) { r.head.word.Store(uint64(w)) }

// held is what the row holds, spare the place that does not count.
func (r bankRow) held() []int64  { return r.alloc[r.load()&bankPlace>>2] }
func (r bankRow) spare() []int64 { return r.alloc[r.load().flipped()&bankPlace>>2] }

func bankRowWords(resources int) int { return bankHeadWords + 4*resources }

func bankBytes(resources int) int {
	return resources*(bankNameBytes+8) + bankRows*8*bankRowWords(resources)
}

// head is the beginning of the row of a number.
func (b *bank) head(k int) *bankHead {
	return (*bankHead)(unsafe.Pointer(&b.mem[k*bankRowWords(len(b.total))]))
}

// row is the row of a number.
func (b *bank) row(k int) bankRow {
	n := len(b.total)
	m := b.mem[k*bankRowWords(n):][:bankRowWords(n)]
	part := func(p int) []int64 { return m[bankHeadWords+p*n:][:n:n] }
	return bankRow{b.head(k), part(0), part(3), [2][]int64{part(1), part(2)}}
}

func (b *bank) name() string { return pinned(b.o.name[:]) }

// bank returns the bank of a name, or makes it.
func (s *Space) bank(name string, units map[string]int64) (bank, error) {
	for resource, n := range units {
		switch {
		case resource == "" || len(resource) > bankNameBytes:
			return bank{}, fmt.Errorf("%q: the name of a resource has 1 to %d bytes", resource, bankNameBytes)
		case n < 0 || n > allUnits:
			return bank{}, fmt.Errorf("%d of %q: 0 to %d are possible", n, resource, int64(allUnits))
		}
	}
	if len(units) > bankResources {
		return bank{}, fmt.Errorf("%d resources: up to %d are possible", len(units), bankResources)
	}
	i, err := s.find(kindBanker, name, func(o *object) error {
		if len(units) == 0 {
			return errors.New("it is not there; say how many units there are of each resource, and it is made")
		}
		return s.furnishBank(stateOf[bankState](o), units)
	})
	if err != nil {
		return bank{}, err
	}
	b, err := s.bankOf(i)
	if err != nil {
		return bank{}, err
	}
	if units == nil {
		return b, nil
	}
	have := map[string]int64{}
	for r, resource := range b.names {
		have[resource] = b.total[r]
	}
	if !maps.Equal(have, units) {
		return bank{}, fmt.Errorf("it has %v, not %v; open it with nil to take it as it is", have, units)
	}
	return b, nil
}

// furnishBank makes a bank that nobody has seen.
func (s *Space) furnishBank(st *bankState, units map[string]int64) error {
	ref, err := s.keepBytes(make([]byte, bankBytes(len(units))))
	if err != nil {
		return err
	}
	st.resources, st.ref = uint32(len(units)), uint64(ref)
	b, err := s.arena.Bytes(ref, bankBytes(len(units)))
	if err != nil {
		return err
	}
	totals := b[len(units)*bankNameBytes:]
	for r, resource := range slices.Sorted(maps.Keys(units)) {
		copy(b[r*bankNameBytes:][:bankNameBytes], resource)
		*(*int64)(unsafe.Pointer(&totals[8*r])) = units[resource]
	}
	return nil
}

// bankOf is the bank of an object.
func (s *Space) bankOf(i int) (bank, error) {
	o := &s.objects[i]
	st := stateOf[bankState](o)
	n := int(st.resources)
	if n < 1 || n > bankResources {
		return bank{}, s.damaged(i, fmt.Sprintf("%d resources", n))
	}
	mem, err := s.arena.Bytes(shm.Ref(st.ref), bankBytes(n))
	if err != nil {
		return bank{}, s.damaged(i, err.Error())
	}
	b := bank{s: s, i: i, o: o}
	for r := range n {
		b.names = append(b.names, pinned(mem[r*bankNameBytes:][:bankNameBytes]))
	}
	words := unsafe.Slice((*int64)(unsafe.Pointer(unsafe.SliceData(mem[n*bankNameBytes:]))), n+bankRows*bankRowWords(n))
	b.total, b.mem = words[:n:n], words[n:]
	return b, nil
}

// passOn grants what can be granted, drops the latch, and wakes who got something.
func (b *bank) passOn(o *object) {
	granted := b.grant(o)
	b.s.unlock(o)
	for _, g := range granted {
		at("banker-ringing")
		b.s.ring(g)
	}
}

func grantBank(s *Space, object int) (granted []int) {
	b, err := s.bankOf(object)
	if err != nil {
		return nil // damaged: operations say so
	}
	return b.grant(b.o)
}

// grant grants what can be granted to those who wait, and returns their claims. The
// latch is held.
func (b *bank) grant(o *object) (granted []int) {
	if o.first == 0 {
		return nil
	}
	s := b.s
	tasks, wanting := b.tasks()
	var line []waitfor.Ask
	var rows []int
	for next := o.first; next != 0; {
		i := int(next) - 1
		next = s.claims[i].next
		if s.claims[i].load().state() != claimWaiting {
			continue
		}
		if task, ok := wanting[i]; ok {
			line = append(line, waitfor.Ask{Task: task.index, Units: b.row(task.row).want})
			rows = append(rows, task.row)
		} else { // granted by somebody who died over it
			granted = append(granted, i)
		}
	}
	for _, k := range waitfor.GrantLine(b.total, tasks, line) {
		row := b.row(rows[k])
		held, more := row.held(), row.spare()
		for r := range held {
			setUnits(&more[r], held[r]+row.want[r])
		}
		at("banker-added")
		row.store(row.load().flipped().to(bankDeclared))
		at("banker-granted")
		granted = append(granted, int(row.head.claim))
	}
	for _, i := range granted {
		c := &s.claims[i]
		w := c.load()
		c.swap(w, w.to(claimHeld))
		at("banker-told")
		s.dequeue(o, i)
	}
	return granted
}

// setUnits changes what a row holds. Others look at that without the latch, see holders.
func setUnits(p *int64, n int64) { storeWord((*uint64)(unsafe.Pointer(p)), uint64(n)) }

// holders says who holds how much of all resources together. It takes no latch, and
// leaves out what changes meanwhile.
func (b *bank) holders() (list []ClaimStat) {
	for k := range bankRows {
		w := b.head(k).load()
		if w.state() == bankFree || w.slot() >= len(b.s.members) {
			continue
		}
		units := int64(0)
		held := b.row(k).alloc[w&bankPlace>>2]
		for r := range held {
			units += int64(loadWord((*uint64)(unsafe.Pointer(&held[r]))))
		}
		if units > 0 && b.head(k).load() == w {
			list = append(list, ClaimStat{PID: b.s.members[w.slot()].load().pid(), Units: units})
		}
	}
	return list
}

// bankTask is where a row is among the tasks.
type bankTask struct{ row, index int }

// tasks are those that hold something or wait; the others make no difference. wanting
// says whose a claim is that waits.
func (b *bank) tasks() (tasks []waitfor.Task, wanting map[int]bankTask) {
	wanting = map[int]bankTask{}
	for k := range bankRows {
		w := b.head(k).load()
		if w.state() == bankFree {
			continue
		}
		row := b.row(k)
		if w.state() == bankWanting {
			wanting[int(row.head.claim)] = bankTask{k, len(tasks)}
		}
		if w.state() == bankWanting || sum(row.held()) > 0 {
			tasks = append(tasks, waitfor.Task{Claim: row.most, Alloc: row.held()})
		}
	}
	return tasks, wanting
}

// roleInBank says whether a process has declared something.
func roleInBank(s *Space, object, slot int) string {
	b, err := s.bankOf(object)
	if err != nil {
		return "" // damaged: it is of no use
	}
	for k := range bankRows {
		if w := b.head(k).load(); w.state() != bankFree && w.slot() == slot {
			return "this process has a Claim to its units; close that first"
		}
	}
	return ""
}

// buryBank takes back what a dead process held, or ends what somebody left half done.
func buryBank(s *Space, object, slot int) {
	b, err := s.bankOf(object)
	if err != nil {
		return
	}
	o := s.lock(object)
	for k := range bankRows {
		row := b.row(k)
		if w := row.load(); w.state() != bankFree && w.slot() == slot {
			row.store(w.to(bankFree))
			at("banker-buried")
		}
	}
	b.passOn(o)
}
