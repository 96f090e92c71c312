package core

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"
)

func testRand() *rand.Rand { return rand.New(rand.NewPCG(1, 2)) }

func TestWorkerTableIsFull(t *testing.T) {
	t.Parallel()
	for s := range numWorkerStates {
		for e := range numWorkerEvents {
			c := transitions[s][e]
			switch {
			case c.do == 0:
				t.Errorf("%v × %v is not set", s, e)
			case c.do&ignore != 0 && (c.do != ignore || c.next != s):
				t.Errorf("%v × %v is ignored and yet does something", s, e)
			case c.do&enter != 0 && (c.do != enter || c.next == s):
				t.Errorf("%v × %v: enter marks nothing but a new state", s, e)
			case c.do&restart != 0 && c.next != Backoff:
				t.Errorf("%v × %v: the cell of a restart names Backoff", s, e)
			case c.next == GivenUp && s != GivenUp:
				t.Errorf("%v × %v: only Restarts leads to given-up", s, e)
			case (c.do&recoverAll != 0) != (c.do&release != 0):
				t.Errorf("%v × %v: a certain death recovers all and releases", s, e)
			}
		}
	}
}

func TestWorkerNames(t *testing.T) {
	t.Parallel()
	unique := map[string]bool{}
	check := func(name string) {
		if name == "" || unique[name] {
			t.Errorf("name %q is empty or used twice", name)
		}
		unique[name] = true
	}
	for s := range numWorkerStates {
		check("state " + s.String())
	}
	for e := range numWorkerEvents {
		check("event " + e.String())
	}
	for a := range numActions {
		check("action " + a.String())
	}
	for k := range numTimers {
		check("timer " + k.String())
	}
}

func TestWorkerTraces(t *testing.T) {
	t.Parallel()
	checkTraces(t, "worker", func() func(string) string {
		rnd := testRand()
		w := NewWorker(DefaultWorkerLimits, NewDeaths(DefaultIntensity(1)))
		return func(command string) string {
			now, ev := parseWorkerCommand(t, command, w.Epoch())
			var words []string
			for _, a := range w.Step(now, ev, rnd, nil) {
				words = append(words, showAction(a))
			}
			return strings.TrimSpace(fmt.Sprintf("%v: %s", w.State(), strings.Join(words, ", ")))
		}
	})
}

// parseWorkerCommand reads "TIME EVENT [epoch=N] [busy]"; without epoch it is
// the slot's present one.
func parseWorkerCommand(t *testing.T, command string, epoch uint32) (Time, Event) {
	t.Helper()
	words := strings.Fields(command)
	at, err := time.ParseDuration(words[0])
	if err != nil {
		t.Fatal(err)
	}
	ev := Event{Kind: numWorkerEvents, Epoch: epoch}
	for k := range numWorkerEvents {
		if k.String() == words[1] {
			ev.Kind = k
		}
	}
	if ev.Kind == numWorkerEvents {
		t.Fatalf("no event %q", words[1])
	}
	for _, word := range words[2:] {
		number, ok := strings.CutPrefix(word, "epoch=")
		switch {
		case word == "busy":
			ev.Busy = true
		case ok:
			n, err := strconv.ParseUint(number, 10, 32)
			if err != nil {
				t.Fatal(err)
			}
			ev.Epoch = uint32(n)
		default:
			t.Fatalf("what is %q?", word)
		}
	}
	return Time(at), ev
}

func showAction(a Action) string {
	switch a.Kind {
	case ArmTimer:
		return fmt.Sprintf("%v %v at %v", a.Kind, a.Timer, time.Duration(a.At))
	case Spawn:
		return fmt.Sprintf("%v epoch=%d", a.Kind, a.Epoch)
	}
	return a.Kind.String()
}

