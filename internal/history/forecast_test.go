package history

import (
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
)

// alike is tasks of given times, over and over.
func alike(n int, seconds ...float64) (all []timed) {
	for range n {
		for _, s := range seconds {
			all = append(all, timed{Task{}, s})
		}
	}
	return all
}

// Without history what has ended says what is to come.
func TestForecastOfTheFirstRun(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		tasks  []timed
		slots  int
		delay  float64
		within float64 // of the truth
		marks  []int
	}{
		{"one slot, all alike", alike(100, 1), 1, 0, 0.05, []int{20, 50, 99}},
		{"eight slots, all alike", alike(100, 1), 8, 0, 0.2, []int{8, 20, 50, 90}},
		{"64 slots, the first has just ended", alike(640, 1), 64, 0, 0.15, []int{64, 65, 300}},
		{"mixed", alike(50, 1, 3, 2), 4, 0, 0.25, []int{20, 40, 75, 120}},
		{"first from a cache, then slow", slices.Concat(alike(300, 0.001), alike(300, 5)), 4, 0, 0.25, []int{500, 550}},
		{"held back by --delay", alike(100, 0.1), 8, 1, 0.15, []int{20, 30, 90}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, said := run{slots: c.slots, delay: c.delay, marks: c.marks}.play(new(Model), c.tasks)
			for i, s := range said {
				t.Logf("after %d: said %.4g ± %.2g, was %.4g", c.marks[i], s.Seconds, s.Within, s.took)
				if !s.Known || math.Abs(s.Seconds-s.took) > c.within*s.took {
					t.Errorf("after %d tasks: said %.4g ± %.2g, was %.4g", c.marks[i], s.Seconds, s.Within, s.took)
				}
			}
		})
	}
}

func TestForecastUnknown(t *testing.T) {
	t.Parallel()
	r := func() *rand.Rand { return rand.New(rand.NewPCG(1, 1)) }
	var m Model
	s := Scene{Slots: 2, More: 10}
	if f := m.Forecast(s, r()); f.Known {
		t.Errorf("before the first end: %+v", f)
	}
	if f := m.Forecast(Scene{Slots: 2}, r()); !f.Known || f.Seconds != 0 {
		t.Errorf("nothing is left: %+v", f)
	}
	for range 100 {
		m.Ended(Task{}, 1, true)
	}
	f := m.Forecast(s, r())
	near(t, "ten of a second each on two slots", f.Seconds, 5, 0.02)
	last := Scene{Slots: 2, Running: []Running{{Age: 1.5}}}
	if f := m.Forecast(last, r()); !f.Known || f.Seconds > 0.01 {
		t.Errorf("the last one is a little late: %+v", f)
	}
	last.Running[0].Age = 3
	if f := m.Forecast(last, r()); f.Known {
		t.Errorf("the last one has outlived all: %+v", f)
	}
}

// Of many tasks most are not looked at one by one.
func TestForecastOfMany(t *testing.T) {
	t.Parallel()
	for o, alpha := range map[Order]float64{Longest: 1.5, Input: 3} { // one that is long and late is not seen from afar
		past := pareto(5, 5000, alpha)
		m := learn(past)
		for _, again := range noisy(7, past, 0.1) {
			m.Ended(again.Task, again.seconds, false)
		}
		_, said := run{slots: 16, order: o, marks: []int{0, 1000, 3000}}.play(m, noisy(6, past, 0.1))
		for _, s := range said {
			if off := math.Abs(s.Seconds - s.took); off > max(2*s.Within, 0.1*s.took) {
				t.Errorf("%s: said %.4g ± %.2g, was %.4g", o, s.Seconds, s.Within, s.took)
			}
		}
	}
}

// honesty counts how often the truth lay within the error, and within twice the error.
type honesty struct{ asked, once, twice int }

func (h *honesty) add(said []asked) {
	for _, s := range said {
		off := math.Abs(s.took - s.Seconds)
		h.asked++
		if off <= s.Within {
			h.once++
		}
		if off <= 2*s.Within {
			h.twice++
		}
	}
}

