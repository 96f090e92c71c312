package ipc

import (
	"github.com/tutti-run/tutti/internal/waitfor"
	"github.com/tutti-run/tutti/shm"
)

// How a transaction gets a mutex; txn.go says why that is enough.

// lock takes a mutex.
func (tx *Txn) lock(m *Mutex, pc, cycles uint64) error {
	s := tx.s
	if m.m.holder() == s.holder(tx.agent) {
		return m.relocked(pc)
	}
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	if w := m.m.word.Load(); w&(mutexOwner|mutexLost) == 0 && !tx.wounded() && tx.first(m.i) < 0 && tx.take(m, w, 0, pc, cycles) {
		return m.heir(w)
	}
	i, err := s.claim(m.i, 1, true, tx.agent, pc, cycles)
	if err != nil {
		return err
	}
	c := &s.claims[i]
	storeWord(&c.ticket, s.head.tickets.Add(1))
	tx.row.wants.Store(uint64(m.i+1)<<32 | uint64(i)) // before it waits, see passingWaits
	at("txn-wanting")
	c.word.Store(uint64(c.load().to(claimWaiting)))
	at("txn-waiting")
	owned, err := tx.await(m, i)
	c.settle()
	tx.row.wants.Store(0)
	s.unclaim(i)
	if !owned {
		return m.leaveOff(err)
	}
	return err
}

// take takes a mutex that is free, and tells those who are older and want it.
func (tx *Txn) take(m *Mutex, w, flags uint32, pc, cycles uint64) bool {
	if !m.m.word.CompareAndSwap(w, w|tx.s.owner|mutexTxn|flags) {
		return false
	}
	at("mutex-taken")
	m.m.own(tx.s.holder(tx.agent), pc, cycles)
	shm.Acquire(ptr(&m.m.word))
	tx.row.wants.Store(0) // SYNC txn: pairs with lock; the owner is written first
	rows := tx.table.rows()
	for i := range rows {
		if r := &rows[i]; r.wantsOf(m.i) && r.age.Load() < uint64(tx.age) {
			at("txn-telling")
			tx.s.ringWanter(r)
		}
	}
	at("txn-told")
	return true
}

// await waits for the mutex with claim i and takes it.
func (tx *Txn) await(m *Mutex, i int) (owned bool, err error) {
	s, c := tx.s, &tx.s.claims[i]
	for {
		rung := c.park.Load()
		w := m.m.word.Load() // SYNC txn: pairs with take; what this one wants is written first
		switch {
		case tx.wounded():
			return false, errWounded
		case c.load().state() == claimAborted:
			return false, s.deadlocked(i)
		case w&mutexLost != 0:
			return false, ErrNotRecoverable
		case w&mutexOwner != 0:
			tx.wound(m, w)
		default:
			first := tx.first(m.i)
			if first < 0 {
				if tx.take(m, w, mutexWaiters, loadWord(&c.pc), cycles()) {
					return true, m.heir(w)
				}
				continue
			}
			s.ringWanter(&tx.table.all[first])
		}
		if w&mutexWaiters == 0 && !m.m.word.CompareAndSwap(w, w|mutexWaiters) {
			continue
		}
		// The word may be the same though the owner, of the same process, is another.
		over := func() bool { return c.load().state() != claimWaiting || c.park.Load() != rung || tx.wounded() }
		if err := s.sleepOn(tx.ctx, i, &m.m.word, w|mutexWaiters, over); err != nil {
			return false, err
		}
	}
}

func (tx *Txn) wounded() bool { return tx.row.load() == tx.mine.to(txnWounded) }

// wound wounds the transaction that owns a mutex, whose word is w, if it is younger.
// While its goroutine is not known nothing is done: it tells when it is.
func (tx *Txn) wound(m *Mutex, w uint32) {
	r, state := ownerTxn(tx.table.rows(), m.m, w)
	if r == nil || state.state() != txnRunning {
		return
	}
	if move, _ := waitfor.WoundWait(tx.age, []waitfor.Age{waitfor.Age(r.age.Load())}); move != waitfor.Wound {
		return
	}
	if r.swap(state, state.to(txnWounded)) {
		at("txn-wounded")
		tx.s.ringWanter(r)
	}
}

// ownerTxn is the row of the transaction through which a mutex, whose word is w, is
// held, and its word; nil if it is held otherwise, or that cannot be told.
func ownerTxn(rows []txnRow, m *mutexState, w uint32) (*txnRow, txnWord) {
	by := m.holder()
	if w&mutexTxn == 0 || w&mutexOwner == 0 || by.slot() != int(w&mutexOwner)-1 {
		return nil, 0
	}
	return rowOf(rows, by.slot(), by.agent())
}

// rowOf is the row of a goroutine's transaction, and its word, or nil.
func rowOf(rows []txnRow, slot int, agent uint64) (*txnRow, txnWord) {
	for i := range rows {
		r := &rows[i]
		if w := r.load(); w.state() >= txnRunning && w.slot() == slot && r.agent.Load() == agent && r.load() == w {
			return r, w
		}
	}
	return nil, 0
}

// passingWaits are the claims with which transactions wait that give way: they are
// wounded, or an older one wants what they have and will wound them when it looks who
// has it. Their waits end without anybody's help, and the older one's is no deadlock,
// however long it is stopped before it looks. It has said what it wants before its claim
// says that it waits; so if its wait was in the picture before, it is seen here.
func (s *Space) passingWaits() map[int]bool {
	var passing map[int]bool
	for object := range s.objects {
		if s.objects[object].kind.Load() != kindTxns {
			continue
		}
		rows := s.txnTable(object).rows()
		pass := func(r *txnRow) {
			if wants := r.wants.Load(); wants != 0 {
				if passing == nil {
					passing = map[int]bool{}
				}
				passing[int(uint32(wants))] = true
			}
		}
		for i := range rows {
			r := &rows[i]
			w, wants := r.load(), int(r.wants.Load()>>32)-1
			if w.state() == txnWounded {
				pass(r)
			}
			if w.state() != txnRunning || wants < 0 || wants >= len(s.objects) || s.objects[wants].kind.Load() != kindMutex {
				continue
			}
			m := stateOf[mutexState](&s.objects[wants])
			if owner, _ := ownerTxn(rows, m, m.word.Load()); owner != nil && owner.age.Load() > r.age.Load() {
				pass(owner)
			}
		}
	}
	return passing
}

// first is the row of the oldest transaction that wants an object and is older than
// this one; -1: there is none. Those that are wounded want it no more.
func (tx *Txn) first(object int) int {
	first, oldest := -1, uint64(tx.age)
	rows := tx.table.rows()
	for i := range rows {
		r := &rows[i]
		w := r.load()
		if w.state() != txnRunning || !r.wantsOf(object) {
			continue
		}
		if age := r.age.Load(); age < oldest && r.load() == w { // else it is another's by now
			first, oldest = i, age
		}
	}
	return first
}

func (r *txnRow) wantsOf(object int) bool { return r.wants.Load()>>32 == uint64(object)+1 }

// ringWanter wakes the transaction of a row, if it waits.
func (s *Space) ringWanter(r *txnRow) {
	if wants := r.wants.Load(); wants != 0 {
		if i := int(uint32(wants)); i < len(s.claims) {
			s.ring(i)
		}
	}
}
