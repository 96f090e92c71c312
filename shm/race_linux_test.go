package shm

import (
	"sync/atomic"
	"testing"
	"unsafe"
)

// TestRaceAnnotations passes a variable from one goroutine to another by a word
// in mapped memory, seen at two addresses. With -race it fails if the detector
// is not told of the ordering.
func TestRaceAnnotations(t *testing.T) {
	t.Parallel()
	seg := newSegment(t, 4096, 4096)
	from := (*uint32)(unsafe.Add(seg.Base(), 128))
	to := (*uint32)(unsafe.Add(attachCopy(t, seg).Base(), 128))
	passed := 0
	go func() {
		passed = 42
		Release(unsafe.Pointer(from))
		atomic.StoreUint32(from, 1)
		Wake(from, 1)
	}()
	for atomic.LoadUint32(to) == 0 {
		Wait(to, 0, 0)
	}
	Acquire(unsafe.Pointer(to))
	if passed != 42 {
		t.Errorf("passed %d", passed)
	}
}
