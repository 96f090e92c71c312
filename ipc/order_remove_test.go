package ipc

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"testing"
)

// nested takes two mutexes, one while the other is held, and what the dead left of them.
func nested(ctx context.Context, s *Space, outer, inner string) error {
	a, b := must(s.Mutex(outer)), must(s.Mutex(inner))
	if err := heirGets(a.Lock(ctx)); err != nil {
		return err
	}
	err := heirGets(b.Lock(ctx))
	if err == nil {
		err = errors.Join(b.MarkConsistent(), b.Unlock())
	}
	return errors.Join(err, a.MarkConsistent(), a.Unlock())
}

// With a lock goes what was learnt of its order, in all processes, those that had learnt
// it themselves and those that had read it; what has its row next is another lock.
func TestOrderGoesWithTheLock(t *testing.T) {
	t.Parallel()
	spaces := heapSpaces(t, 2, Options{CheckOrder: true})
	s, other := spaces[0], spaces[1]
	ctx := soon(t)
	if err := errors.Join(nested(ctx, s, "a", "b"), nested(ctx, s, "b", "c"), nested(ctx, other, "x", "y")); err != nil {
		t.Fatal(err)
	}
	b := must(s.Mutex("b"))
	row := b.i
	if err := errors.Join(b.Lock(ctx), s.Remove("b")); !errors.Is(err, ErrInUse) {
		t.Fatalf("to remove a lock that is held got %v", err)
	}
	if err := errors.Join(b.Unlock(), s.Remove("b")); err != nil {
		t.Fatal(err)
	}
	if m := must(s.Mutex("new")); m.i != row {
		t.Fatalf("row %d is used, not that of what was removed, %d", m.i, row)
	}
	if err := errors.Join(nested(ctx, other, "c", "new"), nested(ctx, s, "new", "a")); err != nil {
		t.Errorf("what was learnt of b applies to what has its row: %v", err)
	}
	for i, s := range slices.Backward(spaces) {
		for _, pair := range [][2]string{{"a", "new"}, {"new", "c"}, {"a", "c"}} {
			var wrong *OrderError
			if err := nested(ctx, s, pair[0], pair[1]); !errors.As(err, &wrong) || len(wrong.Before) == 0 {
				t.Errorf("process %d: %s before %s: %v", i, pair[0], pair[1], err)
				continue
			}
			for _, p := range wrong.Before {
				if p.NextAt == "" || p.HeldAt == "" || p.PID == 0 {
					t.Errorf("process %d: %s before %s: told without a place: %+v", i, pair[0], pair[1], p)
				}
			}
		}
	}
	if err := other.Remove("b"); err == nil {
		t.Error("b could be removed twice")
	}
}

// There is room for the order of ever new locks, as long as they are removed.
func TestOrderOfEverNewLocks(t *testing.T) {
	t.Parallel()
	spaces := heapSpaces(t, 2, Options{CheckOrder: true, Objects: 8})
	ctx := soon(t)
	for i := range 2 * orderChunk * orderChunks {
		s, other := spaces[i%2], spaces[(i+1)%2]
		name := fmt.Sprint("lock ", i)
		if err := nested(ctx, s, "outer", name); err != nil {
			t.Fatal(err)
		}
		if err := nested(ctx, s, name, "outer"); !errors.Is(err, ErrOrder) {
			t.Fatalf("lock %d in the opposite order: %v", i, err)
		}
		if i%100 != 0 {
			if err := s.Remove(name); err != nil {
				t.Fatal(err)
			}
			continue
		}
		mustClose(t, s)
		if err := nested(ctx, other, name, "outer"); !errors.Is(err, ErrOrder) {
			t.Fatalf("lock %d in the opposite order, in the other process: %v", i, err)
		}
		if err := other.Remove(name); err != nil {
			t.Fatal(err)
		}
		spaces[i%2] = other.kin.(*goroutines).town.enter(t, other.seg, Options{CheckOrder: true})
	}
}

func TestDeathInOrder(t *testing.T) {
	t.Parallel()
	dieEverywhere(t, []lockScenario{{
		name:    "learnt",
		options: Options{CheckOrder: true},
		act: func(ctx context.Context, s *Space) error {
			return errors.Join(nested(ctx, s, "a", "b"), nested(ctx, s, "b", "c"))
		},
		after: func(ctx context.Context, s *Space) error {
			if err := errors.Join(nested(ctx, s, "a", "b"), nested(ctx, s, "b", "c")); err != nil {
				return err
			}
			if err := nested(ctx, s, "c", "a"); !errors.Is(err, ErrOrder) {
				return fmt.Errorf("the opposite order: %w", err)
			}
			return nil
		},
	}, {
		name:    "removed",
		options: Options{CheckOrder: true},
		ready:   func(ctx context.Context, s *Space) error { return nested(ctx, s, "x", "y") },
		act: func(ctx context.Context, s *Space) error {
			err := errors.Join(nested(ctx, s, "a", "b"), nested(ctx, s, "b", "c"))
			return errors.Join(err, s.Remove("b"), nested(ctx, s, "new", "a"))
		},
		on: func(ctx context.Context, s *Space, point string) {
			if point != "mutex-wiped" {
				return
			}
			// It learns something of its own, and so reads what there is.
			if err := nested(ctx, s, "z", fmt.Sprint("z ", s.taking.seen)); err != nil {
				panic(err)
			}
		},
		after: func(ctx context.Context, s *Space) error {
			if err := s.Remove("b"); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			if err := errors.Join(nested(ctx, s, "c", "b"), nested(ctx, s, "b", "a")); err != nil {
				return fmt.Errorf("the order of what was removed: %w", err)
			}
			if err := nested(ctx, s, "a", "c"); !errors.Is(err, ErrOrder) {
				return fmt.Errorf("the opposite of the new order: %w", err)
			}
			return nil
		},
	}}, "order-room", "order-filled", "order-live", "order-learnt", "order-struck", "order-unlearnt")
}
