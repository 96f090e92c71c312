package ipc

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/tutti-run/tutti/shm"
)

// Forgetting: how the row of a name comes to be another's.
//
// A row says in a bit for each slot which processes have the object open: those that
// got a handle to it and have not left the space. The bit is set with the directory's
// latch held, before the handle is given out, and cleared as the last step when the
// process leaves or is buried. A row without bits has no handle anywhere, in no slow
// or stopped process either; so whoever holds the directory's latch may do with it
// what he likes, and nobody can come late. A generation instead of the bits would have
// each operation look at it, and would stop no store that is under way.
//
//	OPEN       bits            operations, burial
//	UNOPENED   no bits         who holds the directory's latch
//	GOING      flagGoing       the same; its memory is freed, or not all of it yet
//	FREE       kind 0          the next object
//
//	OPEN     → UNOPENED  the last process that leaves, or who buries it; Remove
//	UNOPENED → OPEN      find, directory's latch held
//	UNOPENED → GOING     who needs room, or Remove; directory's and object's latches held
//	GOING    → FREE      the same; or, if he died, the next who takes the directory's
//	                     latch, which is torn, before he looks at anything
//
// When room is needed only what is as it was made goes: a lock that is free, a channel
// that is empty. Who comes later and makes it anew sees no difference. What a process
// holds or waits for is about an object that it has open.
//
// Who buries looks at no object that the dead one had not open, for that may go while
// he looks. He finds all that a dead one did as burier in what that one was burying.
//
// Whoever dies between GOING and FREE may leave memory unused: it cannot be told then
// what of it is freed, and another's, so the rest goes with the process that it
// belongs to.

// ErrInUse is wrapped by errors that say that an object cannot be removed since
// somebody has it open, holds it, or waits for it.
var ErrInUse = errors.New("ipc: in use")

// open says that the process of a slot has the object open. The directory's latch is
// held.
func (o *object) open(slot int) { o.openers[slot/64].Or(1 << (slot % 64)) }

// openedBy reports whether the process of a slot has the object open.
func (o *object) openedBy(slot int) bool { return o.openers[slot/64].Load()>>(slot%64)&1 != 0 }

// close says that the process of a slot has nothing to do with the object any more.
func (o *object) close(slot int) { o.openers[slot/64].And(^(uint64(1) << (slot % 64))) }

// opened reports whether any process has the object open.
func (o *object) opened() bool {
	for k := range o.openers {
		if o.openers[k].Load() != 0 {
			return true
		}
	}
	return false
}

// closeAll says that the process of a slot has nothing open any more.
func (s *Space) closeAll(slot int) {
	for i := range s.objects {
		if o := &s.objects[i]; o.kind.Load() != 0 && o.openedBy(slot) {
			o.close(slot)
			at("object-closed")
		}
	}
}

// reset makes a free row one of which nothing is known. What others look at without a
// latch is stored as they load it.
func (o *object) reset() {
	o.latch.word.Store(0)
	o.flags.Store(0)
	o.rank.Store(0)
	o.site.Store(0)
	for k := range o.openers {
		o.openers[k].Store(0)
	}
	o.first, o.last, o.waiting = 0, 0, 0
	o.name, o.state = [lineBytes]byte{}, [128]byte{}
}

// endForgetting frees a row whose forgetting somebody died over. The directory's latch
// is held.
func (o *object) endForgetting() {
	if o.kind.Load() != 0 && o.flags.Load()&flagGoing != 0 {
		o.kind.Store(0)
	}
}

// makeRoom forgets all that nobody has open and that is as it was made. The
// directory's latch is held.
func (s *Space) makeRoom() {
	var unopened []int // they stay so
	for i := range s.objects {
		o := &s.objects[i]
		if o.kind.Load() != 0 && !o.opened() && o.rank.Load() == 0 && o.how().blank != nil {
			unopened = append(unopened, i)
		}
	}
	// After that: what order somebody learnt of a lock he had written before he left.
	ordered := s.inOrderPairs()
	for _, i := range unopened {
		if ordered[uint32(i)] {
			continue
		}
		o := s.lock(i)
		at("forget-looking")
		if o.how().blank(s, i) {
			s.forget(i)
		}
		s.unlock(o)
	}
}