func (h *honesty) atLeast(t *testing.T, what string, once, twice float64) {
	t.Helper()
	a, b := float64(h.once)/float64(h.asked), float64(h.twice)/float64(h.asked)
	t.Logf("%s: of %d forecasts %.2f were within their error, %.2f within twice that", what, h.asked, a, b)
	if a < once || b < twice {
		t.Errorf("%s: %.2f within the error, want %g; %.2f within twice that, want %g", what, a, once, b, twice)
	}
}

// What is said of the error holds: on heavy-tailed tasks that vary from run to run, when
// earlier runs are known, and when none is.
func TestTheErrorIsHonest(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name        string
		known       bool
		alpha       float64
		slower      float64 // than before
		once, twice float64
	}{
		{"known", true, 1.3, 1, 0.55, 0.85},
		{"known, lighter", true, 2.5, 1, 0.6, 0.9},
		{"known, on a slower day", true, 2.5, 1.2, 0.55, 0.85},
		{"unknown, lighter", false, 2.5, 1, 0.45, 0.75},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var h honesty
			for seed := range uint64(20) {
				past := pareto(seed, 300, c.alpha)
				m := new(Model)
				if c.known {
					m = learn(past)
				}
				tasks := noisy(seed, past, 0.15)
				for i := range tasks {
					tasks[i].seconds *= c.slower
				}
				_, said := run{slots: 8, order: Longest, marks: []int{20, 50, 100, 200, 280}}.play(m, tasks)
				h.add(said)
			}
			h.atLeast(t, c.name, c.once, c.twice)
		})
	}
}

// The time that a run takes comes close to the least that is possible, once the tasks
// are known; in the order of the inputs it does not.
func TestMakespan(t *testing.T) {
	t.Parallel()
	const seeds = 20
	var known, unknown float64
	for seed := range uint64(seeds) {
		past := pareto(seed, 200, 1.2)
		tasks := noisy(seed, past, 0.1)
		least := bound(tasks, 8)
		first, _ := run{slots: 8, order: Input}.play(new(Model), tasks)
		second, _ := run{slots: 8, order: Longest}.play(learn(past), tasks)
		unknown, known = unknown+first/least/seeds, known+second/least/seeds
		if second > 1.05*least {
			t.Errorf("seed %d: %.3f of the least", seed, second/least)
		}
	}
	t.Logf("of the least time: %.3f in the order of the inputs, %.3f the longest first", unknown, known)
	if unknown < 1.1 {
		t.Errorf("%.3f in the order of the inputs: these tasks show nothing", unknown)
	}
}

// On a recorded workload the past says less of the future, and its times range from
// seconds to a day: a weak hint is used for what it is worth, and the error says so.
func TestRecordedWorkload(t *testing.T) {
	t.Parallel()
	all := trace(t)
	ratios := map[Order]float64{}
	var h honesty
	n := 0.0
	for from := 2000; from+600 <= len(all); from += 700 {
		tasks := slices.Clone(all[from : from+600])
		n++
		for _, o := range []Order{Input, Random, Longest} {
			took, said := run{slots: 8, order: o, marks: []int{0, 60, 150, 300, 450}}.play(learn(all[:from]), tasks)
			ratios[o] += took / bound(tasks, 8)
			h.add(said)
		}
		// The same once more, as people run them: its times are known but for their noise.
		again := noisy(uint64(from), tasks, 0.1)
		for i := range tasks {
			again[i].Key = key(strconv.Itoa(i))
			tasks[i].Key = again[i].Key
		}
		took, _ := run{slots: 8, order: Longest}.play(learn(tasks), again)
		if least := bound(again, 8); took > 1.05*least {
			t.Errorf("tasks %d and up once more: %.3f of the least time", from, took/least)
		}
	}
	for o, sum := range ratios {
		t.Logf("%s: %.3f of the least time", o, sum/n)
	}
	if ratios[Longest] >= ratios[Random] {
		t.Errorf("the longest first: %.3f of the least time, %.3f in a random order", ratios[Longest]/n, ratios[Random]/n)
	}
	h.atLeast(t, "recorded", 0.45, 0.7)
}
