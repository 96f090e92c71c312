//go:build !linux

package cli

import (
	"os"

	"github.com/tutti-run/tutti"
)

// runPlan says that commands are run on Linux only.
func runPlan(*plan) error { return tutti.ErrUnsupported }

// runTune says so of what is measured.
func runTune(*plan, *tuning) error { return tutti.ErrUnsupported }

// runTasks says so of tasks.
func runTasks(*plan) error { return tutti.ErrUnsupported }

func isTerminal(*os.File) bool { return false }
