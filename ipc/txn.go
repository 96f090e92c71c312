package ipc

import (
	"context"
	"errors"
	"fmt"
	"structs"
	"sync/atomic"
	"unsafe"

	"github.com/tutti-run/tutti/internal/waitfor"
	"github.com/tutti-run/tutti/shm"
)

// Transactions that lock what they need as they go, in any order (wound-wait, see
// waitfor.WoundWait). Each has an age, which it keeps when it begins again. Who wants a
// mutex that a younger one holds wounds that one: it gives back all its locks when it
// next asks for one, or at once if it waits for one, and begins again. Who wants one
// that an older one holds, or waits for, waits.
//
// All transactions of a space have a row in one table, which says whose it is, how old,
// whether it is wounded, and what it waits for. Who owns a mutex is known anyway; so
// nothing else must be kept, and what a dead process leaves are its rows.
//
// An older one must not sleep while a younger one that it has not wounded has the
// mutex. The older writes that it wants the mutex, and then looks who owns it. The
// younger writes that it owns it, then that it wants nothing, and then rings all who
// are older and want it. If it misses one, that one has written later that it wants
// the mutex, and looks later still: it sees the younger as the owner.
//
// A wound is not missed either: who wounds writes that and then looks what the wounded
// one wants, to ring it; who is wounded writes what it wants and then looks whether it
// is wounded.
//
// A younger one that finds the mutex free while an older one wants it does not take
// it, else the older one could lose for ever: it rings that one, and waits. Who gives
// up wakes another, as it may have been rung for this.
type txnRow struct {
	_     structs.HostLayout
	word  atomic.Uint64
	agent atomic.Uint64
	age   atomic.Uint64
	wants atomic.Uint64 // object + 1 in the upper half, claim in the lower; 0: nothing
	_     [32]byte
}

var _ [lineBytes]byte = [unsafe.Sizeof(txnRow{})]byte{} // else bump layoutVersion

// txnWord is the state of a row in 64 bits, moved by CAS:
//
//	bits  0–1   state
//	bits  8–23  slot of the process
//	bits 24–63  generation: counts the uses of the row
//
//	FREE    → ENTERING  who begins: slot and generation come with it
//	ENTERING → RUNNING  the same, when the row says who it is, and how old
//	RUNNING → WOUNDED   any older transaction
//	WOUNDED → RUNNING   the owner, which has given back all its locks
//	any     → FREE      the owner, or who buries it
type txnWord uint64

const (
	txnFree = iota
	txnEntering
	txnRunning
	txnWounded
)

func (w txnWord) state() int           { return int(w & 3) }
func (w txnWord) slot() int            { return int(w >> 8 & 0xffff) }
func (w txnWord) to(state int) txnWord { return w&^3 | txnWord(state) }

func (w txnWord) entered(slot int) txnWord {
	return (w>>24+1)<<24 | txnWord(slot)<<8 | txnEntering
}

func (r *txnRow) load() txnWord { return txnWord(r.word.Load()) }

func (r *txnRow) swap(from, to txnWord) bool {
	return r.word.CompareAndSwap(uint64(from), uint64(to))
}

const (
	txnsName = "transactions"
	txnsMax  = 256
)

// txnsState says where the table is, which is written before anybody sees the object,
// and how many of its rows were ever used, which only grows.
type txnsState struct {
	_    structs.HostLayout
	_    [4]byte // a futex on which nobody sleeps
	used atomic.Uint32
	rows uint64
}

func init() { kinds[kindTxns] = kindOf{name: "txns", bury: buryTxns, refs: refsTxns} }

func refsTxns(s *Space, object int, keep func(shm.Ref)) {
	keep(shm.Ref(stateOf[txnsState](&s.objects[object]).rows))
}

// txnTable is the table of an object.
type txnTable struct {
	used *atomic.Uint32
	all  []txnRow
}

// rows are those that were ever used. Whoever uses another one counts it first.
func (t txnTable) rows() []txnRow { return t.all[:min(int(t.used.Load()), len(t.all))] }

// txnTable is the table of an object, with no rows if it is damaged.
func (s *Space) txnTable(object int) txnTable {
	st := stateOf[txnsState](&s.objects[object])
	b, err := s.arena.Bytes(shm.Ref(st.rows), txnsMax*int(unsafe.Sizeof(txnRow{})))
	if err != nil {
		return txnTable{used: &st.used}
	}
	return txnTable{&st.used, unsafe.Slice((*txnRow)(unsafe.Pointer(unsafe.SliceData(b))), txnsMax)}
}

// buryTxns frees the rows of a dead process. Its locks are freed as all are.
func buryTxns(s *Space, object, slot int) {
	rows := s.txnTable(object).rows()
	for i := range rows {
		r := &rows[i]
		for w := r.load(); w.state() != txnFree && w.slot() == slot; w = r.load() {
			r.swap(w, w.to(txnFree))
		}
	}
}

// Txn is a transaction that Space.Txn runs: what it has locked. It belongs to the
// goroutine that called that, and ends with it.
type Txn struct {
	s     *Space
	ctx   context.Context // of the Txn call, which the Txn does not outlive
	table txnTable
	row   *txnRow // nil when it has ended
	mine  txnWord // of the row, while it runs
	age   waitfor.Age
	agent uint64
	held  []*Mutex
	again bool // it was wounded, has been told so, and must begin again
}

