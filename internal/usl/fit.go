package usl

import (
	"math"
	"math/rand/v2"
	"slices"
)

// Fit is a law laid through measurements.
type Fit struct {
	Model
	Law    Law
	Points []Point
	// StdError is the standard deviation of the measurements about the curve, in
	// units a second, with the unknowns taken off the degrees of freedom.
	StdError float64
	// RSquared is the part of the measurements' variance that the curve explains; 1
	// is all of it.
	RSquared float64
}

// New fits law to points. The error is a [*TooFewError] or a [*PointError].
func New(law Law, points []Point) (Fit, error) {
	ns := map[int]bool{}
	for _, p := range points {
		if p.N < 1 || !(p.Throughput > 0) || math.IsInf(p.Throughput, 0) {
			return Fit{}, &PointError{p}
		}
		ns[p.N] = true
	}
	if needs := law.unknowns() + 1; len(ns) < needs {
		return Fit{}, &TooFewError{Law: law, Have: len(ns), Needs: needs}
	}
	f := Fit{Law: law, Points: slices.Clone(points)}
	f.Model = search(law, points)
	rest := squares(f.Model, points)
	f.StdError = math.Sqrt(rest / float64(f.freedom()))
	mean, total := 0.0, 0.0
	for _, p := range points {
		mean += p.Throughput / float64(len(points))
	}
	for _, p := range points {
		total += (p.Throughput - mean) * (p.Throughput - mean)
	}
	if total > 0 {
		f.RSquared = 1 - rest/total
	}
	return f, nil
}

// freedom is the degrees of freedom that the residuals have.
func (f Fit) freedom() int { return len(f.Points) - f.Law.unknowns() }

// Draws are models that the measurements allow as well.
type Draws []Model

// Draws refits to n made-up sets of measurements; see the package. A thousand are
// enough for an interval of 95 %, and take some 25 ms.
func (f Fit) Draws(n int, chance *rand.Rand) Draws {
	draws := make(Draws, n)
	made := slices.Clone(f.Points)
	for i := range draws {
		chiSquare := 0.0
		for range f.freedom() {
			z := chance.NormFloat64()
			chiSquare += z * z
		}
		noise := f.StdError * math.Sqrt(float64(f.freedom())/chiSquare)
		for j, p := range f.Points {
			// A throughput is positive, however wild the noise.
			made[j].Throughput = max(f.At(float64(p.N))+noise*chance.NormFloat64(), f.Gamma*1e-6)
		}
		draws[i] = search(f.Law, made)
	}
	return draws
}

// Interval has of so many draws the part level inside, and as many below as above,
// by what of makes of a model. Of no draws it is empty.
func (d Draws) Interval(level float64, of func(Model) float64) (low, high float64) {
	if len(d) == 0 {
		return math.NaN(), math.NaN()
	}
	values := make([]float64, len(d))
	for i, m := range d {
		values[i] = of(m)
	}
	slices.Sort(values)
	at := func(part float64) float64 { return values[int(math.Round(part*float64(len(values)-1)))] }
	return at((1 - level) / 2), at((1 + level) / 2)
}

// squares is the sum of the squared residuals.
func squares(m Model, points []Point) float64 {
	sum := 0.0
	for _, p := range points {
		r := p.Throughput - m.At(float64(p.N))
		sum += r * r
	}
	return sum
}

// search finds the model with the least squares. The sum may have a valley at each
// bound, so it is searched from the linearised fit and from both bounds.
func search(law Law, points []Point) Model {
	start := linearised(law, points)
	starts := []Model{start, {Gamma: start.Gamma, Alpha: start.Alpha}}
	if law == Universal {
		starts = append(starts, Model{Gamma: start.Gamma, Beta: max(start.Beta, 1e-6)})
	}
	var best Model
	least := math.Inf(1)
	for _, s := range starts {
		m := descend(law, s, points)
		if sum := squares(m, points); sum < least {
			best, least = m, sum
		}
	}
	return best
}

