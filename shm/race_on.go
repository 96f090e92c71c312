//go:build race

package shm

import (
	"runtime"
	"unsafe"
)

// shadow stands, on the heap where the race detector sees it, for the words of
// mapped memory, where it does not. Cells are found by the offset in the page,
// which is the same wherever a segment is mapped. Two words that meet in a cell
// only make the detector see an ordering too many.
var shadow [512]uint64

func shadowOf(p unsafe.Pointer) unsafe.Pointer {
	return unsafe.Pointer(&shadow[uintptr(p)>>3%uintptr(len(shadow))])
}

// Acquire tells the race detector that what came before a [Release] of the
// same shared word happened before now. Call it after the atomic load that saw
// the other's store. Without -race it is nothing.
func Acquire(p unsafe.Pointer) { runtime.RaceAcquire(shadowOf(p)) }

// Release tells the race detector that what this goroutine did is visible to
// whoever calls [Acquire] on the same shared word later. Call it before the
// atomic store. Without -race it is nothing.
func Release(p unsafe.Pointer) { runtime.RaceReleaseMerge(shadowOf(p)) }