// forget frees the row of an object that nobody has open, and its memory. Its latch and
// that of the directory are held.
func (s *Space) forget(i int) {
	o := &s.objects[i]
	o.flags.Or(flagGoing)
	at("forget-going")
	if refs := o.how().refs; refs != nil {
		var all []shm.Ref // before any is freed: some lie in others
		refs(s, i, func(r shm.Ref) { all = append(all, r) })
		for _, r := range all {
			s.unkeep(r)
			at("forget-freed")
		}
	}
	o.kind.Store(0)
	at("forgotten")
}

// Remove takes away the object of a name with all that is in it, so that its name and its
// room are free. No other process may have it open, that is, have got it from its
// [Space] and not closed that; and nobody may hold it or wait for it, write or read it,
// have a claim to it or be about a call of it: else the error wraps [ErrInUse]. This process must be done with it: what it got of that name before
// must not be used again. What was learnt of the order in which a lock is taken, see
// Options.CheckOrder, goes with it.
//
// Locks and the like need not be removed where processes come and go: when the space
// has no room for another name, it forgets all that no process has open and that is as
// it was made.
func (s *Space) Remove(name string) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	s.buryTheDead() // what they have open, nobody has
	s.takeDirectory()
	defer s.drop(&s.head.directory)
	for i := range s.objects {
		o := &s.objects[i]
		if o.kind.Load() == 0 || pinned(o.name[:]) != name {
			continue
		}
		s.lock(i)
		defer s.unlock(o)
		if err := s.removable(i); err != nil {
			return fmt.Errorf("ipc: remove %s: %w", s.describe(i), err)
		}
		o.close(s.slot) // first: what goes is nobody's to bury
		at("forget-closed")
		s.unlearn(i)
		s.forget(i)
		return nil
	}
	return fmt.Errorf("ipc: remove %q: there is nothing of that name in the space: %w", name, fs.ErrNotExist)
}

// removable says why an object cannot be removed. Its latch and that of the directory
// are held.
func (s *Space) removable(i int) error {
	o := &s.objects[i]
	kind := o.kind.Load()
	if kind == kindTxns || kind == kindOrder {
		return errors.New("the space needs it itself; remove the space when no process has it open")
	}
	var by []string
	for slot := range s.members {
		if slot != s.slot && o.openedBy(slot) {
			m := &s.members[slot]
			by = append(by, fmt.Sprintf("process %d (%s)", m.load().pid(), pinned(m.name[:])))
		}
	}
	if len(by) > 0 {
		return fmt.Errorf("%w: %s has it open; end it, or have it close the space", ErrInUse, strings.Join(by, ", "))
	}
	if role := o.how().role; role != nil {
		if why := role(s, i, s.slot); why != "" {
			return fmt.Errorf("%w: %s", ErrInUse, why)
		}
	}
	if s.engaged(i) {
		return fmt.Errorf("%w: this process holds it or waits for it; give it back first", ErrInUse)
	}
	return nil
}

// roleOfOwner says whether a process has a Mutex, or is about a Once.
func roleOfOwner(s *Space, object, slot int) string {
	if stateOf[mutexState](&s.objects[object]).word.Load()&mutexOwner != uint32(slot)+1 {
		return ""
	}
	return "this process holds it; give it back first"
}

// engaged reports whether any claim is about an object, be it of one whose wait was ended
// and who has not seen that yet.
func (s *Space) engaged(object int) bool {
	for i := range s.claims {
		switch w := s.claims[i].load(); w.state() {
		case claimHeld, claimWaiting, claimAborted:
			if w.object() == object {
				return true
			}
		}
	}
	return false
}

// noRoom is the error of a space that has as many objects as it can have.
func (s *Space) noRoom() error {
	open, kept := map[string]int{}, map[string]int{}
	for i := range s.objects {
		o := &s.objects[i]
		where := kept
		if o.opened() {
			where = open
		}
		where[kindName(o.kind.Load())]++
	}
	return fmt.Errorf("%w: it has %d names, of which processes have %s open, and %s are kept for what is in them; close the space where names are not needed, Remove those that nobody needs (tutti ipc stat lists them, tutti ipc rm --in removes them), or make the space anew with more Objects", ErrTooMany, len(s.objects), countsText(open), countsText(kept))
}

// countsText says how many there are of what.
func countsText(counts map[string]int) string {
	total := 0
	var each []string
	for _, kind := range slices.Sorted(maps.Keys(counts)) {
		total += counts[kind]
		each = append(each, fmt.Sprintf("%s: %d", kind, counts[kind]))
	}
	if total == 0 {
		return "none"
	}
	return fmt.Sprintf("%d (%s)", total, strings.Join(each, ", "))
}
