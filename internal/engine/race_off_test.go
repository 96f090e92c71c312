//go:build !race

package engine

import "testing"

func skipUnderRace(testing.TB) {}
