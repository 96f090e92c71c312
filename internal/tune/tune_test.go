package tune

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/tutti-run/tutti/internal/core"
)

// world is a machine with some work, in virtual time.
type world struct {
	cpus int
	// command is how long one takes beside n-1 others, and what it uses of the CPU.
	command            func(n int) (takes, cpu core.Span)
	blocks, switches   int64
	ioStall, otherCPUs func(n int) float64 // part of the time; CPUs
	noise              float64             // of each trial
	fails              bool
}

func (w world) measure(t *testing.T, budget core.Span, numbers ...int) Report {
	t.Helper()
	if numbers == nil {
		numbers = Numbers(w.cpus)
	}
	once, _ := w.command(1)
	s, err := NewSchedule(numbers, budget, once)
	if err != nil {
		t.Fatal(err)
	}
	chance := rand.New(rand.NewPCG(1, 2))
	var m Meter
	now := core.Time(core.Second)
	host := Host{Known: true}
	for round := range s.Rounds {
		for _, n := range s.Order(chance) {
			takes, cpu := w.command(n)
			takes = core.Span(float64(takes) * math.Exp(w.noise*chance.NormFloat64()))
			m.Begin(n, round, now, host)
			end := now + core.Time(s.Trial)
			commands := 0.0
			// Each worker is in the midst of a command as the trial begins, and as it ends.
			var late []Done
			for worker := range n {
				start := now - core.Time(int64(takes)*int64(worker)/int64(n))
				for ; start < end; start += core.Time(takes) {
					d := Done{start, start + core.Time(takes), !w.fails, Usage{User: cpu * 9 / 10, System: cpu / 10, Switches: w.switches, Blocks: w.blocks}}
					if d.End > end {
						late = append(late, d)
						continue
					}
					m.Ended(d)
				}
				commands += float64(s.Trial) / float64(takes)
			}
			host.Busy += core.Span(commands * float64(cpu))
			if w.otherCPUs != nil {
				host.Busy += core.Span(w.otherCPUs(n) * float64(s.Trial))
			}
			if w.ioStall != nil {
				host.IO += core.Span(w.ioStall(n) * float64(s.Trial))
			}
			m.End(end, host)
			for _, d := range late {
				m.Ended(d)
			}
			now = end + core.Time(core.Minute) // no command reaches into two trials
		}
	}
	return Judge(w.cpus, m.Trials(), chance)
}

func (r *Report) whats() (all []Resource) {
	for _, l := range r.Limits {
		all = append(all, l.What)
	}
	return all
}

// cpuBound commands take turns beyond the CPUs.
func cpuBound(cpus int, c core.Span) func(n int) (takes, cpu core.Span) {
	return func(n int) (core.Span, core.Span) { return c * core.Span(max(n, cpus)) / core.Span(cpus), c }
}

