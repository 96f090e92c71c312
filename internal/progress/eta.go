package progress

import (
	"fmt"
	"strings"
	"time"
)

// Estimate is what is known of the time that a run will still take. Its zero value
// is that nothing is known.
type Estimate struct {
	Left   time.Duration
	Within time.Duration // more or less, two times out of three
	Known  bool
}

// String says an estimate no more exactly than it is known: "3m20s ± 25 s". Where the
// error is nearly as large as the time, or less than a second, it is "about 3 min".
func (e Estimate) String() string {
	if !e.Known {
		return "unknown"
	}
	if e.Within < time.Second || e.Within > e.Left*3/4 {
		return about(e.Left)
	}
	unit := time.Second
	for _, u := range []time.Duration{5 * time.Second, time.Minute, 10 * time.Minute, time.Hour} {
		if e.Within >= 4*u {
			unit = u
		}
	}
	return fmt.Sprintf("%s ± %s", spell(e.Left.Round(unit)), spell(e.Within.Round(unit)))
}

// spell writes a time of whole seconds, without what is 0 at its end: "25 s", "3m20s",
// "2h10m".
func spell(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("%d s", d/time.Second)
	}
	text := strings.TrimSuffix(d.String(), "m0s")
	switch {
	case len(text) == len(d.String()):
		return text
	case d%time.Hour == 0:
		return strings.TrimSuffix(text, "h0") + "h"
	}
	return text + "m"
}

// about is a time as people say it who do not know it well.
func about(d time.Duration) string {
	switch {
	case d <= 10*time.Second:
		return fmt.Sprintf("about %d s", max(ceil(d, time.Second), 1))
	case d <= 55*time.Second:
		return fmt.Sprintf("about %d s", 5*ceil(d, 5*time.Second))
	case d < 99*time.Minute+30*time.Second:
		return fmt.Sprintf("about %d min", max(d.Round(time.Minute)/time.Minute, 1))
	case d < 36*time.Hour:
		d = d.Round(10 * time.Minute)
		return fmt.Sprintf("about %d h %02d min", d/time.Hour, d%time.Hour/time.Minute)
	}
	d = d.Round(time.Hour)
	return fmt.Sprintf("about %d d %d h", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
}

func ceil(d, unit time.Duration) int64 { return int64((d + unit - 1) / unit) }
