package main

import "slices"

// summary is the middle and the spread of one contender's rounds.
type summary struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

// summarize returns the summary of xs, which must not be empty. The median of an
// even number of rounds is the mean of the two in the middle.
func summarize(xs []float64) summary {
	sorted := slices.Sorted(slices.Values(xs))
	mid := len(sorted) / 2
	median := sorted[mid]
	if len(sorted)%2 == 0 {
		median = (sorted[mid-1] + sorted[mid]) / 2
	}
	return summary{Median: median, Min: sorted[0], Max: sorted[len(sorted)-1]}
}

// paired returns, round by round, how many times as good ours was as theirs; 2
// means twice the rate or half the time. Pairing within a round cancels what the
// machine did to both of them, which dividing two medians does not. A round that
// one of them lacks gives no ratio.
func paired(ours, theirs []float64, lowerIsBetter bool) []float64 {
	n := min(len(ours), len(theirs))
	ratios := make([]float64, 0, n)
	for i := range n {
		over, under := ours[i], theirs[i]
		if lowerIsBetter {
			over, under = under, over
		}
		if under != 0 {
			ratios = append(ratios, over/under)
		}
	}
	return ratios
}
