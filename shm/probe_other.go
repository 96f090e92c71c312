//go:build !linux

package shm

// Probe returns [ErrUnsupported] on this system.
func Probe() error { return ErrUnsupported }
