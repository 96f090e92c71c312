package ipc

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
)

// Transactions of several processes lock what they need in any order: all end, nothing
// is changed by two at once, and no deadlock is ever seen.
func TestTxn(t *testing.T) {
	t.Parallel()
	spaces := heapSpaces(t, 2, Options{Report: func(e *DeadlockError) { t.Error(e) }})
	const goroutines, rounds, locks = 3, 100, 4
	counts := [locks]int{}
	var all sync.WaitGroup
	for i, s := range spaces {
		for k := range goroutines {
			all.Go(func() {
				rnd := rand.New(rand.NewPCG(uint64(i), uint64(k)))
				mutexes := [locks]*Mutex{}
				for j := range mutexes {
					mutexes[j] = must(s.Mutex(fmt.Sprint("m", j)))
				}
				for range rounds {
					order := rnd.Perm(locks)[:3]
					err := s.Txn(soon(t), func(tx *Txn) error {
						for _, j := range append(order, order[0]) {
							if err := tx.Lock(mutexes[j]); err != nil {
								return err
							}
						}
						for _, j := range order {
							counts[j]++
						}
						return nil
					})
					if err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
	}
	all.Wait()
	sum := 0
	for _, n := range counts {
		sum += n
	}
	if want := len(spaces) * goroutines * rounds * 3; sum != want {
		t.Errorf("counted %d, want %d", sum, want)
	}
}

// The younger one gives way, and wins when the older one has ended.
func TestTxnWounds(t *testing.T) {
	t.Parallel()
	spaces := heapSpaces(t, 2, Options{Report: func(e *DeadlockError) { t.Error(e) }})
	ctx := soon(t)
	names := func(s *Space) (a, b *Mutex) { return must(s.Mutex("a")), must(s.Mutex("b")) }
	runs := 0
	oldHasA, youngHasB, young := make(chan bool), make(chan bool), make(chan error)
	go func() {
		a, b := names(spaces[1])
		<-oldHasA
		young <- spaces[1].Txn(ctx, func(tx *Txn) error {
			runs++
			if err := tx.Lock(b); err != nil {
				return err
			}
			if runs == 1 {
				close(youngHasB)
			}
			return tx.Lock(a)
		})
	}()
	a, b := names(spaces[0])
	err := spaces[0].Txn(ctx, func(tx *Txn) error {
		if err := tx.Lock(a); err != nil {
			return err
		}
		close(oldHasA)
		<-youngHasB
		return tx.Lock(b)
	})
	if err := errors.Join(err, <-young); err != nil || runs < 2 {
		t.Errorf("%v after %d runs", err, runs)
	}
}

func TestTxnRefuses(t *testing.T) {
	t.Parallel()
	spaces := heapSpaces(t, 2, Options{})
	s := spaces[0]
	m := must(s.Mutex("m"))
	failed := errors.New("no")
	check := func(what string, want error, f func(tx *Txn) error) {
		t.Helper()
		if err := s.Txn(soon(t), f); !errors.Is(err, want) {
			t.Errorf("%s: %v", what, err)
		}
		if ok, err := m.TryLock(); !ok || err != nil {
			t.Errorf("%s: it is not free after that: %v", what, err)
		}
		if err := m.Unlock(); err != nil {
			t.Error(err)
		}
	}
	check("its own error", failed, func(tx *Txn) error { return errors.Join(tx.Lock(m), failed) })
	check("another goroutine", ErrNotOwner, func(tx *Txn) error {
		got := make(chan error)
		go func() { got <- tx.Lock(m) }()
		return <-got
	})
	if err := s.Txn(soon(t), func(*Txn) error { return s.Txn(soon(t), func(*Txn) error { return nil }) }); err == nil {
		t.Error("one within another")
	}
	if err := s.Txn(soon(t), func(tx *Txn) error { return tx.Lock(must(spaces[1].Mutex("m"))) }); err == nil {
		t.Error("a mutex of another space")
	}
	if err := m.Lock(soon(t)); err != nil {
		t.Fatal(err)
	}
	if err := s.Txn(soon(t), func(tx *Txn) error { return tx.Lock(m) }); !errors.Is(err, ErrDeadlock) {
		t.Errorf("what the goroutine has: %v", err)
	}
	ctx, cancel := context.WithCancel(soon(t))
	cancel()
	if err := spaces[1].Txn(ctx, func(tx *Txn) error { return tx.Lock(must(spaces[1].Mutex("m"))) }); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := m.Unlock(); err != nil {
		t.Error(err)
	}
}

// A transaction that is wounded does not spoil what it took to repair.
func TestTxnOwnerDied(t *testing.T) {
	t.Parallel()
	spaces := heapSpaces(t, 2, Options{})
	if err := must(spaces[0].Mutex("m")).Lock(soon(t)); err != nil {
		t.Fatal(err)
	}
	die(spaces[0])
	s := spaces[1]
	m := must(s.Mutex("m"))
	runs := 0
	err := s.Txn(soon(t), func(tx *Txn) error {
		if err := tx.Lock(m); !errors.Is(err, ErrOwnerDied) {
			t.Errorf("run %d: %v", runs, err)
		}
		if runs++; runs == 1 {
			w := tx.row.load()
			tx.row.swap(w, w.to(txnWounded)) // as an older one would
			return tx.Lock(must(s.Mutex("other")))
		}
		return m.MarkConsistent()
	})
	if err != nil || runs != 2 {
		t.Errorf("%v after %d runs", err, runs)
	}
	if err := errors.Join(m.Lock(soon(t)), m.Unlock()); err != nil {
		t.Error(err)
	}
}

// An older transaction that was stopped before it could wound the younger one: no
// deadlock, though each waits for the other meanwhile.
func TestTxnStopped(t *testing.T) {
	t.Parallel()
	spaces := heapSpaces(t, 2, Options{Report: func(e *DeadlockError) { t.Error(e) }})
	ctx := soon(t)
	oldHasA, youngHasB, waits, goOn, young := make(chan bool), make(chan bool), make(chan bool), make(chan bool), make(chan error, 1)
	go func() {
		a, b := must(spaces[1].Mutex("a")), must(spaces[1].Mutex("b"))
		<-oldHasA
		looked := inspected(t)
		go func() { <-looked; close(goOn) }()
		runs := 0
		young <- spaces[1].Txn(ctx, func(tx *Txn) error {
			if err := tx.Lock(b); err != nil {
				return err
			}
			if runs++; runs == 1 {
				close(youngHasB)
				<-waits
			}
			return tx.Lock(a)
		})
	}()
	me := self()
	atPoints.Store(waits, func(point string) {
		if point == "txn-waiting" && self() == me {
			close(waits)
			<-goOn
		}
	})
	defer atPoints.Delete(waits)
	a, b := must(spaces[0].Mutex("a")), must(spaces[0].Mutex("b"))
	err := spaces[0].Txn(ctx, func(tx *Txn) error {
		if err := tx.Lock(a); err != nil {
			return err
		}
		close(oldHasA)
		<-youngHasB
		return tx.Lock(b)
	})
	if err := errors.Join(err, <-young); err != nil {
		t.Error(err)
	}
}

// A circle of which one wait is not a transaction's is found and ended, though the
// transaction in it is wounded.
func TestTxnAmongOthers(t *testing.T) {
	t.Parallel()
	spaces := heapSpaces(t, 2, Options{})
	ctx := soon(t)
	oldHasPlain, youngHasA, young := make(chan bool), make(chan bool), make(chan error, 1)
	go func() {
		a, plain := must(spaces[1].Mutex("a")), must(spaces[1].Mutex("plain"))
		<-oldHasPlain
		young <- spaces[1].Txn(ctx, func(tx *Txn) error {
			if err := tx.Lock(a); err != nil {
				return err
			}
			close(youngHasA)
			if err := plain.Lock(ctx); err != nil {
				return err
			}
			return plain.Unlock()
		})
	}()
	a, plain := must(spaces[0].Mutex("a")), must(spaces[0].Mutex("plain"))
	old := spaces[0].Txn(ctx, func(tx *Txn) error {
		if err := plain.Lock(ctx); err != nil {
			return err
		}
		close(oldHasPlain)
		<-youngHasA
		return errors.Join(tx.Lock(a), plain.Unlock())
	})
	if err := errors.Join(old, <-young); !errors.Is(err, ErrDeadlock) || errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

// A transaction that the closing of its space overtakes does no harm to the one that
// has its row then.
func TestTxnClosed(t *testing.T) {
	t.Parallel()
	spaces := heapSpaces(t, 2, Options{})
	s, other := spaces[0], spaces[1]
	began, ended, next := make(chan *Txn), make(chan bool), make(chan error)
	var closed *Txn
	err := s.Txn(soon(t), func(tx *Txn) error {
		closed = tx
		if err := tx.Lock(must(s.Mutex("m"))); err != nil {
			return err
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		go func() {
			next <- other.Txn(soon(t), func(tx *Txn) error {
				m := must(other.Mutex("m"))
				if err := tx.Lock(m); !errors.Is(err, ErrOwnerDied) {
					t.Errorf("what the closed one had: %v", err)
				}
				began <- tx
				<-ended
				if tx.row.load() != tx.mine {
					t.Error("the row is another's")
				}
				return m.MarkConsistent()
			})
		}()
		if after := <-began; after.row != tx.row {
			t.Error("it has another row")
		}
		return nil
	})
	close(ended)
	if !errors.Is(err, ErrClosed) {
		t.Errorf("it was closed: %v", err)
	}
	if err := <-next; err != nil {
		t.Error(err)
	}
	if err := closed.Lock(must(other.Mutex("m"))); err == nil {
		t.Error("a lock after the end")
	}
}
