package main

import "testing"

func TestParseOutcome(t *testing.T) {
	t.Parallel()
	got, err := parseOutcome([]byte(`{"n": 4, "ns": 2000, "sum": 10}` + "\n"))
	if want := (outcome{N: 4, Ns: 2000, Sum: 10}); err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
	for _, line := range []string{"", "nonsense", `{"n": "four"}`, "{} {}"} {
		if _, err := parseOutcome([]byte(line)); err == nil {
			t.Errorf("parseOutcome(%q) gave no error", line)
		}
	}
}

func TestOutcomeCheck(t *testing.T) {
	t.Parallel()
	if err := (outcome{N: 4, Ns: 1, Sum: sumOfAddOne(4)}).check(4, 1+2+3+4); err != nil {
		t.Error(err)
	}
	if err := (outcome{N: 4, Ns: 1, Sum: sumOfIDs(4)}).check(4, 0+1+2+3); err != nil {
		t.Error(err)
	}
	for _, bad := range []outcome{{N: 3, Ns: 1, Sum: 10}, {N: 4, Ns: 1, Sum: 9}, {N: 4, Sum: 10}} {
		if bad.check(4, 10) == nil {
			t.Errorf("%+v passed for 4 tasks that sum to 10", bad)
		}
	}
}

func TestOutcomeFigures(t *testing.T) {
	t.Parallel()
	o := outcome{N: 4, Ns: 2_000_000}
	if got := o.perSecond().value; got != 2000 {
		t.Errorf("perSecond = %v, want 2000", got)
	}
	if got := o.microseconds().value; got != 500 {
		t.Errorf("microseconds = %v, want 500", got)
	}
	if got := o.milliseconds().value; got != 0.5 {
		t.Errorf("milliseconds = %v, want 0.5", got)
	}
}