func TestWhatLimits(t *testing.T) {
	t.Parallel()
	const c = 20 * core.Millisecond
	for _, x := range []struct {
		name string
		world
		numbers []int
		best    int
		what    []Resource
		law     bool
	}{
		{name: "CPU", world: world{cpus: 8, command: cpuBound(8, c), noise: 0.005}, best: 8, what: []Resource{CPU}, law: true},
		{name: "CPU, on two", world: world{cpus: 2, command: cpuBound(2, c), noise: 0.005}, best: 2, what: []Resource{CPU}},
		{name: "lock", world: world{cpus: 8, switches: 40, command: func(n int) (core.Span, core.Span) {
			// A quarter of the work is under one lock: from four workers on it is always held.
			return max(c, c/4*core.Span(n)), c / 2
		}, noise: 0.005}, best: 4, what: []Resource{Locks}, law: true},
		{name: "disk", world: world{cpus: 8, blocks: 4096, command: func(n int) (core.Span, core.Span) {
			return max(c, c/3*core.Span(n)), c / 10
		}, ioStall: func(n int) float64 { return min(0.1*float64(n), 0.95) }, noise: 0.005}, best: 3, what: []Resource{Disk}, law: true},
		{name: "memory bandwidth", world: world{cpus: 8, command: func(n int) (core.Span, core.Span) {
			dear := core.Span(float64(c) * (1 + 0.1*float64(min(n, 8)-1)))
			return dear * core.Span(max(n, 8)) / 8, dear
		}, noise: 0.005}, best: 8, what: []Resource{CPU, MemoryBandwidth}, law: true},
		{name: "waiting, with no end", world: world{cpus: 2, command: func(int) (core.Span, core.Span) { return c, c / 100 }}, best: 4, what: []Resource{Nothing}, law: true},
		{name: "waiting, beside other programs", world: world{cpus: 2, command: func(int) (core.Span, core.Span) { return c, c / 100 }, otherCPUs: func(int) float64 { return 1.8 }}, best: 4, what: []Resource{Nothing}},
		{name: "other programs", world: world{cpus: 4, command: func(n int) (core.Span, core.Span) {
			return c * core.Span(max(n, 2)) / 2, c
		}, otherCPUs: func(int) float64 { return 2 }, noise: 0.005}, numbers: []int{1, 2, 3, 4}, best: 2, what: []Resource{Others}, law: true},
	} {
		t.Run(x.name, func(t *testing.T) {
			r := x.measure(t, 60*core.Second, x.numbers...)
			if r.Best.Workers != x.best || r.Best.Confidence < 0.9 {
				t.Errorf("best is %+v, want %d", r.Best, x.best)
			}
			if !slices.Equal(r.whats(), x.what) {
				t.Errorf("limits are %v, want %v", r.Limits, x.what)
			}
			if (r.Law != nil) != x.law {
				t.Errorf("law %+v, %q", r.Law, r.NoLaw)
			}
			if r.Law == nil && !strings.Contains(r.NoLaw, "3 unknowns and 2 numbers of workers were measured") {
				t.Errorf("why there is no law: %s", r.NoLaw)
			}
			if r.Failed != 0 {
				t.Errorf("%d failed", r.Failed)
			}
		})
	}
}

// Work that follows the law exactly is found to, from commands in virtual time, and
// what more CPUs would do is told by it.
func TestFindsTheLaw(t *testing.T) {
	t.Parallel()
	const alpha, beta = 0.05, 0.004
	speedup := func(n float64) float64 { return n / (1 + alpha*(n-1) + beta*n*(n-1)) }
	w := world{cpus: 16, noise: 0.01, command: func(n int) (core.Span, core.Span) {
		return core.Span(float64(10*core.Millisecond) * float64(n) / speedup(float64(n))), core.Millisecond
	}}
	r := w.measure(t, 60*core.Second)
	if r.Law == nil {
		t.Fatal(r.NoLaw)
	}
	for name, v := range map[string]struct {
		got  Value
		want float64
	}{"alpha": {r.Law.Alpha, alpha}, "beta": {r.Law.Beta, beta}, "gamma": {r.Law.Gamma, 100}, "n*": {r.Law.Peak, math.Sqrt((1 - alpha) / beta)}, "at 128": {r.More[2].Speedup, speedup(128)}} {
		if v.got.Low > v.want || v.want > v.got.High || math.Abs(v.got.Value/v.want-1) > 0.1 {
			t.Errorf("%s is %+v, want %v", name, v.got, v.want)
		}
	}
	if r.More[0].CPUs != 32 || r.More[2].CPUs != 128 {
		t.Errorf("more CPUs: %+v", r.More)
	}
}

// A command counts by the part of it that lies in a trial.
func TestMeter(t *testing.T) {
	t.Parallel()
	const s = core.Time(core.Second)
	var m Meter
	use := Usage{User: core.Second, Switches: 8}
	m.Ended(Done{0, s, true, use}) // before anything
	m.Begin(2, 0, 10*s, Host{})
	m.Ended(Done{8 * s, 12 * s, true, use})   // half
	m.Ended(Done{12 * s, 14 * s, false, use}) // whole
	m.End(20*s, Host{Busy: 5 * core.Second, IO: core.Second, Known: true})
	m.Begin(3, 0, 21*s, Host{Known: true})
	m.Ended(Done{19 * s, 23 * s, true, use}) // a quarter, and half
	m.Ended(Done{18 * s, 20 * s, true, use}) // whole, late
	m.Ended(Done{20 * s, 21 * s, true, use}) // between
	m.End(25*s, Host{Known: true, Memory: 2 * core.Second})
	m.Begin(4, 0, 26*s, Host{}) // never ends
	got := m.Trials()
	want := []Trial{
		{Workers: 2, Seconds: 10, Done: 2.75, Failed: 1, User: 2.75, Switches: 22, Busy: 5, IOStall: 1},
		{Workers: 3, Seconds: 4, Done: 0.5, User: 0.5, Switches: 4, MemoryStall: 2, StallKnown: true},
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("trials\n%+v, want\n%+v", got, want)
	}
}

