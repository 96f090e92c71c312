//go:build !linux

package shm

// HoldLifeline returns [ErrUnsupported] on this system.
func HoldLifeline(word *uint32) error { return ErrUnsupported }

// DropLifeline does nothing on this system.
func DropLifeline(word *uint32) {}
