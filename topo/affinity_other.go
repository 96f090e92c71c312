//go:build !linux

package topo

import (
	"errors"
	"fmt"
	"runtime"
)

// Affinity is known on Linux only; elsewhere the error wraps errors.ErrUnsupported.
func Affinity() ([]int, error) {
	return nil, fmt.Errorf("read the CPU affinity on %s: %w; use runtime.NumCPU", runtime.GOOS, errors.ErrUnsupported)
}

// PinProcess works on Linux only; elsewhere the error wraps errors.ErrUnsupported.
func PinProcess(cpus ...int) error {
	return fmt.Errorf("pin the process on %s: %w; run without pinning, or on Linux", runtime.GOOS, errors.ErrUnsupported)
}

// PinOther works on Linux only; elsewhere the error wraps errors.ErrUnsupported.
func PinOther(pid int, cpus ...int) error { return PinProcess(cpus...) }

// AffinityOf is known on Linux only; elsewhere the error wraps errors.ErrUnsupported.
func AffinityOf(pid int) ([]int, error) { return Affinity() }

func addressSpace() int64 { return 0 }