// linearised is Gunther's start: n/X(n) = c0 + c1 (n-1) + c2 n(n-1) is linear, with
// gamma = 1/c0, alpha = c1/c0, beta = c2/c0. What comes out beyond a bound is put on it.
func linearised(law Law, points []Point) Model {
	k := law.unknowns()
	var a [3][3]float64
	var b [3]float64
	for _, p := range points {
		n := float64(p.N)
		row := [3]float64{1, n - 1, n * (n - 1)}
		for i := range k {
			for j := range k {
				a[i][j] += row[i] * row[j]
			}
			b[i] += row[i] * n / p.Throughput
		}
	}
	c, ok := solve(a, b, k)
	if !ok || c[0] <= 0 {
		return Model{Gamma: points[0].Throughput / float64(points[0].N), Alpha: 0.05}
	}
	return Model{Gamma: 1 / c[0], Alpha: min(max(c[1]/c[0], 0), 1), Beta: max(c[2]/c[0], 0)}
}

const (
	stepsMax   = 200   // of a descent; ten are usual
	dampingMax = 1e12  // a step that small changes nothing any more
	gainLeast  = 1e-14 // of the sum of squares, below which a descent has arrived
)

// descend is Levenberg's and Marquardt's descent from m, within the bounds.
func descend(law Law, m Model, points []Point) Model {
	damping := 1e-3
	sum := squares(m, points)
	for step := 0; step < stepsMax && damping < dampingMax; step++ {
		a, g := normal(m, points)
		next, ok := advance(law, m, a, g, damping)
		if !ok {
			return m
		}
		now := squares(next, points)
		if !(now < sum) {
			damping *= 4
			continue
		}
		gain := sum - now
		m, sum = next, now
		damping = max(damping/8, 1e-12)
		if gain <= gainLeast*sum {
			return m
		}
	}
	return m
}

// normal has the normal equations at m: a = J'J and g = J'r, r the residuals.
func normal(m Model, points []Point) (a [3][3]float64, g [3]float64) {
	for _, p := range points {
		n := float64(p.N)
		below := 1 + m.Alpha*(n-1) + m.Beta*n*(n-1)
		x := m.Gamma * n / below
		row := [3]float64{n / below, -x * (n - 1) / below, -x * n * (n - 1) / below}
		for i := range row {
			for j := range row {
				a[i][j] += row[i] * row[j]
			}
			g[i] += row[i] * (p.Throughput - x)
		}
	}
	return a, g
}

// advance makes one damped step and keeps it within the bounds. It reports false
// where no step can be made: every unknown stands at its bound.
func advance(law Law, m Model, a [3][3]float64, g [3]float64, damping float64) (Model, bool) {
	free := []int{0}
	if !(m.Alpha <= 0 && g[1] < 0) && !(m.Alpha >= 1 && g[1] > 0) {
		free = append(free, 1)
	}
	if law == Universal && !(m.Beta <= 0 && g[2] < 0) {
		free = append(free, 2)
	}
	var sub [3][3]float64
	var right [3]float64
	for i, fi := range free {
		for j, fj := range free {
			sub[i][j] = a[fi][fj]
		}
		sub[i][i] *= 1 + damping
		right[i] = g[fi]
	}
	d, ok := solve(sub, right, len(free))
	if !ok {
		return m, false
	}
	to := [3]float64{m.Gamma, m.Alpha, m.Beta}
	for i, fi := range free {
		to[fi] += d[i]
	}
	return Model{Gamma: max(to[0], m.Gamma/10), Alpha: min(max(to[1], 0), 1), Beta: max(to[2], 0)}, true
}

// solve is Gauss's elimination of the k equations a x = b, the largest pivot first.
// It reports false where they have no single solution.
func solve(a [3][3]float64, b [3]float64, k int) (x [3]float64, ok bool) {
	for c := range k {
		pivot := c
		for r := c + 1; r < k; r++ {
			if math.Abs(a[r][c]) > math.Abs(a[pivot][c]) {
				pivot = r
			}
		}
		if a[pivot][c] == 0 || math.IsNaN(a[pivot][c]) {
			return x, false
		}
		a[c], a[pivot], b[c], b[pivot] = a[pivot], a[c], b[pivot], b[c]
		for r := c + 1; r < k; r++ {
			part := a[r][c] / a[c][c]
			for j := c; j < k; j++ {
				a[r][j] -= part * a[c][j]
			}
			b[r] -= part * b[c]
		}
	}
	for r := k - 1; r >= 0; r-- {
		x[r] = b[r]
		for j := r + 1; j < k; j++ {
			x[r] -= a[r][j] * x[j]
		}
		x[r] /= a[r][r]
	}
	return x, true
}
