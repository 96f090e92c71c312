package workload

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tutti-run/tutti/internal/nearest"
	"github.com/tutti-run/tutti/sim"
)

// Lengths is a distribution of lengths.
type Lengths struct {
	kind string
	a, b float64 // ns; see kinds
	p    float64
}

// kinds are the distributions and what is given of each.
var kinds = map[string]struct {
	spans, numbers int
	form           string
}{
	"const":   {1, 0, "const:10ms"},
	"exp":     {1, 0, "exp:10ms, the mean"},
	"uniform": {2, 0, "uniform:5ms:15ms"},
	"pareto":  {1, 1, "pareto:10ms:1.5, the mean and the shape, above 1: the nearer to 1 the heavier the tail"},
	"bimodal": {2, 1, "bimodal:1ms:100ms:0.1, short, long, and the part that is long"},
}

// KindNames are the names of the distributions.
func KindNames() []string { return []string{"const", "exp", "uniform", "pareto", "bimodal"} }

// ParseLengths reads a distribution: its name and what belongs to it, separated by
// colons, such as exp:10ms.
func ParseLengths(s string) (l Lengths, err error) {
	parts := strings.Split(s, ":")
	kind, ok := kinds[parts[0]]
	if !ok {
		meant := ""
		if near := nearest.Of(parts[0], KindNames()); near != "" {
			meant = fmt.Sprintf(" (did you mean %s?)", near)
		}
		return l, fmt.Errorf("no distribution is called %q%s; there are %s", parts[0], meant, strings.Join(KindNames(), ", "))
	}
	if len(parts) != 1+kind.spans+kind.numbers {
		return l, fmt.Errorf("%q is no distribution: say it as in %s", s, kind.form)
	}
	l.kind = parts[0]
	for i, to := range []*float64{&l.a, &l.b}[:kind.spans] {
		d, err := ParseSpan(parts[1+i])
		if err != nil {
			return l, err
		}
		*to = float64(d)
	}
	if kind.numbers > 0 {
		if l.p, err = strconv.ParseFloat(parts[len(parts)-1], 64); err != nil {
			return l, fmt.Errorf("%q is no number: say it as in %s", parts[len(parts)-1], kind.form)
		}
	}
	switch {
	case l.kind == "pareto" && !(l.p > 1 && l.p <= 1000):
		return l, fmt.Errorf("a Pareto distribution of shape %v: above 1 to 1000 are possible, since below there is no mean", l.p)
	case l.kind == "bimodal" && !(l.p >= 0 && l.p <= 1):
		return l, fmt.Errorf("a part of %v that is long: 0 to 1 are possible", l.p)
	case kind.spans == 2 && l.b < l.a:
		return l, fmt.Errorf("%q: the second length is below the first: say it as in %s", s, kind.form)
	}
	return l, nil
}

// ParseSpan reads a length of time with its unit, as in 1.5ms.
func ParseSpan(s string) (sim.Span, error) {
	d, err := time.ParseDuration(s)
	switch {
	case err != nil:
		return 0, fmt.Errorf("%q is no length of time: say a number and its unit, ns, us, ms, s, m or h, as in 1.5ms", s)
	case d < 0:
		return 0, fmt.Errorf("%s is below 0: times are 0 or more", s)
	case sim.Span(d) > LengthMax:
		return 0, fmt.Errorf("%s is longer than %d days: that is the most", s, LengthMax/(24*sim.Hour))
	}
	return sim.Span(d), nil
}

// Draw draws a length.
func (l Lengths) Draw(chance *rand.Rand) sim.Span {
	ns := l.a
	switch l.kind {
	case "exp":
		ns = chance.ExpFloat64() * l.a
	case "uniform":
		ns = l.a + chance.Float64()*(l.b-l.a)
	case "pareto": // by inversion; its least value is mean (shape−1)/shape
		ns = l.a * (l.p - 1) / l.p * math.Pow(1-chance.Float64(), -1/l.p)
	case "bimodal":
		if chance.Float64() < l.p {
			ns = l.b
		}
	}
	return sim.Span(math.Round(min(ns, float64(LengthMax))))
}

// Draw makes a workload of n jobs. Where every is above 0 they come one by one, as a
// Poisson process: every is the mean time between two. Else all are there at the start.
func Draw(n int, l Lengths, every sim.Span, chance *rand.Rand) (*Workload, error) {
	if n < 1 || n > JobsMax {
		return nil, fmt.Errorf("%d tasks: 1 to %d are possible", n, JobsMax)
	}
	w := &Workload{Jobs: slices.Grow([]Job(nil), n)}
	at := 0.0
	for range n {
		at += chance.ExpFloat64() * float64(every)
		if at > float64(LengthMax) {
			return nil, fmt.Errorf("%d tasks, one each %.3g s, take longer than %d days: that is the most", n, float64(every)/1e9, LengthMax/(24*sim.Hour))
		}
		length := l.Draw(chance)
		w.Jobs = append(w.Jobs, Job{At: sim.Time(at), Length: length, Expected: length, CPUs: 1})
	}
	return w, nil
}
