package spool

import (
	"os"
	"sync"
	"testing"
)

// mapped is a store on a segment that other processes can map.
func mapped(t testing.TB, c Config) *Store {
	t.Helper()
	s, err := Create(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// unnamed is a file without a name, for regions.
func unnamed(t testing.TB) *os.File {
	t.Helper()
	f, err := OpenUnnamed(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// await returns when ticket has shown so many bytes.
func await(s *Store, ticket uint64, size int64) {
	for {
		bell := s.Bell()
		if v, ok := s.Find(ticket); ok && v.Shown[0].Size >= size {
			return
		}
		s.Await(bell)
	}
}

// TestNoLostWakeUp has a reader sleep before each byte. A lost wake-up would be a
// test that never ends.
func TestNoLostWakeUp(t *testing.T) {
	t.Parallel()
	for _, all := range []bool{false, true} {
		s := mapped(t, Config{Lanes: 2, Memory: ChunkBytes, Live: true})
		if all {
			s.WatchAll()
		}
		_, w := begin(t, s, 0, 5, 7)
		read := make(chan int64)
		var writer sync.WaitGroup
		writer.Go(func() {
			for n := range read {
				put(&w[0], 5, int(n-w[0].total), ChunkBytes)
			}
		})
		for n := range int64(3000) {
			read <- n + 1 // the write and the watch cross
			if !all {
				s.Watch(6 + n%2)
				s.Watch(7)
			}
			await(s, 5, n+1)
		}
		close(read)
		writer.Wait()
	}
}

// Every sleeper wakes, and not only one.
func TestAllSleepersWake(t *testing.T) {
	t.Parallel()
	s := mapped(t, Config{Lanes: 1, Memory: ChunkBytes, Live: true})
	s.Watch(1)
	_, w := begin(t, s, 0, 5, 1)
	for round := range int64(200) {
		var wg, asleep sync.WaitGroup
		for range 4 {
			asleep.Add(1)
			wg.Go(func() {
				bell := s.Bell()
				asleep.Done()
				s.Await(bell)
				await(s, 5, round+1)
			})
		}
		asleep.Wait()
		put(&w[0], 5, 1, 1)
		wg.Wait()
	}
}

func TestOthersDoNotRing(t *testing.T) {
	t.Parallel()
	s := mapped(t, Config{Lanes: 1, Memory: ChunkBytes, Live: true})
	s.Watch(2)
	bell := s.Bell()
	_, w := begin(t, s, 0, 5, 1)
	put(&w[0], 5, 1, 1)
	if s.Bell() != bell {
		t.Error("a job that nobody watches rang")
	}
	s.Ring()
	s.Await(bell) // at once
}
