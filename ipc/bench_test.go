package ipc

import "testing"

func BenchmarkMutex(b *testing.B) {
	s := must(Anonymous(1<<20, Options{}))
	defer s.Close()
	m := must(s.Mutex("m"))
	ctx := b.Context()
	for b.Loop() {
		if m.Lock(ctx) != nil || m.Unlock() != nil {
			b.Fatal("not locked")
		}
	}
}

func BenchmarkRWMutex(b *testing.B) {
	s := must(Anonymous(1<<20, Options{}))
	defer s.Close()
	m := must(s.RWMutex("m"))
	ctx := b.Context()
	for b.Loop() {
		if m.RLock(ctx) != nil || m.RUnlock() != nil {
			b.Fatal("not locked")
		}
	}
}

func BenchmarkSemaphore(b *testing.B) {
	s := must(Anonymous(1<<20, Options{}))
	defer s.Close()
	m := must(s.Semaphore("m", 4))
	ctx := b.Context()
	for b.Loop() {
		if m.Acquire(ctx, 1) != nil || m.Release(1) != nil {
			b.Fatal("not acquired")
		}
	}
}

// Two mutexes in a transaction that nobody else is in the way of.
func BenchmarkTxn(b *testing.B) {
	s := must(Anonymous(1<<20, Options{}))
	defer s.Close()
	m, n := must(s.Mutex("m")), must(s.Mutex("n"))
	for b.Loop() {
		err := s.Txn(b.Context(), func(tx *Txn) error {
			if err := tx.Lock(m); err != nil {
				return err
			}
			return tx.Lock(n)
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

// Units that are free, with five claims of which all hold something.
func BenchmarkBanker(b *testing.B) {
	s := must(Anonymous(1<<20, Options{}))
	defer s.Close()
	total := amounts{"a": 10, "b": 10}
	var c *Claim
	for range 5 {
		c = declare(s, total, amounts{"a": 2, "b": 2})
		if err := c.Acquire(b.Context(), amounts{"b": 1}); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		if err := c.Acquire(b.Context(), amounts{"a": 1}); err != nil {
			b.Fatal(err)
		}
		if err := c.Release(amounts{"a": 1}); err != nil {
			b.Fatal(err)
		}
	}
}
