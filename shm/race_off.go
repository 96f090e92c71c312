//go:build !race

package shm

import "unsafe"

// Acquire tells the race detector that what came before a [Release] of the
// same shared word happened before now. Call it after the atomic load that saw
// the other's store. Without -race it is nothing.
func Acquire(p unsafe.Pointer) {}

// Release tells the race detector that what this goroutine did is visible to
// whoever calls [Acquire] on the same shared word later. Call it before the
// atomic store. Without -race it is nothing.
func Release(p unsafe.Pointer) {}
