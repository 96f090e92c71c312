package ipc

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// The opposite order is refused though nobody else is there, in another process as
// well, and both orders are told with their places.
func TestOrderChecked(t *testing.T) {
	t.Parallel()
	for name, kind := range map[string]func(s *Space, name string) Locker{
		"mutex":   func(s *Space, name string) Locker { return must(s.Mutex(name)) },
		"rwmutex": func(s *Space, name string) Locker { return must(s.RWMutex(name)) },
		"reader":  func(s *Space, name string) Locker { return must(s.RWMutex(name)).RLocker() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spaces := heapSpaces(t, 3, Options{CheckOrder: true})
			ctx := soon(t)
			nest := func(s *Space, outer, inner string) error {
				a, b := kind(s, outer), kind(s, inner)
				if err := a.Lock(ctx); err != nil {
					return err
				}
				if err := b.Lock(ctx); err != nil {
					return errors.Join(err, a.Unlock())
				}
				return errors.Join(b.Unlock(), a.Unlock())
			}
			if err := errors.Join(nest(spaces[0], "a", "b"), nest(spaces[0], "b", "c"), nest(spaces[0], "a", "b")); err != nil {
				t.Fatal(err)
			}
			die(spaces[0]) // what it saw stays known
			for _, s := range spaces[1:] {
				err := nest(s, "c", "a")
				wrong, ok := errors.AsType[*OrderError](err)
				if !ok || !errors.Is(err, ErrOrder) || len(wrong.Before) != 2 {
					t.Fatal(err)
				}
				lock := `[a-z]+ "` // of the kind
				want := regexp.MustCompile(`^ipc: lock order: ` + lock + `a" \(order_test.go:\d+\) is wanted while ` + lock + `c" \(order_test.go:\d+\) is held
  before, ` + lock + `b" \(order_test.go:\d+\) was taken while ` + lock + `a" \(order_test.go:\d+\) was held, by process 1
  and before, ` + lock + `c" \(order_test.go:\d+\) was taken while ` + lock + `b" \(order_test.go:\d+\) was held, by process 1$`)
				if !want.MatchString(wrong.Error()) {
					t.Errorf("told as:\n%v", wrong)
				}
			}
			for _, s := range spaces[1:] {
				if err := nest(s, "a", "c"); err != nil {
					t.Errorf("after a refusal: %v", err)
				}
			}
		})
	}
}

// What cannot block is not refused, and what LockAll takes counts.
func TestOrderOfOthers(t *testing.T) {
	t.Parallel()
	s := heapSpaces(t, 1, Options{CheckOrder: true})[0]
	ctx := soon(t)
	a, b := must(s.Mutex("a")), must(s.Mutex("b"))
	unlock, err := LockAll(ctx, b, a)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(unlock(), b.Lock(ctx)); err != nil {
		t.Fatal(err)
	}
	if err := a.Lock(ctx); !errors.Is(err, ErrOrder) {
		t.Errorf("the opposite of what LockAll did: %v", err)
	}
	if ok, err := a.TryLock(); !ok || err != nil {
		t.Errorf("tried: %v, %v", ok, err)
	}
	if err := errors.Join(a.Unlock(), b.Unlock()); err != nil {
		t.Error(err)
	}
	rw := must(s.RWMutex("rw"))
	if err := rw.RLock(ctx); err != nil {
		t.Fatal(err)
	}
	if err := rw.RLock(ctx); !errors.Is(err, ErrOrder) {
		t.Errorf("read twice: %v", err)
	}
	if err := errors.Join(rw.RUnlock(), a.Lock(ctx)); err != nil {
		t.Error(err)
	}
	if err := a.Lock(ctx); !errors.Is(err, ErrDeadlock) {
		t.Errorf("locked twice: %v", err)
	}
	// What a condition gives back and takes again is held all the same.
	c := must(s.Cond("c", a))
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if err := c.Wait(ended); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if n := len(s.taking.by[self()]); n != 1 {
		t.Errorf("%d locks are noted", n)
	}
	if err := a.Unlock(); err != nil || len(s.taking.by) != 0 {
		t.Errorf("%v, noted still: %v", err, s.taking.by)
	}
}

