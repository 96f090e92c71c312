package ipc

import (
	"runtime"
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
