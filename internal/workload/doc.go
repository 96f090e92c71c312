// Package workload is work to come, for the simulator: read from a job log or from a
// trace in the Standard Workload Format, or drawn from distributions.
//
// A broken line is an error with its number, or is counted and passed over if the
// reader is asked to. All functions are safe for concurrent use.
package workload

import (
	"fmt"
	"math"

	"github.com/tutti-run/tutti/sim"
)

// Job is one unit of a workload.
type Job struct {
	At       sim.Time // when it is submitted; a workload begins at 0
	Length   sim.Span // how long it ran, on one CPU or on each of several
	Expected sim.Span // what its submitter believed; 0 unknown
	CPUs     int      // that it used at once, 1 or more
	Memory   int64    // bytes on each CPU; 0 unknown
	Failed   bool     // it did, and will
}

// Workload is jobs by their time of submission.
type Workload struct {
	Name     string
	Jobs     []Job
	Commands bool // each job is the start of a process
	Bad      int  // broken lines that were passed over
	NoLength int  // jobs of which nobody knows how long they ran, and which are left out
	Notes    []string

	tasks int
}

// Limits of a workload.
const (
	// JobsMax bounds the jobs, and so the memory that they take: 48 bytes each.
	JobsMax = 50_000_000
	// TasksMax bounds the tasks: a job is as many as it used CPUs.
	TasksMax = 200_000_000
	// CPUsMax bounds the CPUs that a job used.
	CPUsMax = 1 << 20
	// LengthMax bounds all times: 18 years.
	LengthMax = sim.Span(1) << 59
	// lineMax bounds a line.
	lineMax = 16 << 20
)

// add adds a job, or says why it cannot.
func (w *Workload) add(j Job) error {
	if len(w.Jobs) == JobsMax {
		return fmt.Errorf("there are more than %d jobs: take a part of them", JobsMax)
	}
	if w.tasks += j.CPUs; w.tasks > TasksMax {
		return fmt.Errorf("the jobs used more than %d CPUs in all: take a part of them", TasksMax)
	}
	w.Jobs = append(w.Jobs, j)
	return nil
}

// span is a number of seconds in ns; it fails where that is no time.
func span(seconds float64) (sim.Span, error) {
	switch ns := math.Round(seconds * 1e9); {
	case !(seconds >= 0):
		return 0, fmt.Errorf("a time of %v s: times are 0 or more", seconds)
	case ns > float64(LengthMax):
		return 0, fmt.Errorf("a time of %v s: at most %d days are possible", seconds, LengthMax/(24*sim.Hour))
	default:
		return sim.Span(ns), nil
	}
}