// Ranks go up, whoever looks on; those that LockAll takes may be equal.
func TestRanks(t *testing.T) {
	t.Parallel()
	s := heapSpaces(t, 1, Options{})[0]
	ctx := soon(t)
	low, high, same := must(s.Mutex("low")), must(s.RWMutex("high")), must(s.Mutex("same"))
	plain := must(s.Mutex("plain"))
	low.SetRank(1)
	high.SetRank(2)
	same.SetRank(2)
	if err := errors.Join(low.Lock(ctx), high.Lock(ctx), plain.Lock(ctx)); err != nil || high.Rank() != 2 || low.Rank() != 1 {
		t.Fatal(err)
	}
	if err := same.Lock(ctx); !errors.Is(err, ErrOrder) || !strings.Contains(err.Error(), "rank 2") {
		t.Errorf("equal: %v", err)
	}
	if err := errors.Join(low.Unlock(), plain.Unlock()); err != nil {
		t.Fatal(err)
	}
	if err := low.Lock(ctx); !errors.Is(err, ErrOrder) {
		t.Errorf("down: %v", err)
	}
	if _, err := LockAll(ctx, plain, low); !errors.Is(err, ErrOrder) {
		t.Errorf("down, several: %v", err)
	}
	if ok, err := plain.TryLock(); !ok || err != nil {
		t.Error("plain is held after a refusal")
	}
	if err := errors.Join(high.Unlock(), plain.Unlock()); err != nil {
		t.Fatal(err)
	}
	unlock, err := LockAll(ctx, same, high, low)
	if err != nil {
		t.Fatal(err)
	}
	if err := unlock(); err != nil {
		t.Error(err)
	}
}

// Who takes several at once fears nobody who does, in whatever order they are named.
func TestLockAll(t *testing.T) {
	t.Parallel()
	spaces := heapSpaces(t, 3, Options{Report: func(e *DeadlockError) { t.Error(e) }})
	var all sync.WaitGroup
	counts := [3]int{}
	for i, s := range spaces {
		all.Go(func() {
			locks := []Locker{must(s.Mutex("0")), must(s.Mutex("1")), must(s.RWMutex("2"))}
			for n := range 200 {
				j, k := (i+n)%3, (i+2*n+1)%3
				unlock, err := LockAll(soon(t), locks[j], locks[k], locks[j])
				if err != nil {
					t.Error(err)
					return
				}
				counts[j]++
				if j != k {
					counts[k]++
				}
				if err := unlock(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	s := spaces[0]
	a, b, rw := must(s.Mutex("0")), must(s.Mutex("1")), must(s.RWMutex("2"))
	if err := must(spaces[1].RWMutex("2")).RLock(soon(t)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(soon(t))
	cancel()
	if unlock, err := LockAll(ctx, rw, b, a); unlock != nil || !errors.Is(err, context.Canceled) {
		t.Fatalf("one is not to be had: %v", err)
	}
	unlock, err := LockAll(soon(t), rw.RLocker(), a, b)
	if err != nil {
		t.Fatalf("all are held, or given back: %v", err)
	}
	if err := unlock(); err != nil {
		t.Error(err)
	}
}

// Of several locks one has to be repaired; it stays so when the others are not to be
// had.
func TestLockAllOwnerDied(t *testing.T) {
	t.Parallel()
	spaces := heapSpaces(t, 3, Options{})
	for _, name := range []string{"a", "b"} {
		must(spaces[0].Mutex(name))
	}
	must(spaces[0].RWMutex("c"))
	if err := errors.Join(must(spaces[0].Mutex("a")).Lock(soon(t)), must(spaces[0].RWMutex("c")).Lock(soon(t)), must(spaces[1].Mutex("b")).Lock(soon(t))); err != nil {
		t.Fatal(err)
	}
	die(spaces[0])
	s := spaces[2]
	awaitBurial(t, s, spaces[0].slot)
	a, b, c := must(s.Mutex("a")), must(s.Mutex("b")), must(s.RWMutex("c"))
	ctx, cancel := context.WithCancel(soon(t))
	cancel()
	if unlock, err := LockAll(ctx, c, b, a); unlock != nil || !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	die(spaces[1])
	unlock, err := LockAll(soon(t), c, b, a)
	if unlock == nil || !errors.Is(err, ErrOwnerDied) || strings.Count(fmt.Sprint(err), "\n") != 2 {
		t.Fatal(err)
	}
	if err := errors.Join(a.MarkConsistent(), b.MarkConsistent(), c.MarkConsistent(), unlock()); err != nil {
		t.Error(err)
	}
	if err := errors.Join(a.Lock(soon(t)), b.Lock(soon(t)), c.Lock(soon(t))); err != nil {
		t.Errorf("all are whole: %v", err)
	}
}
