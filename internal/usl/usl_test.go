package usl

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

func points(m Model, ns ...int) []Point {
	var p []Point
	for _, n := range ns {
		p = append(p, Point{n, m.At(float64(n))})
	}
	return p
}

func near(t *testing.T, what string, got, want, within float64) {
	t.Helper()
	if !(math.Abs(got-want) <= within) {
		t.Errorf("%s is %v, want %v to within %v", what, got, want, within)
	}
}

// Measurements that follow the law exactly give back what they were made of, at the
// bounds and within them, for any unit of throughput.
func TestFindsWhatItWasMadeOf(t *testing.T) {
	t.Parallel()
	for _, gamma := range []float64{1e-3, 7, 1e7} {
		for _, alpha := range []float64{0, 0.001, 0.05, 0.4, 1} {
			for _, beta := range []float64{0, 1e-5, 0.002, 0.1} {
				m := Model{gamma, alpha, beta}
				t.Run(fmt.Sprintf("%+v", m), func(t *testing.T) {
					f, err := New(Universal, points(m, 1, 2, 3, 4, 6, 8, 16, 32))
					if err != nil {
						t.Fatal(err)
					}
					near(t, "gamma", f.Gamma/gamma, 1, 1e-5)
					near(t, "alpha", f.Alpha, alpha, 1e-5)
					near(t, "beta", f.Beta, beta, 1e-6)
				})
			}
		}
	}
}

// SPEC SDM91 on a Sun SPARCcenter 2000, October 1994 (spec.org/osg/sdm91/results), the
// data set specsdm91 of the R package usl. Expected is what that package's version 3
// prints (smoeding/usl, tests/usl-nlxb.Rout.save): another method, the same minimum.
func TestSDM91(t *testing.T) {
	t.Parallel()
	f, err := New(Universal, []Point{{1, 64.9}, {18, 995.9}, {36, 1652.4}, {72, 1853.2}, {108, 1828.9}, {144, 1775.0}, {216, 1702.2}})
	if err != nil {
		t.Fatal(err)
	}
	near(t, "gamma", f.Gamma, 89.9952330, 1e-3)
	near(t, "alpha", f.Alpha, 0.0277285, 1e-6)
	near(t, "beta", f.Beta, 0.0001044, 1e-7)
	near(t, "n*", f.Peak(), 96.5, 0.1)
	near(t, "the residuals' standard error", f.StdError, 82.8, 0.05)
	near(t, "R squared", f.RSquared, 0.99, 0.001)
	// Student's interval with 4 degrees of freedom is 0.0277 ± 2.776 × 0.00912. The draws'
	// knows that the curve is not linear: alpha may be larger more easily than smaller.
	low, high := f.Draws(2000, rand.New(rand.NewPCG(1, 2))).Interval(0.95, func(m Model) float64 { return m.Alpha })
	near(t, "alpha's lower end", low, 0.0024, 0.008)
	near(t, "alpha's upper end", high, 0.0640, 0.012)
}

// A ray tracer on an SGI Origin 2000 with 64 processors, from Gunther, Guerrilla
// Capacity Planning, chapter 5; the data set raytracer of the same package, with what
// tests/confint.Rout.save has. Here beta stands at its bound.
func TestRayTracer(t *testing.T) {
	t.Parallel()
	f, err := New(Universal, []Point{{1, 20}, {4, 78}, {8, 130}, {12, 170}, {16, 190}, {20, 200}, {24, 210}, {28, 230}, {32, 260}, {48, 280}, {64, 310}})
	if err != nil {
		t.Fatal(err)
	}
	near(t, "gamma", f.Gamma, 21.8488, 1e-3)
	near(t, "alpha", f.Alpha, 0.0578, 1e-4)
	near(t, "beta", f.Beta, 0, 1e-9)
	amdahl, err := New(Amdahl, f.Points)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "Amdahl's serial part", amdahl.Alpha, f.Alpha, 1e-6)
}

// Of a hundred noisy measurements of a known curve about 95 intervals must hold it.
func TestIntervalsHoldTheTruth(t *testing.T) {
	t.Parallel()
	truth := Model{100, 0.08, 0.002}
	chance := rand.New(rand.NewPCG(7, 7))
	held := map[string]int{}
	for range 100 {
		var measured []Point
		for _, n := range []int{1, 2, 3, 4, 6, 8, 12, 16, 24, 32} {
			measured = append(measured, Point{n, truth.At(float64(n)) + 12*chance.NormFloat64()})
		}
		f, err := New(Universal, measured)
		if err != nil {
			t.Fatal(err)
		}
		draws := f.Draws(200, chance)
		for name, of := range map[string]func(Model) float64{
			"alpha": func(m Model) float64 { return m.Alpha },
			"beta":  func(m Model) float64 { return m.Beta },
			"n*":    Model.Peak,
		} {
			if low, high := draws.Interval(0.95, of); low <= of(truth) && of(truth) <= high {
				held[name]++
			}
		}
	}
	for _, name := range []string{"alpha", "beta", "n*"} {
		if held[name] < 87 {
			t.Errorf("%s was in %d of 100 intervals of 95 %%", name, held[name])
		}
	}
}