// TestWorkerPromises feeds every sequence of six events, and long random ones, to
// a worker and holds it to what its actions promise.
func TestWorkerPromises(t *testing.T) {
	t.Parallel()
	const depth = 6
	var walk func(p promises, w Worker, d Deaths, depth int)
	walk = func(p promises, w Worker, d Deaths, depth int) {
		if depth == 0 {
			return
		}
		for kind := range numWorkerEvents {
			if kind == Start && p.closing {
				continue // the shell does not
			}
			w2, d2, p2 := w, d, p
			d2.recent = append([]death(nil), d.recent...)
			w2.restarts.deaths = &d2
			p2.step(t, &w2, Event{Kind: kind, Epoch: w2.Epoch()}, testRand)
			if t.Failed() {
				return
			}
			walk(p2, w2, d2, depth-1)
		}
	}
	d := NewDeaths(Intensity{Max: 5, Period: Minute})
	walk(promises{}, *NewWorker(DefaultWorkerLimits, d), *d, depth)

	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		w := NewWorker(DefaultWorkerLimits, NewDeaths(Intensity{Max: 1 << 30, Period: Minute}))
		var p promises
		for range 200 {
			kind := WorkerEventKind(rnd.IntN(int(PoolClosing))) // every event but PoolClosing
			epoch := w.Epoch() - uint32(rnd.IntN(2))
			p.step(t, w, Event{Kind: kind, Epoch: epoch, Busy: rnd.IntN(2) == 0}, func() *rand.Rand { return rnd })
		}
		p.step(t, w, Event{Kind: PoolClosing}, func() *rand.Rand { return rnd })
		p.step(t, w, Event{Kind: Exited, Epoch: w.Epoch()}, func() *rand.Rand { return rnd })
		if w.State() != Vacant {
			t.Fatalf("seed %d: %v after the pool closed and the process is gone", seed, w.State())
		}
	}
}

// promises is what the shell counts on, whatever happens.
type promises struct {
	now     Time
	live    bool // spawned and not released
	killed  bool
	closing bool
}

func (p *promises) step(t *testing.T, w *Worker, ev Event, rnd func() *rand.Rand) {
	t.Helper()
	p.now += Time(Second)
	if ev.Kind == TimerFired && w.timer.armed {
		p.now = max(p.now, w.timer.at)
	}
	p.closing = p.closing || ev.Kind == PoolClosing
	certain := (ev.Kind == Exited || ev.Kind == StartFailed) && ev.Epoch == w.Epoch()
	last := ActionKind(0)
	for _, a := range w.Step(p.now, ev, rnd(), nil) {
		if a.Kind < last {
			t.Errorf("%v: %v after %v: out of order", ev.Kind, a.Kind, last)
		}
		last = a.Kind
		switch a.Kind {
		case Spawn:
			if p.live || p.closing || a.Epoch != w.Epoch() {
				t.Errorf("%v: spawn while live=%v closing=%v", ev.Kind, p.live, p.closing)
			}
			p.live, p.killed = true, false
		case RecoverAll, Release:
			if !p.live || !certain {
				t.Errorf("%v: %v while live=%v", ev.Kind, a.Kind, p.live)
			}
			p.live = a.Kind == RecoverAll
		case SendKill:
			p.killed = true
			fallthrough
		case SendStop, RecoverPlain, ReportStuck, ReportUnattached:
			if !p.live {
				t.Errorf("%v: %v for a process that is gone", ev.Kind, a.Kind)
			}
		case ArmTimer:
			if a.At <= p.now || a.Timer == NoTimer {
				t.Errorf("%v: timer %v at %d, now %d", ev.Kind, a.Timer, a.At, p.now)
			}
		}
	}
	s := w.State()
	if held := s != Vacant && s != Backoff && s != GivenUp; held != p.live {
		t.Errorf("%v: state %v, but a process is there: %v", ev.Kind, s, p.live)
	}
	if doomed := s == Suspect || s == Killing || s == Aborting || s == Ending; doomed && !p.killed {
		t.Errorf("%v: state %v, but SIGKILL was not sent", ev.Kind, s)
	}
}
