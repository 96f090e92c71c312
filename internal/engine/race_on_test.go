//go:build race

package engine

import "testing"

// skipUnderRace skips a test that the detector makes much slower and can find
// nothing in: one of real processes, since it is blind to what they share, or of
// one goroutine.
func skipUnderRace(tb testing.TB) {
	tb.Helper()
	tb.Skip("nothing here for the race detector to see")
}
