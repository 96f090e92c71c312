package main

import (
	"slices"
	"testing"
)

func TestSummarize(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		xs   []float64
		want summary
	}{
		{"one", []float64{3}, summary{Median: 3, Min: 3, Max: 3}},
		{"odd, unsorted", []float64{9, 1, 5}, summary{Median: 5, Min: 1, Max: 9}},
		{"even", []float64{4, 1, 2, 100}, summary{Median: 3, Min: 1, Max: 100}},
	} {
		given := slices.Clone(test.xs)
		if got := summarize(test.xs); got != test.want {
			t.Errorf("%s: summarize(%v) = %+v, want %+v", test.name, test.xs, got, test.want)
		}
		if !slices.Equal(given, test.xs) {
			t.Errorf("%s: the rounds were reordered to %v", test.name, test.xs)
		}
	}
}

func TestPaired(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name          string
		ours, theirs  []float64
		lowerIsBetter bool
		want          []float64
	}{
		{"rates", []float64{10, 20}, []float64{5, 40}, false, []float64{2, 0.5}},
		{"times", []float64{10, 20}, []float64{5, 40}, true, []float64{0.5, 2}},
		{"a round is missing", []float64{10, 20}, []float64{5}, false, []float64{2}},
		{"nobody ran", nil, []float64{5}, false, []float64{}},
		{"no division by zero", []float64{10, 20}, []float64{0, 10}, false, []float64{2}},
	} {
		if got := paired(test.ours, test.theirs, test.lowerIsBetter); !slices.Equal(got, test.want) {
			t.Errorf("%s: paired = %v, want %v", test.name, got, test.want)
		}
	}
}

// A machine that slows down in one round changes both medians but no ratio.
func TestPairedCancelsDrift(t *testing.T) {
	t.Parallel()
	ratios := paired([]float64{100, 20, 60}, []float64{50, 10, 30}, false)
	if got := summarize(ratios); got != (summary{Median: 2, Min: 2, Max: 2}) {
		t.Errorf("ratios %v, want 2 in every round", ratios)
	}
}