func TestNotes(t *testing.T) {
	t.Parallel()
	w := world{cpus: 2, command: cpuBound(2, core.Second), fails: true, otherCPUs: func(int) float64 { return 0.7 }}
	r := w.measure(t, 4*core.Second, 2, 3)
	if r.Best.Confidence != -1 || r.Levels[0].Speedup != 0 {
		t.Errorf("one round without one worker: %+v", r)
	}
	all := strings.Join(r.Notes, "\n")
	for _, want := range []string{"commands failed", "other programs kept up to 0.7 CPUs busy", "one round only", "one worker was not tried"} {
		if !strings.Contains(all, want) {
			t.Errorf("no note says %q:\n%s", want, all)
		}
	}
}

// Pressure that the kernel does not tell is no evidence.
func TestUnknownPressure(t *testing.T) {
	t.Parallel()
	r := Judge(2, []Trial{{Workers: 1, Seconds: 1, Done: 10, User: 0.1, IOStall: 1}, {Workers: 2, Seconds: 1, Done: 10, User: 0.1, IOStall: 1}}, rand.New(rand.NewPCG(1, 1)))
	if got := r.whats(); !slices.Equal(got, []Resource{Locks}) || r.Levels[0].IOStall != -1 {
		t.Errorf("limits %v, %+v", r.Limits, r.Levels[0])
	}
}

func TestSchedule(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		numbers      int
		budget, once core.Span
		rounds       int
		trial        core.Span
		err          string
	}{
		{4, 10 * core.Second, core.Millisecond, 9, 10 * core.Second / 36, ""},
		{4, 10 * core.Second, 200 * core.Millisecond, 4, 625 * core.Millisecond, ""},
		{4, 10 * core.Second, 4 * core.Second, 1, 2500 * core.Millisecond, ""},
		{4, 10 * core.Second, 60 * core.Second, 0, 0, "one command takes 60s, and 4 numbers of workers are to be tried: give --for 240s or more"},
		{1, 50 * core.Millisecond, core.Millisecond, 1, 50 * core.Millisecond, ""},
	} {
		s, err := NewSchedule(Numbers(64)[:c.numbers], c.budget, c.once)
		if err != nil || c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) || c.err == "" {
				t.Errorf("%+v: %v", c, err)
			}
			continue
		}
		if s.Rounds != c.rounds || s.Trial != c.trial {
			t.Errorf("%+v: %d rounds of %d", c, s.Rounds, s.Trial)
		}
		order := s.Order(rand.New(rand.NewPCG(1, 1)))
		slices.Sort(order)
		if !slices.Equal(order, s.Numbers) {
			t.Errorf("a round tries %v of %v", order, s.Numbers)
		}
	}
}

func TestNumbers(t *testing.T) {
	t.Parallel()
	for cpus, want := range map[int]string{
		1:  "[1 2]",
		2:  "[1 2 3 4]",
		6:  "[1 2 3 4 5 6 7 8 10 12]",
		64: "[1 2 3 4 5 6 7 8 10 12 14 16 20 24 28 32 40 48 56 64 80 96 112 128]",
	} {
		if got := fmt.Sprint(Numbers(cpus)); got != want {
			t.Errorf("with %d CPUs %s are tried, want %s", cpus, got, want)
		}
	}
	for text, want := range map[string]string{
		"4": "[1 2 3 4]", "1": "[1]", "2-5": "[2 3 4 5]", "8,1,2,2": "[1 2 8]", "1,4-6": "[1 4 5 6]",
	} {
		if got, err := ParseNumbers(text); err != nil || fmt.Sprint(got) != want {
			t.Errorf("--workers %s is %v, %v, want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"", "x", "0", "-3", "5-2", "1,,2", "1-", "5000", "1.5"} {
		if got, err := ParseNumbers(text); err == nil || !strings.Contains(err.Error(), "--workers "+text+": ") {
			t.Errorf("--workers %q is %v, %v", text, got, err)
		}
	}
}
