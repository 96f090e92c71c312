package whatif

import (
	"github.com/tutti-run/tutti/sim"
)

// What a processor does in a Span.
const (
	Worked = iota // a task of its own queue or the master's
	Stole         // a task that it had taken from another worker
	Died          // an attempt in which it died
	Failed        // an attempt that came to its end in vain
	Killed        // an attempt that ended with the run
)

// Span is a time in which a processor did one thing, in seconds.
type Span struct {
	From, To float64
	Kind     int
}

// Gantt tells what each of the first rows workers did in a run that took makespan
// seconds, by making it again. What lies nearer together than a picture of so many
// points could show is joined, so that a row is no longer than that.
func (s *Study) Gantt(policy string, cpus, rows, points int, makespan float64) ([][]Span, error) {
	c, err := s.config(policy, cpus)
	if err != nil {
		return nil, err
	}
	of := make([][]Span, min(rows, cpus))
	near := makespan / float64(points)
	c.Ended = func(a sim.Attempt) {
		if row := int(a.Worker) - 1; row < len(of) {
			kind := Worked
			switch {
			case a.Died:
				kind = Died
			case a.Killed:
				kind = Killed
			case a.Failed:
				kind = Failed
			case a.Stolen:
				kind = Stole
			}
			of[row] = joined(of[row], Span{float64(a.Began) / second, float64(a.Ended) / second, kind}, near)
		}
	}
	_, err = sim.Run(c, s.tasks())
	return of, err
}

// joined adds a span to those of a row. It becomes part of the last one if it lies
// nearer than near to it and could not be told from it: it is shorter than near, unless
// it is a death or killed, or it is of the same kind and one of the two is short.
func joined(row []Span, s Span, near float64) []Span {
	const short = 8 // times near
	if n := len(row); n > 0 && s.From-row[n-1].To < near {
		last := &row[n-1]
		long, longLast := s.To-s.From, last.To-last.From
		if s.Kind == last.Kind && min(long, longLast) < short*near || long < near && s.Kind != Died && s.Kind != Killed {
			last.To = s.To
			return row
		}
	}
	return append(row, s)
}