// errWounded is what a transaction's Lock returns when it has to begin again.
var errWounded = errors.New("ipc: an older transaction needs what this one holds: return this error, and it is run again")

// Txn runs f, which locks mutexes through its Txn, as it comes to need them, in any
// order and as many as it likes; all are given back when it returns. When two come to
// wait for each other, the younger gives back its locks and f is run again, with the
// age that it had, so that it wins in the end. So f must return the errors that Lock
// returns, and must not change anything before it has all its locks, unless it undoes
// that when Lock fails. Txn returns what f returns.
//
// Mutexes that goroutines also lock in other ways may be used, and f may wait for
// anything. A circle with such locks is found and ended like any other: the Lock of the
// one that is chosen returns a DeadlockError. One goroutine runs one transaction at a
// time.
//
//go:noinline
func (s *Space) Txn(ctx context.Context, f func(tx *Txn) error) error {
	object, err := s.transactions()
	if err != nil {
		return err
	}
	tx := &Txn{s: s, ctx: ctx, table: s.txnTable(object), agent: self()}
	if tx.table.all == nil {
		return s.damaged(object, "its table")
	}
	if s.closing.Load() {
		return ErrClosed
	}
	if err := tx.enter(); err != nil {
		return err
	}
	defer tx.leave()
	for {
		err := tx.run(f)
		if !tx.again {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if s.closing.Load() {
			return ErrClosed
		}
		tx.again = false
		tx.row.swap(tx.mine.to(txnWounded), tx.mine)
		at("txn-again")
	}
}

// transactions is the object that has the table of a space.
func (s *Space) transactions() (int, error) {
	if i := s.txns.Load(); i != 0 {
		return int(i) - 1, nil
	}
	i, err := s.find(kindTxns, txnsName, func(o *object) error {
		ref, err := s.keepBytes(make([]byte, txnsMax*int(unsafe.Sizeof(txnRow{}))))
		stateOf[txnsState](o).rows = uint64(ref)
		return err
	})
	if err == nil {
		s.txns.Store(int32(i) + 1)
	}
	return i, err
}

// enter takes a row.
func (tx *Txn) enter() error {
	s := tx.s
	if r, _ := rowOf(tx.table.rows(), s.slot, tx.agent); r != nil {
		return errors.New("ipc: a transaction within a transaction of the same goroutine")
	}
	for i := range tx.table.all {
		r, used := &tx.table.all[i], tx.table.used
		for n := used.Load(); n <= uint32(i) && !used.CompareAndSwap(n, uint32(i)+1); n = used.Load() {
		}
		w := r.load()
		if mine := w.entered(s.slot); w.state() == txnFree && r.swap(w, mine) {
			at("txn-entering")
			tx.row, tx.age = r, waitfor.Age(s.head.tickets.Add(1))
			r.agent.Store(tx.agent)
			r.age.Store(uint64(tx.age))
			r.wants.Store(0)
			tx.mine = mine.to(txnRunning)
			r.swap(mine, tx.mine)
			at("txn-running")
			return nil
		}
	}
	return fmt.Errorf("%w: %d transactions run; begin fewer at a time", ErrTooMany, txnsMax)
}

// leave frees the row, unless the space was closed: then it may be another's by now.
func (tx *Txn) leave() {
	at("txn-leaving")
	r := tx.row
	tx.row = nil
	for w := r.load(); w.to(txnRunning) == tx.mine && w.state() != txnFree; w = r.load() {
		r.swap(w, w.to(txnFree))
	}
}

// run runs f once, and gives back its locks, also when f panics.
func (tx *Txn) run(f func(tx *Txn) error) (err error) {
	whole := false
	defer func() {
		for i := len(tx.held) - 1; i >= 0; i-- {
			// What was taken to be repaired stays so if f did not come to its end.
			if e := tx.held[i].unlock(tx.again || !whole); e != nil {
				err = errors.Join(err, e)
			}
			at("txn-unlocked")
		}
		tx.held = tx.held[:0]
	}()
	err = f(tx)
	whole = true
	return err
}

// Lock takes a mutex for as long as the transaction runs, and waits for it until the
// context of the Txn call is done; see Mutex.Lock. It does nothing for one that the
// transaction has. The function that Txn runs must return its error, but for
// ErrOwnerDied.
//
//go:noinline
func (tx *Txn) Lock(m *Mutex) error {
	agent, pc, cycles := here()
	switch {
	case tx.row == nil:
		return errors.New("ipc: the transaction has ended: lock within the function that Txn runs")
	case m.s != tx.s:
		return errors.New("ipc: a mutex of another space than the transaction's")
	case agent != tx.agent:
		return fmt.Errorf("%w: the transaction is another goroutine's", ErrNotOwner)
	case tx.again:
		return errWounded
	}
	for _, h := range tx.held {
		if h.i == m.i {
			return nil
		}
	}
	err := tx.lock(m, pc, cycles)
	if err != nil && !errors.Is(err, ErrOwnerDied) {
		tx.again = errors.Is(err, errWounded)
		return err
	}
	tx.held = append(tx.held, m)
	if m.checked { // the order in which it came to them does not matter
		tx.s.took(m.i, agent, pc)
	}
	return err
}
