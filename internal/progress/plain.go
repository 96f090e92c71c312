package progress

import (
	"fmt"
	"time"
)

// oldAge is the age from which on Plain names the oldest job: it may be stuck.
const oldAge = time.Minute

// oldWidth bounds its command there.
const oldWidth = 100

// Plain is the state of a run in one line for a log: no control characters and no
// colours, as long as it gets.
func (v View) Plain(s State) string {
	v.Color = false
	list := v.parts(s, true)
	if p := s.percent(); p >= 0 {
		list[0].text += fmt.Sprintf(" (%d%%)", p)
	}
	line, _ := v.join(list, -1)
	if len(s.Jobs) == 0 {
		return line
	}
	oldest := s.Jobs[0]
	if ran := s.Now.Sub(oldest.Since); ran >= oldAge {
		line += fmt.Sprintf("; the oldest is job %d, since %s: %s", oldest.Seq, age(ran), v.command(oldest.Command, oldWidth))
	}
	return line
}

// Pace decides when a line of Plain is due: after 1, 5, 10, 30 and 60 seconds, then
// every minute, after an hour every ten, and whenever another tenth of the jobs has
// ended, but never twice within a second. Its zero value is ready.
type Pace struct {
	last  time.Duration // since the begin, when a line was last due
	tenth int64
}

// Due says whether a line is due, and takes it as written.
func (p *Pace) Due(s State) bool {
	now := s.Now.Sub(s.Begin)
	if now < p.last+time.Second {
		return false
	}
	tenth := max(s.percent()/10, 0)
	if tenth <= p.tenth && now < dueAfter(p.last) {
		return false
	}
	p.last, p.tenth = now, max(tenth, p.tenth)
	return true
}

// dueAfter is the first time after last at which a line is due by the clock.
func dueAfter(last time.Duration) time.Duration {
	for _, at := range []time.Duration{time.Second, 5 * time.Second, 10 * time.Second, 30 * time.Second} {
		if last < at {
			return at
		}
	}
	every := time.Minute
	if last >= time.Hour {
		every = 10 * time.Minute
	}
	return last - last%every + every
}
