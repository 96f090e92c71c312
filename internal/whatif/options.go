package whatif

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/tutti-run/tutti/internal/workload"
	"github.com/tutti-run/tutti/sched"
	"github.com/tutti-run/tutti/sim"
)

// ParseCPUs reads numbers of CPUs: 8, a list 1,2,4, or a range 1-64, of which all are
// taken up to 8 and then about three to each doubling. They come in rising order.
func ParseCPUs(s string) (ns []int, err error) {
	for part := range strings.SplitSeq(s, ",") {
		from, to, isRange := strings.Cut(part, "-")
		if !isRange {
			to = from
		}
		low, errLow := strconv.Atoi(from)
		high, errHigh := strconv.Atoi(to)
		if errLow != nil || errHigh != nil || low < 1 || high < low || high > sim.CPUsMax {
			return nil, fmt.Errorf("--cpus %s: CPUs are counted from 1 to %d; say a number, a list as in 1,2,4 or a range as in 1-64", s, sim.CPUsMax)
		}
		for n := low; n < high; n += max(1, n/4) {
			ns = append(ns, n)
		}
		ns = append(ns, high)
	}
	slices.Sort(ns)
	return slices.Compact(ns), nil
}

// ParsePolicies reads names of policies, separated by commas; all are all.
func ParsePolicies(s string) (names []string, err error) {
	if s == "all" {
		return sched.Names(nil), nil
	}
	for name := range strings.SplitSeq(s, ",") {
		if _, err := sched.New(name, nil); err != nil {
			return nil, err
		}
		if name == "" {
			name = sched.Default
		}
		if slices.Contains(names, name) {
			return nil, fmt.Errorf("policy %s is named twice: once is enough", name)
		}
		names = append(names, name)
	}
	return names, nil
}

// ParseDeath reads a death: 3@1.5s is worker 3's, 1.5 s after the start.
func ParseDeath(s string) (d sim.Death, err error) {
	worker, at, ok := strings.Cut(s, "@")
	if !ok {
		return d, fmt.Errorf("--kill %s: say the worker and when it dies, as in 3@1.5s", s)
	}
	if d.Worker, err = parseWorker(worker); err != nil {
		return d, fmt.Errorf("--kill %s: %w", s, err)
	}
	when, err := workload.ParseSpan(at)
	if err != nil {
		return d, fmt.Errorf("--kill %s: %w", s, err)
	}
	d.At = sim.Time(when)
	return d, nil
}

// ParseSlow reads a time in which a worker is slow: 3x4 is worker 3, for which all
// takes 4 times as long; 3x4@10s-20s only what it begins then.
func ParseSlow(s string) (slow sim.Slow, err error) {
	bad := func(err error) (sim.Slow, error) { return slow, fmt.Errorf("--slow %s: %w", s, err) }
	what, when, timed := strings.Cut(s, "@")
	worker, factor, ok := strings.Cut(what, "x")
	if !ok {
		return bad(fmt.Errorf("say the worker and how many times as long it takes, as in 3x4, or 3x4@10s-20s"))
	}
	if slow.Worker, err = parseWorker(worker); err != nil {
		return bad(err)
	}
	if slow.Factor, err = parseFactor(factor); err != nil {
		return bad(err)
	}
	slow.To = sim.Time(math.MaxInt64)
	if !timed {
		return slow, nil
	}
	from, to, ok := strings.Cut(when, "-")
	if !ok {
		return bad(fmt.Errorf("%q is no time from when to when: say it as in 10s-20s", when))
	}
	for _, end := range []struct {
		text string
		at   *sim.Time
	}{{from, &slow.From}, {to, &slow.To}} {
		v, err := workload.ParseSpan(end.text)
		if err != nil {
			return bad(err)
		}
		*end.at = sim.Time(v)
	}
	if slow.To < slow.From {
		return bad(fmt.Errorf("it ends before it begins: say the earlier time first"))
	}
	return slow, nil
}

func parseWorker(s string) (sched.Slot, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > sim.CPUsMax {
		return 0, fmt.Errorf("%q is no worker: they are numbered from 1, one for each CPU", s)
	}
	return sched.Slot(n), nil
}

func parseFactor(s string) (float64, error) {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || !(v >= 1 && v <= slowMost) {
		return 0, fmt.Errorf("%q is no factor: 1 to %g are possible", s, float64(slowMost))
	}
	return v, nil
}

// ParsePart reads a part of all: 0.01, or 1%.
func ParsePart(s string) (float64, error) {
	number, percent := strings.CutSuffix(s, "%")
	v, err := strconv.ParseFloat(number, 64)
	if percent {
		v /= 100
	}
	if err != nil || !(v >= 0 && v <= 1) {
		return 0, fmt.Errorf("%q is no part: say 0 to 1, or 0%% to 100%%", s)
	}
	return v, nil
}

// ParseStragglers reads which part of the tasks take how many times as long: 1%x10.
func ParseStragglers(s string) (part, by float64, err error) {
	share, factor, ok := strings.Cut(s, "x")
	if !ok {
		return 0, 0, fmt.Errorf("--stragglers %s: say which part of the tasks and how many times as long they take, as in 1%%x10", s)
	}
	if part, err = ParsePart(share); err == nil {
		by, err = parseFactor(factor)
	}
	if err != nil {
		return 0, 0, fmt.Errorf("--stragglers %s: %w", s, err)
	}
	return part, by, nil
}
