package usl

import (
	"fmt"
	"math"
	"slices"
)

// Point is one measurement: with N workers so many units of work were done in a
// second. The same N may be measured any number of times.
type Point struct {
	N          int
	Throughput float64
}

// Law is how many unknowns a curve has.
type Law int

// The laws.
const (
	Amdahl    Law = iota // gamma and alpha
	Universal            // gamma, alpha and beta
)

// String is the law's name as people write it.
func (l Law) String() string {
	if l == Amdahl {
		return "Amdahl's law"
	}
	return "the Universal Scalability Law"
}

// unknowns is how many numbers a fit of the law looks for.
func (l Law) unknowns() int { return int(l) + 2 }

// Model is a curve of throughput over workers. With Beta 0 it is one of Amdahl's.
type Model struct {
	Gamma float64 // throughput of one worker, in units a second
	Alpha float64 // serial part, 0 to 1
	Beta  float64 // coherency part, 0 or more
}

// At is the throughput of n workers.
func (m Model) At(n float64) float64 { return m.Gamma * m.Speedup(n) }

// Speedup is how many times as much n workers do as one.
func (m Model) Speedup(n float64) float64 {
	return n / (1 + m.Alpha*(n-1) + m.Beta*n*(n-1))
}

// Peak is the number of workers, a real one, beyond which more workers do less:
// sqrt((1-alpha)/beta), at least 1. It is +Inf where the curve never falls.
func (m Model) Peak() float64 {
	if m.Beta <= 0 {
		return math.Inf(1)
	}
	return max(1, math.Sqrt((1-m.Alpha)/m.Beta))
}

// Limit is the speed-up that the serial part alone allows, 1/alpha; +Inf without one.
func (m Model) Limit() float64 {
	if m.Alpha <= 0 {
		return math.Inf(1)
	}
	return 1 / m.Alpha
}

// Best is the number of workers among low to high with the most throughput, or the
// lowest number that comes as near to it as the part give of it: with 0.02, whoever
// does 98 % of the most. Curves are flat at their top, and workers cost memory.
func (m Model) Best(low, high int, give float64) int {
	top := 0.0
	for n := low; n <= high; n++ {
		top = max(top, m.At(float64(n)))
	}
	for n := low; n < high; n++ {
		if m.At(float64(n)) >= top*(1-give) {
			return n
		}
	}
	return high
}

// Level is what was measured with one number of workers.
type Level struct {
	N          int
	Throughput float64 // median of the measurements
	Low, High  float64 // the least and the most of them
	Speedup    float64 // against one worker; 0 if one worker was not measured
	Efficiency float64 // Speedup / N
}

// Levels sums up points by their number of workers, in rising order.
func Levels(points []Point) []Level {
	by := map[int][]float64{}
	var ns []int
	for _, p := range points {
		if by[p.N] == nil {
			ns = append(ns, p.N)
		}
		by[p.N] = append(by[p.N], p.Throughput)
	}
	slices.Sort(ns)
	levels := make([]Level, len(ns))
	for i, n := range ns {
		x := slices.Sorted(slices.Values(by[n]))
		l := Level{N: n, Throughput: (x[(len(x)-1)/2] + x[len(x)/2]) / 2, Low: x[0], High: x[len(x)-1]}
		if ns[0] == 1 {
			one := l.Throughput
			if i > 0 {
				one = levels[0].Throughput
			}
			if one > 0 {
				l.Speedup = l.Throughput / one
				l.Efficiency = l.Speedup / float64(n)
			}
		}
		levels[i] = l
	}
	return levels
}

// TooFewError says that a law cannot be fitted, since it has as many unknowns as
// different numbers of workers were measured, or more: a curve could be laid through
// all of them and would say nothing.
type TooFewError struct {
	Law   Law
	Have  int // different numbers of workers that were measured
	Needs int
}

func (e *TooFewError) Error() string {
	return fmt.Sprintf("%s has %d unknowns and %s measured: a curve through so few proves nothing, at least %d are needed",
		e.Law, e.Law.unknowns(), counted(e.Have), e.Needs)
}

func counted(n int) string {
	if n == 1 {
		return "1 number of workers was"
	}
	return fmt.Sprintf("%d numbers of workers were", n)
}

// PointError says which measurement cannot be one.
type PointError struct{ Point Point }

func (e *PointError) Error() string {
	return fmt.Sprintf("%d workers with a throughput of %v: workers are counted from 1, and throughput is a positive number of units a second", e.Point.N, e.Point.Throughput)
}
