package core

import "testing"

func TestTrickle(t *testing.T) {
	t.Parallel()
	var tr Trickle
	next := func(times int, alone, want bool) {
		t.Helper()
		for i := range times {
			last := i == times-1
			if got := tr.Next(alone); got != want && last || got && !want {
				t.Errorf("input %d of %d, alone %v: %v", i+1, times, alone, got)
			}
		}
	}
	next(trickleRow-1, true, false)
	next(1, false, false) // begins again
	next(trickleRow-1, true, false)
	next(1000, true, true)
	next(2, false, false)
	next(trickleRow, true, true)
	tr.Pause()
	next(trickleRow-1, true, false)
	next(1, true, true)
}
