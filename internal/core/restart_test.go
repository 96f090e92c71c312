package core

import (
	"math/rand/v2"
	"testing"
)

func TestBackoff(t *testing.T) {
	t.Parallel()
	rnd := testRand()
	full := []Span{0, 0, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 5000, 5000}
	for n, ms := range full {
		for range 100 {
			got, most := backoff(n, rnd), ms*Millisecond
			if got > most || got < most/2 {
				t.Errorf("restart %d: waits %d ns, want %d to %d", n, got, most/2, most)
			}
		}
	}
	if got := backoff(1<<30, rnd); got < maxBackoff/2 || got > maxBackoff {
		t.Errorf("restart 2^30: waits %d ns", got)
	}
}

func TestRestartIntensity(t *testing.T) {
	t.Parallel()
	type died struct {
		at   Time
		kind DeathKind
		over bool
	}
	s := Time(Second)
	for _, c := range []struct {
		name   string
		max    int
		deaths []died
	}{
		{"none is borne", 0, []died{{0, OwnDeath, true}}},
		{"as many as may be", 3, []died{{0, OwnDeath, false}, {s, OwnDeath, false}, {2 * s, OwnDeath, false}}},
		{"one more", 2, []died{{0, OwnDeath, false}, {s, OwnDeath, false}, {9 * s, OwnDeath, true}}},
		{"the oldest is forgotten", 2, []died{{0, OwnDeath, false}, {s, OwnDeath, false}, {10 * s, OwnDeath, false}, {10*s + 1, OwnDeath, true}}},
		{"starts weigh more", startWeight, []died{{0, StartDeath, false}, {s, OwnDeath, true}}},
		{"a start is too much", startWeight, []died{{0, OwnDeath, false}, {s, StartDeath, true}}},
		{"others' faults", 1, []died{{0, TaskDeath, false}, {0, AskedDeath, false}, {0, TaskDeath, false}, {0, OwnDeath, false}, {1, AskedDeath, false}, {2, OwnDeath, true}}},
	} {
		r := NewRestarts(NewDeaths(Intensity{Max: c.max, Period: 10 * Second}))
		for i, d := range c.deaths {
			delay, over := r.Died(d.at, d.kind, testRand())
			if over != d.over {
				t.Errorf("%s: death %d: gives up: %v, want %v", c.name, i, over, d.over)
			}
			if (over || d.kind == TaskDeath || d.kind == AskedDeath) && delay != 0 {
				t.Errorf("%s: death %d: waits %d ns", c.name, i, delay)
			}
		}
	}
}

// TestRestartsShareIntensity: the bound is the pool's, the back-off the slot's.
func TestRestartsShareIntensity(t *testing.T) {
	t.Parallel()
	deaths := NewDeaths(Intensity{Max: 3, Period: Minute})
	slots := []*Restarts{NewRestarts(deaths), NewRestarts(deaths), NewRestarts(deaths), NewRestarts(deaths)}
	for i, r := range slots {
		delay, over := r.Died(Time(i), OwnDeath, testRand())
		if delay != 0 || over != (i == 3) {
			t.Errorf("slot %d: waits %d ns, gives up: %v", i, delay, over)
		}
	}
}

// TestRestartsFindStorms: a worker that dies as soon as it lives ends the pool
// under the default intensity, however large the back-off grows; one that dies
// now and then does not.
func TestRestartsFindStorms(t *testing.T) {
	t.Parallel()
	for _, workers := range []int{0, 1, 3, 64} {
		for _, kind := range []DeathKind{OwnDeath, StartDeath} {
			if n, over := restartsUntil(workers, kind, 0, 100*workers+100); !over || n > 8*max(workers, 1) {
				t.Errorf("%d workers, kind %d: %d deaths, gave up: %v", workers, kind, n, over)
			}
		}
	}
	if n, over := restartsUntil(1, OwnDeath, settled, 1000); over {
		t.Errorf("a worker that settles between its deaths ends the pool after %d", n)
	}
}

// restartsUntil lets every slot die, lived after it attached, again and again.
func restartsUntil(workers int, kind DeathKind, lived Span, most int) (deaths int, over bool) {
	rnd := rand.New(rand.NewPCG(3, 4))
	pool := NewDeaths(DefaultIntensity(workers))
	slots := make([]*Restarts, max(workers, 1))
	dies := make([]Time, len(slots)) // when each dies next
	for i := range slots {
		slots[i] = NewRestarts(pool)
	}
	for deaths < most {
		i := 0
		for j := range dies {
			if dies[j] < dies[i] {
				i = j
			}
		}
		now := dies[i]
		delay, over := slots[i].Died(now, kind, rnd)
		if over {
			return deaths, true
		}
		deaths++
		if kind != StartDeath {
			slots[i].Attached(now.after(delay))
		}
		dies[i] = now.after(delay + lived)
	}
	return deaths, false
}
