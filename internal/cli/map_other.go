//go:build !linux

package cli

import (
	"github.com/tutti-run/tutti"
	"github.com/tutti-run/tutti/internal/command"
)

// runMap says that commands are run on Linux only.
func runMap(*mapFlags, *mapPlan, command.InputSpec, int) error {
	return &exitError{exitMapUsage, tutti.ErrUnsupported}
}
