//go:build !linux

package cli

import (
	"context"
	"os"

	"github.com/tutti-run/tutti"
	"github.com/tutti-run/tutti/internal/whatif"
	"github.com/tutti-run/tutti/topo"
)

// runPlan says that commands are run on Linux only.
func runPlan(*plan) error { return tutti.ErrUnsupported }

// runTune says so of what is measured.
func runTune(*plan, *tuning) error { return tutti.ErrUnsupported }

// measureCosts says so of what a simulation's steps cost.
func measureCosts(context.Context, *topo.Machine) (c whatif.Costs, notes []string, err error) {
	return c, nil, tutti.ErrUnsupported
}

// runTasks says so of tasks.
func runTasks(*plan) error { return tutti.ErrUnsupported }

func isTerminal(*os.File) bool { return false }

// headStart is what a map begins before its command line is read: here nothing.
type headStart struct{}

func beginEarly([]string) *headStart { return nil }

func (h *headStart) close() {}
