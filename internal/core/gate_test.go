package core

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"
)

// gateRun reads a gate's trace: "rules" sets it up, "machine" changes the sample,
// and the others are calls at a time.
type gateRun struct {
	t     *testing.T
	gate  *Gate
	m     Machine
	acts  [GateNever + 1]string
	rules GateRules
}

func newGateRun(t *testing.T) *gateRun {
	return &gateRun{t: t, gate: NewGate(GateRules{}), m: Machine{Free: math.MaxInt64, Total: math.MaxInt64},
		acts: [...]string{"wait", "start", "kill", "suspend", "resume", "never"}}
}

func (r *gateRun) command(line string) string {
	words := strings.Fields(line)
	switch words[0] {
	case "rules":
		for _, w := range words[1:] {
			r.rule(w)
		}
		r.gate = NewGate(r.rules)
		return fmt.Sprintf("looks at %+v", r.gate.Looks())
	case "machine":
		for _, w := range words[1:] {
			r.machine(w)
		}
		return "-"
	}
	at, err := time.ParseDuration(words[0])
	if err != nil {
		r.t.Fatal(err)
	}
	now := Time(at)
	switch words[1] {
	case "started":
		r.gate.Started(now)
	case "ok":
		r.gate.Ended(true)
	case "failed":
		r.gate.Ended(false)
	case "limit":
		r.gate.LimitAnswered(now, r.number(words[2]))
	case "load":
		r.gate.SetLoad(float64(r.number(words[2])))
	case "ask": // ask RUNNING [SUSPENDED] [idle]
		return r.ask(now, words[2:])
	default:
		r.t.Fatalf("no command %q", line)
	}
	return "-"
}

func (r *gateRun) ask(now Time, words []string) string {
	jobs := GateJobs{Waiting: words[len(words)-1] != "idle", Running: r.number(words[0])}
	if len(words) > 1 && words[1] != "idle" {
		jobs.Suspended = r.number(words[1])
	}
	out := ""
	if r.gate.WantsLimit(now, jobs) {
		out = "run limit; "
	}
	a := r.gate.Ask(now, r.m, jobs)
	out += r.acts[a.Act]
	if a.Count > 0 {
		out += " " + strconv.Itoa(a.Count)
	}
	if a.Again > 0 {
		out += fmt.Sprintf(", again after %v", time.Duration(a.Again))
	}
	if a.Reason != "" {
		out += ": " + a.Reason
	}
	return out
}

func (r *gateRun) number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		r.t.Fatal(err)
	}
	return n
}

func (r *gateRun) size(s string) int64 {
	n, err := ParseBytes("size", s)
	if err != nil {
		r.t.Fatal(err)
	}
	return n
}

func (r *gateRun) rule(w string) {
	name, value, _ := strings.Cut(w, "=")
	var err error
	switch name {
	case "delay":
		r.rules.Delay, err = ParseDelay(value)
	case "load":
		r.rules.Load = float64(r.number(value))
	case "memfree":
		r.rules.MemFree = r.size(value)
	case "memsuspend":
		r.rules.MemSuspend = r.size(value)
	case "noswap":
		r.rules.NoSwap = true
	case "limit":
		r.rules.Limit, err = ParseLimit(strings.ReplaceAll(value, "_", " "))
	default:
		r.t.Fatalf("no rule %q", w)
	}
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *gateRun) machine(w string) {
	name, value, _ := strings.Cut(w, "=")
	switch name {
	case "load":
		r.m.Load = float64(r.number(value))
	case "free":
		r.m.Free = r.size(value)
	case "total":
		r.m.Total = r.size(value)
	case "swap": // TOTAL,IN,OUT
		parts := strings.Split(value, ",")
		r.m.SwapTotal = r.size(parts[0])
		r.m.SwapIn, r.m.SwapOut = uint64(r.number(parts[1])), uint64(r.number(parts[2]))
	case "disk":
		r.m.DiskBusy = float64(r.number(value))
	default:
		r.t.Fatalf("no part of a machine %q", w)
	}
}

func TestGateTraces(t *testing.T) {
	t.Parallel()
	checkTraces(t, "gate", func() func(string) string { return newGateRun(t).command })
}

// TestMayRun compares with what GNU parallel's manual and source say of
// --memsuspend: one job below the size, all from twice of it.
func TestMayRun(t *testing.T) {
	t.Parallel()
	g := NewGate(GateRules{MemSuspend: 1000})
	for _, c := range []struct {
		free int64
		n    int
		want int
	}{
		{0, 8, 1}, {999, 8, 1}, {1000, 8, 2}, {1499, 8, 2}, {1500, 8, 3}, {1666, 8, 3}, {1667, 8, 4}, {1750, 8, 5},
		{1999, 8, 8}, {2000, 8, 8}, {1 << 40, 8, 8}, {1750, 3, 3}, {0, 1, 1}, {1 << 40, 0, 1}, {1000, 1, 1},
	} {
		if got := g.mayRun(Machine{Free: c.free}, c.n); got != c.want {
			t.Errorf("mayRun(%d free, %d jobs) = %d, want %d", c.free, c.n, got, c.want)
		}
	}
}

// TestGateNeverStandsStill drives a gate through a machine that goes from bad to
// good and back: in each state it answers, kills no more jobs than there are,
// leaves one awake, and starts again when all is well.
func TestGateNeverStandsStill(t *testing.T) {
	t.Parallel()
	g := NewGate(GateRules{Delay: Delay{Span: Second, Auto: true}, Load: 4, MemFree: 1000, MemSuspend: 500, NoSwap: true})
	var now Time
	jobs := GateJobs{Waiting: true}
	starts := 0
	for step := range 100_000 {
		bad := step / 1000 % 2
		m := Machine{Load: float64(jobs.Running - jobs.Suspended), Free: int64(2000 - bad*(step%1700)), Total: 4000, SwapTotal: 1}
		a := g.Ask(now, m, jobs)
		switch a.Act {
		case GateStart:
			g.Started(now)
			jobs.Running++
			starts++
		case GateKill:
			jobs.Running--
			jobs.Suspended = min(jobs.Suspended, max(jobs.Running-1, 0))
			g.Ended(false)
		case GateSuspend:
			jobs.Suspended += a.Count
		case GateResume:
			jobs.Suspended -= a.Count
		case GateWait:
			if a.Again <= 0 {
				t.Fatalf("step %d: waits for nothing: %+v", step, a)
			}
			now = now.after(a.Again)
			if step%3 == 0 && jobs.Running > jobs.Suspended {
				jobs.Running--
				g.Ended(true)
			}
		default:
			t.Fatalf("step %d: %+v", step, a)
		}
		if jobs.Suspended < 0 || jobs.Suspended > jobs.Running || jobs.Running > 5 {
			t.Fatalf("step %d: %+v after %+v", step, jobs, a)
		}
	}
	if starts < 1000 {
		t.Errorf("only %d starts", starts)
	}
}
