package history

import (
	"math"
	"math/rand/v2"
	"slices"
)

// trials are the guesses on one basis that have been held against the truth.
type trials struct {
	count int64   // in all
	now   int64   // of them in this run
	apart float64 // see off
	cells [decades]ratios
}

// decades are the orders of magnitude that guesses are divided into, from the shortest
// on: a guess of a millisecond may well be off by a factor of a hundred, and nobody would
// say so of one of an hour.
const decades = 8

func decade(guess float64) (d int) {
	for least := 10 * shortest; d < decades-1 && guess >= least; least *= 10 {
		d++
	}
	return d
}

// ratios are those of the time that a task took and of its guess, the latest ones.
type ratios struct {
	seen  []float64
	count int64
}

const (
	// ratiosMax bounds the ratios that are kept of a decade: few, so that a run that is
	// slower than those before it is soon known as that.
	ratiosMax = 128
	// ratioMost bounds them.
	ratioMost = 1000
	// errorWeight is that of the latest error in their mean.
	errorWeight = 0.02
)

func (t *trials) add(took, guess float64, now bool) {
	guess = max(guess, shortest)
	ratio := min(max(took/guess, 1/float64(ratioMost)), ratioMost)
	c := &t.cells[decade(guess)]
	if len(c.seen) < ratiosMax {
		c.seen = append(c.seen, ratio)
	} else {
		c.seen[c.count%ratiosMax] = ratio
	}
	c.count++
	t.count++
	if now {
		t.now++
	}
	t.apart += (math.Abs(math.Log(ratio)) - t.apart) * max(errorWeight, 1/float64(t.count))
}

// off is how far guesses are off, as the mean of the logarithms' distances.
func (t *trials) off() float64 { return t.apart }

// doubt is how far all guesses of this run may be off together, relative to them: what
// else the machine does, or other data than before. Before a run has shown anything it
// is betweenRuns if earlier ones are known; each task that ends tells more (the deviation
// of a mean whose prior has that one).
func (t *trials) doubt(earlier bool) float64 {
	prior := 1.0
	if earlier {
		prior = betweenRuns
	}
	one := max(deviations*t.apart, 1e-3)
	return 1 / math.Sqrt(1/(prior*prior)+float64(t.now)/(one*one))
}

const (
	// betweenRuns is how far the speed of a run is taken to be off from that of earlier
	// ones.
	betweenRuns = 0.2
	// deviations is the standard deviation of a normal law in mean distances.
	deviations = 1.25
)

// sampler draws ratios as they were seen.
type sampler struct {
	sorted []float64
	tail   float64 // of what was not seen yet, see draw
	mean   float64
	spread float64 // standard deviation
}

// presumed are the ratios that are taken to have been seen before any, while there are
// fewer than presumedUntil: a guess of which nothing else is known is off by half as
// easily as not. Their mean is 1.
var presumed = [...]float64{0.5, 0.75, 1.05, 1.7}

const presumedUntil = 16

// tailShare is the share of the ratios, the largest, that the tail is judged by.
const tailShare = 8

// sampler makes a sampler of what was seen. The tail is Hill's estimate of its index
// (Annals of Statistics 3, 1975): 0 where the largest are all alike.
func (c *ratios) sampler() *sampler {
	s := &sampler{sorted: slices.Clone(c.seen)}
	few := len(s.sorted) < presumedUntil
	if few {
		s.sorted = append(s.sorted, presumed[:]...)
	}
	slices.Sort(s.sorted)
	n := len(s.sorted)
	if top := n / tailShare; !few {
		for _, ratio := range s.sorted[n-top:] {
			s.tail += math.Log(ratio/s.sorted[n-top-1]) / float64(top)
		}
		s.tail = min(s.tail, tailMost)
	}
	sum, squares := 0.0, 0.0
	for _, ratio := range append(s.sorted[:n:n], s.most()/(1-s.tail)) {
		sum, squares = sum+ratio, squares+ratio*ratio
	}
	s.mean = sum / float64(n+1)
	s.spread = math.Sqrt(max(squares/float64(n+1)-s.mean*s.mean, 0))
	return s
}

// tailMost keeps the mean of what was not seen yet finite.
const tailMost = 0.5

func (s *sampler) most() float64 { return s.sorted[len(s.sorted)-1] }

// draw draws one of n+1 things: the n that were seen, and what was not yet, for the
// next is larger than n before it one time in n+1. That is drawn from a Pareto law
// behind the largest.
func (s *sampler) draw(r *rand.Rand) float64 {
	if i := r.IntN(len(s.sorted) + 1); i < len(s.sorted) {
		return s.sorted[i]
	}
	return s.beyond(s.most(), r)
}

// beyond draws what is more than all that was seen, and than least.
func (s *sampler) beyond(least float64, r *rand.Rand) float64 {
	return least * min(math.Pow(1-r.Float64(), -s.tail), farthest)
}

// farthest bounds what was not seen yet, in multiples of what was.
const farthest = 10
