//go:build !linux

package topo

import (
	"errors"
	"runtime"
	"testing"
)

func TestElsewhere(t *testing.T) {
	t.Parallel()
	if err := PinProcess(0); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("PinProcess: %v", err)
	}
	if m, err := Detect(); err != nil || len(m.CPUs) != runtime.NumCPU() {
		t.Errorf("Detect: %v, %v, want %d CPUs", m, err, runtime.NumCPU())
	}
}
