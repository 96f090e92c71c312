package cli

import "testing"

func TestPrecedence(t *testing.T) {
	t.Parallel()
	var p precedence
	runs := func(tickets ...uint64) map[uint64]bool {
		m := map[uint64]bool{}
		for _, t := range tickets {
			m[t] = true
		}
		return m
	}
	for _, c := range []struct {
		runs map[uint64]bool
		want uint64
	}{{runs(), 1}, {runs(1), 2}, {runs(2), 1}, {runs(1, 2), 3}} {
		if got := p.owed(c.runs); got != c.want {
			t.Errorf("while %v run, %d is owed, want %d", c.runs, got, c.want)
		}
	}
	p.add(2)
	p.add(0)
	if p.upTo != 0 || p.owed(runs(3, 4)) != 1 || p.owed(runs(1, 3, 4)) != 5 {
		t.Errorf("the first is owed still: %+v", p)
	}
	p.add(1)
	p.add(1)
	if p.upTo != 2 || len(p.later) != 0 || p.owed(runs(3, 4)) != 5 {
		t.Errorf("nothing is owed: %+v", p)
	}
}
