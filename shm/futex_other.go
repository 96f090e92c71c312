//go:build !linux

package shm

import (
	"runtime"
	"time"
)

// Wait cannot sleep on this system: it yields and returns true, so that a
// caller that looks at the word again remains right.
func Wait(addr *uint32, val uint32, timeout time.Duration) bool {
	runtime.Gosched()
	return true
}

// Wake has nobody to wake on this system and returns 0.
func Wake(addr *uint32, n int) int { return 0 }

// WaitAny returns [ErrUnsupported] on this system.
func WaitAny(ws []WaitWord, timeout time.Duration) (int, error) { return 0, ErrUnsupported }
