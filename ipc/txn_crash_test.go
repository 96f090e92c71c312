package ipc

import (
	"context"
	"errors"
	"runtime"
)

// commit runs a transaction that takes mutexes in the order of their names and repairs
// what is to be repaired.
func commit(ctx context.Context, s *Space, names ...string) error {
	return s.Txn(ctx, func(tx *Txn) error {
		for _, name := range names {
			m := must(s.Mutex(name))
			switch err := tx.Lock(m); {
			case errors.Is(err, ErrOwnerDied):
				if err := m.MarkConsistent(); err != nil {
					return err
				}
			case err != nil:
				return err
			}
		}
		return nil
	})
}

// txnScenarios are what becomes of transactions, see lockScenarios. In each, what the
// dead one had is there for the next transaction.
var txnScenarios = []lockScenario{
	{
		name:  "a transaction",
		act:   func(ctx context.Context, s *Space) error { return commit(ctx, s, "b", "a") },
		after: func(ctx context.Context, s *Space) error { return commit(ctx, s, "a", "b") },
	}, {
		name:  "a younger transaction that waits",
		ready: func(ctx context.Context, s *Space) error { return must(s.Mutex("a")).Lock(ctx) },
		act:   func(ctx context.Context, s *Space) error { return commit(ctx, s, "b", "a") },
		meanwhile: func(_ context.Context, s *Space, over func() bool) error {
			m := must(s.Mutex("a"))
			for m.m.word.Load()&mutexWaiters == 0 && !over() {
				runtime.Gosched()
			}
			return m.Unlock()
		},
		after: func(ctx context.Context, s *Space) error { return commit(ctx, s, "a", "b") },
	}, {
		name: "an older transaction that wounds",
		act: func(ctx context.Context, s *Space) error {
			return s.Txn(ctx, func(tx *Txn) error {
				must(s.Event("old is there")).Set()
				if err := must(s.Event("young has it")).Wait(ctx); err != nil {
					return err
				}
				return tx.Lock(must(s.Mutex("a")))
			})
		},
		meanwhile: func(ctx context.Context, s *Space, over func() bool) error {
			for there := must(s.Event("old is there")); !there.IsSet() && !over(); runtime.Gosched() {
			}
			runs := 0
			return s.Txn(ctx, func(tx *Txn) error {
				if runs++; runs > 1 {
					return nil
				}
				err := tx.Lock(must(s.Mutex("a")))
				must(s.Event("young has it")).Set()
				for ; err == nil && !over(); runtime.Gosched() {
					err = tx.Lock(must(s.Mutex("b")))
					if err == nil && tx.wounded() {
						err = tx.Lock(must(s.Mutex("c")))
					}
				}
				return err
			})
		},
		after: func(ctx context.Context, s *Space) error { return commit(ctx, s, "a", "b", "c") },
	}, {
		name: "a younger transaction that is wounded",
		ready: func(ctx context.Context, s *Space) error {
			go func() {
				_ = s.Txn(ctx, func(tx *Txn) error {
					must(s.Event("old is there")).Set()
					if err := must(s.Event("young is there")).Wait(ctx); err != nil {
						return err
					}
					if err := tx.Lock(must(s.Mutex("a"))); err != nil && !errors.Is(err, ErrOwnerDied) {
						return err
					}
					_ = must(s.Mutex("a")).MarkConsistent()
					must(s.Event("old has ended")).Set()
					return nil
				})
			}()
			return must(s.Event("old is there")).Wait(ctx)
		},
		act: func(ctx context.Context, s *Space) error {
			runs := 0
			return s.Txn(ctx, func(tx *Txn) error {
				if err := tx.Lock(must(s.Mutex("a"))); err != nil && !errors.Is(err, ErrOwnerDied) {
					return err
				}
				_ = must(s.Mutex("a")).MarkConsistent()
				for runs++; runs == 1 && !tx.wounded(); runtime.Gosched() {
				}
				return tx.Lock(must(s.Mutex("b")))
			})
		},
		// The older one comes to want what the younger has just taken, and cannot know
		// yet who that is: it is told.
		on: func(_ context.Context, s *Space, point string) {
			if point != "mutex-taken" || must(s.Event("young is there")).IsSet() {
				return
			}
			must(s.Event("young is there")).Set()
			for m := must(s.Mutex("a")); m.m.word.Load()&mutexWaiters == 0; runtime.Gosched() {
			}
		},
		after: func(ctx context.Context, s *Space) error {
			must(s.Event("young is there")).Set()
			return errors.Join(must(s.Event("old has ended")).Wait(ctx), commit(ctx, s, "a", "b", "c"))
		},
	},
}
