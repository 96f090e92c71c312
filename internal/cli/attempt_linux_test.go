package cli

import (
	"testing"
	"time"
)

// TestAttemptClock holds a command twice: its time limit and its run time stand still
// meanwhile.
func TestAttemptClock(t *testing.T) {
	t.Parallel()
	begin := time.Now()
	at := func(minutes int) time.Time { return begin.Add(time.Duration(minutes) * time.Minute) }
	a := &attempt{since: begin, left: time.Hour, alarm: time.NewTimer(time.Hour)}
	a.hold(at(10))
	a.hold(at(12)) // it is
	a.goOn(at(30), false)
	a.goOn(at(31), false)
	a.hold(at(35))
	if a.left != 45*time.Minute || a.stopped != 20*time.Minute || !a.held {
		t.Errorf("%v are left after 15 minutes of an hour; it was held for %v, held now: %v", a.left, a.stopped, a.held)
	}
	if a.alarm.Stop() {
		t.Error("the limit passes while the command is held")
	}
	a.goOn(at(36), true)
	if !a.alarm.Stop() {
		t.Error("nobody watches the limit any more")
	}
}
