package history

import (
	"bufio"
	"compress/gzip"
	"errors"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
)

// timed is a task with the time that it will take.
type timed struct {
	Task
	seconds float64
}

// asked is what a forecast said, and what came.
type asked struct {
	Forecast
	took float64
}

// run is a run in virtual time.
type run struct {
	slots int
	order Order
	delay float64 // between two starts
	marks []int   // so many tasks have ended: a forecast is asked for
}

// play runs tasks on slots in virtual time, as the shell around the model does, and
// returns how long that took and what the forecasts said.
func (c run) play(m *Model, tasks []timed) (makespan float64, said []asked) {
	w := NewWindow[timed](c.order, rand.New(rand.NewPCG(1, 2)))
	for _, t := range tasks {
		w.Push(t, t.Size, m.Guess(t.Task))
	}
	type flying struct {
		timed
		guess Guess
		begin float64
	}
	var out []flying
	now, open, worked := 0.0, 0.0, 0.0
	ended := 0
	marks := c.marks
	ask := func() {
		s := Scene{Slots: c.slots}
		busy := worked
		for _, f := range out {
			s.Running = append(s.Running, Running{f.guess, now - f.begin})
			busy += now - f.begin
		}
		s.First, s.Between, s.Last = w.Outlook()
		if ended >= 16 && now > 0 {
			s.Busy = busy / now
		}
		said = append(said, asked{m.Forecast(s, rand.New(rand.NewPCG(1, 1))), now})
	}
	for {
		for len(marks) > 0 && marks[0] <= ended {
			ask()
			marks = marks[1:]
		}
		for w.Len() > 0 && len(out) < c.slots && open <= now {
			t, g := w.First()
			w.Pop()
			out = append(out, flying{t, g, now})
			open = now + c.delay
		}
		if len(out) == 0 && w.Len() == 0 {
			break
		}
		first := -1
		for i, f := range out {
			if first < 0 || f.begin+f.seconds < out[first].begin+out[first].seconds {
				first = i
			}
		}
		if w.Len() > 0 && len(out) < c.slots && (first < 0 || open < out[first].begin+out[first].seconds) {
			now = open
			continue
		}
		f := out[first]
		out = append(out[:first], out[first+1:]...)
		now = f.begin + f.seconds
		worked += f.seconds
		ended++
		m.Ended(f.Task, f.seconds, true)
	}
	for i := range said {
		said[i].took = now - said[i].took
	}
	return now, said
}

// bound is the least that tasks can take on slots.
func bound(tasks []timed, slots int) float64 {
	longest, sum := 0.0, 0.0
	for _, t := range tasks {
		longest, sum = max(longest, t.seconds), sum+t.seconds
	}
	return max(longest, sum/float64(slots))
}

// trace reads the recorded jobs of a parallel machine, in the standard workload format.
// What a job is, is its user, its program and how many nodes it had.
func trace(t *testing.T) (all []timed) {
	t.Helper()
	f, err := os.Open("../../../shared/data/NASA-iPSC-1993-3.1-cln.swf.gz")
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("the recorded workload is not there")
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	plain, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(plain); lines.Scan(); {
		c := strings.Fields(lines.Text())
		if len(c) < 14 || strings.HasPrefix(c[0], ";") {
			continue
		}
		seconds, err := strconv.ParseFloat(c[3], 64)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, timed{Task{Key: key(c[11] + " " + c[13] + " " + c[4])}, max(seconds, shortest)})
	}
	return all
}

func key(name string) (k Key) {
	copy(k[:], name)
	return k
}

// pareto makes tasks whose times are heavy-tailed, as those of most things that people
// run; noise is how far the same task varies from run to run.
func pareto(seed uint64, n int, alpha float64) (all []timed) {
	r := rand.New(rand.NewPCG(seed, 0))
	for i := range n {
		seconds := math.Pow(1-r.Float64(), -1/alpha)
		all = append(all, timed{Task{Key: key(strconv.Itoa(i))}, min(seconds, 200)})
	}
	return all
}

// noisy is tasks as they are at another time.
func noisy(seed uint64, tasks []timed, noise float64) []timed {
	r := rand.New(rand.NewPCG(seed, 7))
	again := make([]timed, len(tasks))
	for i, t := range tasks {
		again[i] = t
		again[i].seconds *= math.Exp(noise * r.NormFloat64())
	}
	return again
}

func learn(tasks []timed) *Model {
	m := new(Model)
	for _, t := range tasks {
		m.Ended(t.Task, t.seconds, false)
	}
	return m
}
