package ipc

import (
	"runtime"
	"sync/atomic"
	"testing"
)

//go:noinline
func locksHere() (pc uint64, want uintptr) {
	_, pc, _ = here()
	var pcs [1]uintptr
	runtime.Callers(2, pcs[:])
	return pc, pcs[0]
}

// here names the line that called its caller, as runtime.Callers does.
func TestHere(t *testing.T) {
	pc, want := locksHere()
	if got, line := lineOf(pc), lineOf(uint64(want)); got != line {
		t.Errorf("called at %s, not at %s", line, got)
	}
}

//go:noinline
func locksHereSlowly() (agent, pc uint64, want uintptr) {
	agent, pc, _ = hereSlowly()
	var pcs [1]uintptr
	runtime.Callers(2, pcs[:])
	return agent, pc, pcs[0]
}

// Where the runtime keeps the number is found; where it were not, it is known all the
// same.
func TestNumberOfAGoroutine(t *testing.T) {
	t.Parallel()
	if self(); atomic.LoadUintptr(&numberAt) == 0 {
		t.Error("it was not found in the descriptor")
	}
	agent, pc, want := locksHereSlowly()
	if got, line := lineOf(pc), lineOf(uint64(want)); got != line || agent != printedNumber() {
		t.Errorf("goroutine %d at %s, want %d at %s", agent, got, printedNumber(), line)
	}
	always := func(n uint64) func(uintptr) uint64 { return func(uintptr) uint64 { return n } }
	if at := findNumber(always(0)); at != 0 {
		t.Errorf("found at %d where it is not", at)
	}
	if at := findNumber(func(uintptr) uint64 { return printedNumber() }); at != 0 {
		t.Errorf("found at %d where it is everywhere", at)
	}
}

// No goroutine passes for an earlier one, though it may get its descriptor.
func TestGoroutinesAreToldApart(t *testing.T) {
	t.Parallel()
	known := map[uint64]bool{}
	for range 100 {
		agent := make(chan uint64)
		go func() { agent <- self() }()
		me := <-agent
		if known[me] {
			t.Fatalf("goroutine %d was there before", me)
		}
		known[me] = true
	}
}
