package cli

import (
	"iter"
	"slices"
	"testing"
)

// count gives 0 to n-1, and notes that it has ended.
func count(n int, ended *bool) iter.Seq[int] {
	return func(yield func(int) bool) {
		defer func() { *ended = true }()
		for i := range n {
			if !yield(i) {
				return
			}
		}
	}
}

// TestAbreast has few and many items done, and leaves the loop at any of them.
func TestAbreast(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, abreastLot - 1, abreastLot, abreastLot + 1, 20 * abreastLot} {
		for _, stop := range []int{-1, 0, n / 2, n - 1} {
			var got []int
			ended := false
			for b := range abreast(count(n, &ended), func(a int) int { return a * a }) {
				got = append(got, b)
				if len(got)-1 == stop {
					break
				}
			}
			var want []int
			for i := range n {
				if want = append(want, i*i); i == stop {
					break
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("%d items, stopped at %d: got %d of %d in order", n, stop, len(got), len(want))
			}
			if !ended {
				t.Errorf("%d items, stopped at %d: somebody still reads", n, stop)
			}
		}
	}
}
