package main

import (
	"encoding/json"
	"fmt"
)

// outcome is what a contender did: how much, in how long, and a sum of its results
// by which the work is checked. Programs print it as one line of JSON.
type outcome struct {
	N   int64 `json:"n"`
	Ns  int64 `json:"ns"`
	Sum int64 `json:"sum"`
}

// parseOutcome reads the one line that a program printed.
func parseOutcome(line []byte) (outcome, error) {
	var o outcome
	if err := json.Unmarshal(line, &o); err != nil {
		return outcome{}, fmt.Errorf("its line %q: %w", line, err)
	}
	return o, nil
}

// check reports work that was not what was asked for.
func (o outcome) check(n, sum int64) error {
	switch {
	case o.N != n:
		return fmt.Errorf("did %d tasks, not %d", o.N, n)
	case o.Sum != sum:
		return fmt.Errorf("its results sum to %d, not %d", o.Sum, sum)
	case o.Ns <= 0:
		return fmt.Errorf("took %d ns", o.Ns)
	}
	return nil
}

func (o outcome) perSecond() figure    { return figure{value: float64(o.N) / float64(o.Ns) * 1e9} }
func (o outcome) nanoseconds() figure  { return figure{value: float64(o.Ns) / float64(o.N)} }
func (o outcome) microseconds() figure { return figure{value: float64(o.Ns) / float64(o.N) / 1e3} }
func (o outcome) milliseconds() figure { return figure{value: float64(o.Ns) / float64(o.N) / 1e6} }

// sumOfAddOne is what n calls of x+1 for x from 0 sum to.
func sumOfAddOne(n int64) int64 { return n * (n + 1) / 2 }

// sumOfIDs is what the ids 0 to n-1 sum to.
func sumOfIDs(n int64) int64 { return n * (n - 1) / 2 }