func TestTooFew(t *testing.T) {
	t.Parallel()
	one := Model{10, 0.1, 0}
	for _, c := range []struct {
		law  Law
		ns   []int
		says string
	}{
		{Universal, []int{1, 2, 4}, "the Universal Scalability Law has 3 unknowns and 3 numbers of workers were measured"},
		{Universal, []int{1, 1, 1, 1, 1}, "3 unknowns and 1 number of workers was measured"},
		{Amdahl, []int{1, 2, 2, 2}, "Amdahl's law has 2 unknowns and 2 numbers of workers were measured"},
	} {
		_, err := New(c.law, points(one, c.ns...))
		var few *TooFewError
		if !errors.As(err, &few) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%v of %v: %v, want %q", c.law, c.ns, err, c.says)
		}
	}
	for _, p := range []Point{{0, 1}, {1, 0}, {1, -3}, {1, math.NaN()}, {1, math.Inf(1)}} {
		var bad *PointError
		if _, err := New(Amdahl, append(points(one, 1, 2, 3), p)); !errors.As(err, &bad) {
			t.Errorf("%+v was taken for a measurement: %v", p, err)
		}
	}
}

func TestModel(t *testing.T) {
	t.Parallel()
	m := Model{Gamma: 10, Alpha: 0.1, Beta: 0.01}
	near(t, "X(1)", m.At(1), 10, 1e-12)
	near(t, "X(5)", m.At(5), 50/1.6, 1e-12)
	near(t, "n*", m.Peak(), math.Sqrt(90), 1e-12)
	near(t, "the limit", m.Limit(), 10, 1e-12)
	if straight := (Model{Gamma: 1}); !math.IsInf(straight.Peak(), 1) || !math.IsInf(straight.Limit(), 1) {
		t.Error("a straight line has no peak and no limit")
	}
	if p := (Model{1, 0.5, 2}).Peak(); p != 1 {
		t.Errorf("where two do less than one the peak is 1 worker, not %v", p)
	}
	for _, c := range []struct {
		low, high int
		give      float64
		want      int
	}{{1, 100, 0, 9}, {1, 4, 0, 4}, {1, 100, 0.02, 8}, {20, 30, 0, 20}, {3, 3, 0, 3}} {
		if got := m.Best(c.low, c.high, c.give); got != c.want {
			t.Errorf("best of %d to %d, giving up %v, is %d, want %d", c.low, c.high, c.give, got, c.want)
		}
	}
}

func TestLevels(t *testing.T) {
	t.Parallel()
	got := Levels([]Point{{4, 30}, {1, 10}, {1, 12}, {4, 34}, {4, 33}})
	want := []Level{{1, 11, 10, 12, 1, 1}, {4, 33, 30, 34, 3, 0.75}}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("levels %v, want %v", got, want)
	}
	if l := Levels([]Point{{2, 10}})[0]; l.Speedup != 0 || l.Efficiency != 0 {
		t.Errorf("without one worker no speed-up is known, yet %+v", l)
	}
}

// The descent takes no draw for a reason to run away.
func TestWildDraws(t *testing.T) {
	t.Parallel()
	f, err := New(Universal, []Point{{1, 5}, {2, 100}, {3, 2}, {4, 50}})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range f.Draws(300, rand.New(rand.NewPCG(3, 1))) {
		if !(m.Gamma > 0) || math.IsInf(m.Gamma, 0) || !(m.Alpha >= 0 && m.Alpha <= 1) || !(m.Beta >= 0) || math.IsInf(m.Beta, 0) {
			t.Fatalf("a draw is %+v", m)
		}
	}
}

func BenchmarkDraws(b *testing.B) {
	f, err := New(Universal, points(Model{100, 0.08, 0.002}, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32))
	if err != nil {
		b.Fatal(err)
	}
	f.StdError = 3
	chance := rand.New(rand.NewPCG(1, 1))
	for b.Loop() {
		f.Draws(1000, chance)
	}
}
