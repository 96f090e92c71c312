package tune

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"github.com/tutti-run/tutti/internal/core"
)

// Numbers are the numbers of workers that are tried where nobody says: up to twice
// the CPUs, for work that waits may want more than one a CPU; each one while they are
// few, and four to each doubling beyond.
func Numbers(cpus int) []int {
	var ns []int
	for n := 1; n <= 2*cpus; {
		ns = append(ns, n)
		step := 1
		for n >= 8*step {
			step *= 2
		}
		n += step
	}
	for _, n := range []int{cpus, 2 * cpus} {
		if !slices.Contains(ns, n) {
			ns = append(ns, n)
		}
	}
	slices.Sort(ns)
	return ns
}

// NumberMost bounds the workers of a trial.
const NumberMost = 4096

// ParseNumbers reads the numbers of workers that a person wants tried: 4 is all up to
// 4, 2-6 is a range, 1,2,8 a list of either.
func ParseNumbers(text string) ([]int, error) {
	wrong := func(why string) error {
		return fmt.Errorf("--workers %s: %s; give a number (all up to it), a range as 2-6, or a list as 1,2,4", text, why)
	}
	var ns []int
	for part := range strings.SplitSeq(text, ",") {
		from, to, isRange := strings.Cut(strings.TrimSpace(part), "-")
		low, err := strconv.Atoi(from)
		if err != nil {
			return nil, wrong(fmt.Sprintf("%q is no number of workers", part))
		}
		high := low
		switch {
		case isRange:
			if high, err = strconv.Atoi(to); err != nil || high < low {
				return nil, wrong(fmt.Sprintf("%q is no range", part))
			}
		case !strings.Contains(text, ","):
			low = min(1, high)
		}
		if low < 1 || high > NumberMost {
			return nil, wrong(fmt.Sprintf("workers are counted from 1 to %d", NumberMost))
		}
		for n := low; n <= high; n++ {
			ns = append(ns, n)
		}
	}
	slices.Sort(ns)
	return slices.Compact(ns), nil
}

// Schedule is what is measured.
type Schedule struct {
	Numbers []int
	Rounds  int
	Trial   core.Span // how long each number is tried in each round, at least
}

const (
	roundsMost  = 9
	trialLeast  = 100 * core.Millisecond // shorter ones would measure the change of number
	trialsCover = 3                      // commands one after the other
)

// NewSchedule divides the time for among the numbers, where one command takes once.
// Rounds are more worth than long trials, as they tell noise from truth. It fails
// where even one round of one command each takes twice the time.
func NewSchedule(numbers []int, budget, once core.Span) (Schedule, error) {
	count := core.Span(len(numbers))
	if once*count > 2*budget {
		return Schedule{}, fmt.Errorf("one command takes %s, and %d numbers of workers are to be tried: give --for %s or more, fewer numbers with --workers, or inputs that take less",
			brief(once), len(numbers), brief(roundUp(once*count)))
	}
	rounds := min(max(budget/(count*max(trialLeast, trialsCover*once)), 1), roundsMost)
	return Schedule{Numbers: numbers, Rounds: int(rounds), Trial: budget / (count * rounds)}, nil
}

// Order is a round's order.
func (s Schedule) Order(chance *rand.Rand) []int {
	order := slices.Clone(s.Numbers)
	chance.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	return order
}

// brief is a time as people say it.
func brief(d core.Span) string {
	s := float64(d) / float64(core.Second)
	switch {
	case s < 0.001:
		return fmt.Sprintf("%.0f µs", s*1e6)
	case s < 1:
		return fmt.Sprintf("%.3g ms", s*1e3)
	case s < 10:
		return fmt.Sprintf("%.2gs", s)
	}
	return fmt.Sprintf("%.0fs", s)
}

// roundUp is d in whole seconds.
func roundUp(d core.Span) core.Span { return (d + core.Second - 1) / core.Second * core.Second }
