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
