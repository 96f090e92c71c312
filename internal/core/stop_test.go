package core

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestStopTableIsFull(t *testing.T) {
	t.Parallel()
	for s := range numStopStates {
		for e := range numStopEvents {
			// A set cell holds and stays, or moves on: stages never go back.
			if c := stops[s][e]; c.hold != (c.next == s) || c.next < s || c.hold && c.act != 0 {
				t.Errorf("%v × %v is not set, or goes back: %+v", s, e, c)
			}
			if c := stops[s][e]; (c.act == StopDone) != (c.next == Ended && s != Ended) {
				t.Errorf("%v × %v: done is said when it ends, and only then", s, e)
			}
		}
	}
}

func TestStopTraces(t *testing.T) {
	t.Parallel()
	checkTraces(t, "stop", func() func(string) string {
		s := Stop{Limits: StopLimits{Grace: 2 * Second, QuitGrace: Second}}
		return func(command string) string {
			words := strings.Fields(command)
			if words[0] == "impatient" {
				s.Limits = StopLimits{}
				return "-"
			}
			at, err := time.ParseDuration(words[0])
			if err != nil {
				t.Fatal(err)
			}
			ev := numStopEvents
			for k := range numStopEvents {
				if k.String() == words[1] {
					ev = k
				}
			}
			if ev == numStopEvents {
				t.Fatalf("no event %q", words[1])
			}
			var out []string
			for _, a := range s.Step(Time(at), ev, nil) {
				word := a.Kind.String()
				if a.Kind == ArmStopTimer {
					word += fmt.Sprintf(" at %v", time.Duration(a.At))
				}
				out = append(out, word)
			}
			blame := ""
			if s.Signalled() {
				blame = " (signalled)"
			}
			return strings.TrimSpace(fmt.Sprintf("%v%s: %s", s.State(), blame, strings.Join(out, ", ")))
		}
	})
}

// TestStopEnds: whatever comes between, timers alone bring it to SIGKILL, and
// the end is said once.
func TestStopEnds(t *testing.T) {
	t.Parallel()
	const depth = 7
	var walk func(s Stop, now Time, done int, depth int)
	walk = func(s Stop, now Time, done, depth int) {
		if depth == 0 {
			return
		}
		for ev := range numStopEvents {
			s2, at, done2 := s, now+1, done
			if ev == StopTimer && s.timer.armed {
				at = s.timer.at
			}
			for _, a := range s2.Step(at, ev, nil) {
				if a.Kind == StopDone {
					done2++
				}
			}
			if want := s2.state == Ended; want != (done2 == 1) {
				t.Fatalf("%v after %v: done said %d times", s2.state, ev, done2)
			}
			if waits := s2.state == Cancelled || s2.state == Quitting; waits != s2.timer.armed {
				t.Fatalf("%v after %v: timer armed: %v", s2.state, ev, s2.timer.armed)
			}
			walk(s2, at, done2, depth-1)
		}
	}
	walk(Stop{Limits: DefaultStopLimits}, 0, 0, depth)
}
