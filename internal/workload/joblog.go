package workload

import (
	"bytes"
	"fmt"
	"io"
	"time"

	"github.com/tutti-run/tutti/internal/journal"
	"github.com/tutti-run/tutti/sim"
)

// ReadJobLog reads a job log, with GNU parallel's columns: a command a line, of which
// only counts how long it ran and whether it failed. All are there at the start, in the order of the log, as
// the inputs of a run are. Broken lines are an error, or with skipBad are counted.
func ReadJobLog(in io.Reader, name string, skipBad bool) (*Workload, error) {
	w := &Workload{Name: name, Commands: true}
	first := true
	err := lines(in, skipBad, &w.Bad, func(line []byte) error {
		if first {
			if first = false; !IsJobLog(line) {
				return journal.ErrNotJobLog
			}
			return nil
		}
		e, err := journal.ParseEntry(line)
		if err != nil {
			return &badLine{err}
		}
		length, err := span(e.Runtime.Seconds())
		if err != nil {
			return &badLine{err}
		}
		return w.add(Job{Length: length, Expected: length, CPUs: 1, Failed: !e.OK()})
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return w, nil
}

// IsJobLog reports whether a file that begins so is a job log.
func IsJobLog(begin []byte) bool { return bytes.HasPrefix(begin, []byte("Seq\tHost\tStarttime\t")) }

// FromRun makes a workload of a recorded run, of whose jobs it is told in the order in
// which they ended.
func FromRun(name string, jobs []journal.Job) *Workload {
	w := &Workload{Name: name, Commands: true}
	for i := range jobs {
		// The clock may have been set back while a job ran.
		length := sim.Span(min(max(jobs[i].Runtime, 0), time.Duration(LengthMax)))
		w.Jobs = append(w.Jobs, Job{Length: length, Expected: length, CPUs: 1, Failed: !jobs[i].OK() || jobs[i].How != ""})
	}
	return w
}
