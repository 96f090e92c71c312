package progress

import (
	"testing"
	"time"
)

// start is when the runs of the tests begin.
var start = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func TestEstimateString(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		left time.Duration
		want string
	}{
		{0, "about 1 s"},
		{8200 * time.Millisecond, "about 9 s"},
		{12 * time.Second, "about 15 s"},
		{55 * time.Second, "about 55 s"},
		{56 * time.Second, "about 1 min"},
		{185 * time.Second, "about 3 min"},
		{99 * time.Minute, "about 99 min"},
		{119 * time.Minute, "about 2 h 00 min"},
		{130 * time.Minute, "about 2 h 10 min"},
		{50 * time.Hour, "about 2 d 2 h"},
	} {
		if got := (Estimate{Left: c.left, Known: true}).String(); got != c.want {
			t.Errorf("%v: %q, want %q", c.left, got, c.want)
		}
	}
	for _, c := range []struct {
		left, within time.Duration
		want         string
	}{
		{200 * time.Second, 25 * time.Second, "3m20s ± 25 s"},
		{12400 * time.Millisecond, 1600 * time.Millisecond, "12 s ± 2 s"},
		{63 * time.Second, 20 * time.Second, "1m5s ± 20 s"},
		{2*time.Hour + 11*time.Minute, 8 * time.Minute, "2h11m ± 8m"},
		{2*time.Hour + 4*time.Minute, 50 * time.Minute, "2h ± 50m"},
		{50 * time.Hour, 5 * time.Hour, "50h ± 5h"},
		{200 * time.Second, 300 * time.Millisecond, "about 3 min"}, // it was better than said
		{200 * time.Second, 190 * time.Second, "about 3 min"},
	} {
		if got := (Estimate{c.left, c.within, true}).String(); got != c.want {
			t.Errorf("%v ± %v: %q, want %q", c.left, c.within, got, c.want)
		}
	}
	if got := (Estimate{}).String(); got != "unknown" {
		t.Errorf("nothing known: %q", got)
	}
}
