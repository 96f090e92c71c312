package history

import "github.com/montanaflynn/stats"

// Score holds guesses against what came. Its zero value is ready.
type Score struct {
	off           []float64
	guessed, took float64
}

// Add notes a task that was guessed to take so many seconds, and took others.
func (s *Score) Add(guessed, took float64) {
	took = max(took, shortest)
	s.guessed += guessed
	s.took += took
	s.off = append(s.off, max(guessed/took, took/max(guessed, shortest))-1)
}

// Report is how good guesses were.
type Report struct {
	Tasks  int     `json:"tasks"`
	Median float64 `json:"median_error"` // half of the guesses were off by at most this share, too long or too short
	Most   float64 `json:"p90_error"`    // nine of ten were
	Total  float64 `json:"total_ratio"`  // the sum of the guesses, and that of the times
}

// Report returns how good the guesses were; false where there were none.
func (s *Score) Report() (Report, bool) {
	if len(s.off) == 0 {
		return Report{}, false
	}
	median, _ := stats.Median(s.off) // of some there is one
	most, _ := stats.Percentile(s.off, 90)
	return Report{len(s.off), median, most, s.guessed / s.took}, true
}
