package cli

import "time"

// pacer decides when the master may nap. Commands that take a millisecond end two
// thousand times a second, and to be woken for each costs the master a tenth of
// what the command takes. While workers have commands at hand it may as well look
// at several ends at once.
type pacer struct {
	able    bool          // workers have commands at hand
	mean    time.Duration // of the run times, the last ones counting most
	waiting time.Time     // since when the next end is waited for
}

const (
	// napTime is much less than what is at hand lasts, and nobody sees that output
	// is late by it.
	napTime = 3 * time.Millisecond
	// shortRun bounds the run times of commands that are too many to look at one by
	// one.
	shortRun = 4 * time.Millisecond
	// wokenAfter tells who was woken from who found an end that had come already.
	wokenAfter = 20 * time.Microsecond
)

// waits notes that the next end is waited for from now on.
func (p *pacer) waits(now time.Time) { p.waiting = now }

// ended notes the end of a command that ran for so long, and says for how long to
// nap when it has been looked after.
func (p *pacer) ended(now time.Time, ran time.Duration) time.Duration {
	p.mean += (ran - p.mean) / 8
	if p.waiting.IsZero() {
		p.mean = ran
	}
	if !p.able || p.mean > shortRun || p.waiting.IsZero() || now.Sub(p.waiting) < wokenAfter {
		return 0
	}
	return napTime
}
