// Package history guesses how long tasks will take, from what earlier ones took: in
// which order they are best started, and when all will be over.
//
// It is pure. Whoever uses it hands in what has ended, oldest first; each task is
// guessed before its time is learnt, so the errors that are shown are those of guesses
// and not of a fit to what was known.
package history

import (
	"math"

	"github.com/montanaflynn/stats"
)

// Key is what a task is: two that have the same are expected to take as long. The zero
// Key is that of a task of which nobody knows.
type Key [16]byte

// Task is what is known of a task before it runs.
type Task struct {
	Key  Key
	Size int64 // bytes of what it reads; 0: not known
}

// Basis is what a guess rests on.
type Basis uint8

// The bases, the one that says most about a task last.
const (
	ByNothing Basis = iota // nothing has ended yet
	ByAll                  // what all tasks take
	BySize                 // what tasks take that read as much
	ByKey                  // what this task took before
	bases
)

// Guess is how long a task is expected to take.
type Guess struct {
	Seconds float64
	Basis   Basis
}

const (
	// keysMax bounds the tasks that are known by themselves.
	keysMax = 1 << 16
	// pointsMax bounds the pairs of size and time that the line is fitted to: the
	// latest ones, so that what has changed counts.
	pointsMax = 512
	// pointsLeast is how many pairs a line is believed from.
	pointsLeast = 8
	// fitLeast is the share of the variance that sizes must explain (R²).
	fitLeast = 0.2
	// trialsLeast is how many guesses say which basis is the better one.
	trialsLeast = 8
	// allWeight is that of the latest time in the mean of all, once there are more than
	// 1/allWeight: it follows a change, and a hundred heavy-tailed times still average.
	allWeight = 0.02
	// keyWeight is likewise that of a task's latest time.
	keyWeight = 0.2
	// shortest is taken for what took no time: a millisecond is what a journal knows.
	shortest = 1e-3
	// longest bounds times and guesses, wherever a line through sizes may lead: 300 years.
	longest = 1e10
)

// Model is what is known of how long tasks of one kind take. Its zero value knows
// nothing and is ready. It is not safe for several goroutines. Its memory is bounded.
type Model struct {
	count   int64
	earlier int64   // of them before this run
	all     float64 // mean of all, in seconds
	keys    map[Key]known

	sizes, times []float64 // logarithms, the latest by points modulo pointsMax
	points       int
	unfitted     int // points since the last fit
	line         line

	trials [bases]trials
}

// known is what a task took: the mean of its times, and how many there were, as far as
// that matters.
type known struct {
	seconds float32
	times   uint32
}

// line is log(time) = alpha + beta·log(size).
type line struct {
	alpha, beta float64
	holds       bool
}

// Ended tells of a task that has succeeded after so many seconds; now says that it is
// one of the run that is under way.
func (m *Model) Ended(t Task, seconds float64, now bool) {
	seconds = min(max(seconds, shortest), longest)
	for b := ByAll; b < bases; b++ {
		if guess, ok := m.by(b, t); ok {
			m.trials[b].add(seconds, guess, now)
		}
	}
	m.count++
	if !now {
		m.earlier++
	}
	m.all += (seconds - m.all) * max(allWeight, 1/float64(m.count))
	m.learnKey(t.Key, seconds)
	if t.Size > 0 {
		m.learnSize(math.Log(float64(t.Size)), math.Log(seconds))
	}
}

func (m *Model) learnKey(k Key, seconds float64) {
	was, ok := m.keys[k]
	if k == (Key{}) || !ok && len(m.keys) >= keysMax {
		return
	}
	if m.keys == nil {
		m.keys = map[Key]known{}
	}
	was.times++
	was.seconds += (float32(seconds) - was.seconds) * max(keyWeight, 1/float32(was.times))
	m.keys[k] = was
}

// learnSize takes in a point, and fits the line anew after each eighth more.
func (m *Model) learnSize(size, time float64) {
	if len(m.sizes) < pointsMax {
		m.sizes, m.times = append(m.sizes, size), append(m.times, time)
	} else {
		m.sizes[m.points%pointsMax], m.times[m.points%pointsMax] = size, time
	}
	m.points++
	m.unfitted++
	if n := len(m.sizes); n < pointsLeast || m.unfitted*8 < n {
		return
	}
	m.unfitted = 0
	m.line = fitted(m.sizes, m.times)
}

// fitted is the line of least squares through points.
func fitted(x, y stats.Float64Data) line {
	correlation, err := stats.Correlation(x, y) // 0 where all are alike
	if err != nil || correlation < 0 || correlation*correlation < fitLeast {
		return line{}
	}
	// None of these fails for as many of both, of which there are some.
	meanX, _ := stats.Mean(x)
	meanY, _ := stats.Mean(y)
	spreadX, _ := stats.StandardDeviation(x)
	spreadY, _ := stats.StandardDeviation(y)
	beta := correlation * spreadY / spreadX
	return line{alpha: meanY - beta*meanX, beta: beta, holds: true}
}

// by is the guess on one basis; false where that has nothing to say.
func (m *Model) by(b Basis, t Task) (seconds float64, ok bool) {
	switch b {
	case ByAll:
		return m.all, m.count > 0
	case BySize:
		if !m.line.holds || t.Size <= 0 {
			return 0, false
		}
		return min(math.Exp(m.line.alpha+m.line.beta*math.Log(float64(t.Size))), longest), true
	case ByKey:
		was, ok := m.keys[t.Key]
		return float64(was.seconds), ok
	}
	return 0, false
}

// Guess returns how long a task is expected to take: by what it took before, else by its
// size, else as long as all; but by the basis whose guesses were better so far where
// there were enough of both. Of times that are chance the mean of all says more than
// the last one.
func (m *Model) Guess(t Task) Guess {
	best := Guess{}
	for b := ByAll; b < bases; b++ {
		seconds, ok := m.by(b, t)
		if !ok {
			continue
		}
		was, is := &m.trials[best.Basis], &m.trials[b]
		if best.Basis != ByNothing && was.count >= trialsLeast && is.count >= trialsLeast && was.off() < is.off() {
			continue
		}
		best = Guess{seconds, b}
	}
	return best
}

// Known reports whether anything has ended.
func (m *Model) Known() bool { return m.count > 0 }
