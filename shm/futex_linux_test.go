package shm

import (
	"sync/atomic"
	"testing"
	"time"
	"unsafe"
)

func TestWaitReturns(t *testing.T) {
	t.Parallel()
	var word uint32 = 5
	if !Wait(&word, 4, 0) {
		t.Error("a word that differs timed out")
	}
	// A signal ends a wait as well, and the runtime sends some; none that nobody
	// woke ends every time.
	for waits := 1; Wait(&word, 5, time.Millisecond); waits++ {
		if waits == 100 {
			t.Fatal("nobody woke the word, and yet no timeout in 100 waits")
		}
	}
	if n := Wake(&word, 1); n != 0 {
		t.Errorf("woke %d of no waiters", n)
	}
	defer func() {
		if recover() == nil {
			t.Error("a word that is not aligned was waited on")
		}
	}()
	var pair [2]uint64
	Wait((*uint32)(unsafe.Add(unsafe.Pointer(&pair), 1)), 0, 0)
}

// wakeOne wakes until a sleeper was there.
func wakeOne(word *uint32) {
	for Wake(word, 1) == 0 {
	}
}

func TestWakeAcrossMappings(t *testing.T) {
	t.Parallel()
	a := newSegment(t, 4096, 4096)
	b := attachCopy(t, a)
	waiter, waker := (*uint32)(a.Base()), (*uint32)(b.Base())
	woken := make(chan bool)
	go func() { woken <- Wait(waiter, 0, 0) }()
	wakeOne(waker)
	if !<-woken {
		t.Error("a wait without timeout timed out")
	}
}

func TestWaitAny(t *testing.T) {
	t.Parallel()
	seg := newSegment(t, 4096, 4096)
	words := unsafe.Slice((*uint32)(seg.Base()), MaxWaitWords)
	ws := make([]WaitWord, MaxWaitWords)
	for i := range ws {
		ws[i].Addr = &words[i]
	}
	if i, err := WaitAny(ws, time.Millisecond); i != -1 || err != nil {
		t.Errorf("nobody woke: got %d, %v", i, err)
	}
	for _, k := range []int{0, 1, 77, MaxWaitWords - 1} {
		got := make(chan int)
		go func() {
			i, err := WaitAny(ws, 0)
			if err != nil {
				t.Error(err)
			}
			got <- i
		}()
		wakeOne(&words[k])
		if i := <-got; i != k {
			t.Errorf("word %d was woken, %d reported", k, i)
		}
	}
	atomic.StoreUint32(&words[9], 1)
	if i, err := WaitAny(ws, 0); i != 9 || err != nil {
		t.Errorf("word 9 differs: got %d, %v", i, err)
	}
	for _, n := range []int{0, MaxWaitWords + 1} {
		if _, err := WaitAny(make([]WaitWord, n), 0); err == nil {
			t.Errorf("waited for %d words", n)
		}
	}
	if _, err := WaitAny(make([]WaitWord, 1), 0); err == nil {
		t.Error("waited for no address")
	}
}

func TestWaitAnyAllocatesNothing(t *testing.T) {
	words := make([]uint32, 3)
	ws := make([]WaitWord, len(words))
	for i := range ws {
		ws[i].Addr = &words[i]
	}
	if n := testing.AllocsPerRun(100, func() {
		WaitAny(ws, time.Nanosecond)
		Wait(&words[0], 0, time.Nanosecond)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func attachCopy(t *testing.T, s *Segment) *Segment {
	t.Helper()
	fd, err := dup(s.FD())
	if err != nil {
		t.Fatal(err)
	}
	peer, err := Attach(fd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { peer.Close() })
	return peer
}
