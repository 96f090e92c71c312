package cli

import (
	"testing"
	"time"
)

func TestPacer(t *testing.T) {
	t.Parallel()
	begin := time.Unix(0, 0)
	ms := func(n float64) time.Duration { return time.Duration(n * float64(time.Millisecond)) }
	for _, c := range []struct {
		name   string
		able   bool
		waited time.Duration
		ran    []time.Duration
		naps   bool
	}{
		{"short ones, woken", true, ms(0.5), []time.Duration{ms(1), ms(1), ms(1)}, true},
		{"short ones, found", true, ms(0.001), []time.Duration{ms(1), ms(1)}, false},
		{"nothing at hand", false, ms(0.5), []time.Duration{ms(1), ms(1)}, false},
		{"long ones", true, ms(0.5), []time.Duration{ms(100), ms(100)}, false},
		{"the first", true, ms(0.5), []time.Duration{ms(1)}, false},
		{"one long among short ones", true, ms(0.5), []time.Duration{ms(1), ms(1000), ms(1)}, false},
	} {
		p := pacer{able: c.able}
		now, nap := begin, time.Duration(0)
		for _, ran := range c.ran {
			now = now.Add(c.waited)
			nap = p.ended(now, ran)
			p.waits(now)
		}
		if (nap > 0) != c.naps {
			t.Errorf("%s: %v", c.name, nap)
		}
	}
}
