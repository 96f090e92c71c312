package core

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestMedianExact(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in   []Span
		want Span
	}{
		{nil, 0}, {[]Span{7}, 7}, {[]Span{9, 3}, 3}, {[]Span{9, 10, 100}, 10}, {[]Span{4, 3, 2, 1}, 2}, {[]Span{-5, 1, 1}, 1},
	} {
		var m Median
		for _, s := range c.in {
			m.Add(s)
		}
		if got := m.Value(); got != c.want || m.Count() != uint64(len(c.in)) {
			t.Errorf("median of %v = %d of %d, want %d", c.in, got, m.Count(), c.want)
		}
	}
}

// TestMedianError compares with sorting, for values over all magnitudes and in
// several orders, on both sides of the step from exact to counted.
func TestMedianError(t *testing.T) {
	t.Parallel()
	for seed := range uint64(40) {
		random := rand.New(rand.NewPCG(seed, 1))
		var m Median
		var all []Span
		n := 1000 + random.IntN(2000)
		for i := range n {
			s := Span(math.Exp(random.Float64() * 43))
			switch seed % 3 {
			case 1:
				s = Span(i * 1000) // sorted
			case 2:
				s = Span((n - i) * i) // up and down
			}
			all = append(all, s)
			m.Add(s)
		}
		slices.Sort(all)
		want := all[(n-1)/2]
		bound := float64(want) / 128
		if n <= medianExact {
			bound = 0
		}
		if got := m.Value(); math.Abs(float64(got-want)) > bound {
			t.Errorf("seed %d: median of %d values is %d, said %d", seed, n, want, got)
		}
	}
}

func TestMedianBuckets(t *testing.T) {
	t.Parallel()
	last := -1
	check := func(s Span) {
		b := bucketOf(s)
		if b < last || b > last+1 && s < 1<<16 || b >= medianBuckets {
			t.Fatalf("bucketOf(%d) = %d after %d", s, b, last)
		}
		if mid := middleOf(b); bucketOf(mid) != b || math.Abs(float64(mid-s)) > float64(s)/128 {
			t.Fatalf("middleOf(%d) = %d for %d", b, mid, s)
		}
		last = b
	}
	for s := range Span(1 << 16) {
		check(s)
	}
	for shift := 16; shift < 63; shift++ {
		check(1 << shift)
		check(1<<shift + 1<<(shift-1) + 1)
	}
	check(math.MaxInt64)
	if last != medianBuckets-1 {
		t.Errorf("the last bucket is %d of %d", last, medianBuckets)
	}
}

func TestTimeoutLimit(t *testing.T) {
	t.Parallel()
	var none, one, tiny, huge Median
	one.Add(10 * Second)
	tiny.Add(Millisecond)
	huge.Add(maxTimeout)
	for _, c := range []struct {
		rule   string
		median *Median
		want   Span
		ok     bool
	}{
		{"0", &one, 0, false}, {"5", &one, 5 * Second, true}, {"5", &none, 5 * Second, true},
		{"300%", &none, 0, false}, {"300%", &one, 30 * Second, true}, {"150.5%", &one, 15*Second + 50*Millisecond, true},
		{"300%", &tiny, Second, true}, {"999999%", &huge, maxTimeout, true},
	} {
		rule, err := ParseTimeoutRule(c.rule)
		if got, ok := rule.Limit(c.median); err != nil || got != c.want || ok != c.ok {
			t.Errorf("%s of %d: %d, %v, %v; want %d, %v", c.rule, c.median.Value(), got, ok, err, c.want, c.ok)
		}
	}
}
