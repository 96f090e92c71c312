package main

import (
	"context"
	"errors"
	"slices"
	"testing"
)

// script is a contender whose rounds give the figures listed, and fail after them.
func script(name string, k kind, diary *[]string, figures ...float64) contender {
	round := 0
	return contender{name: name, kind: k, round: func(context.Context) (figure, error) {
		*diary = append(*diary, name)
		if round == len(figures) {
			return figure{}, errors.New("broke down")
		}
		round++
		return figure{value: figures[round-1], note: "ran"}, nil
	}}
}

func silent(string) {}

func TestMeasureTakesTurns(t *testing.T) {
	t.Parallel()
	var diary []string
	r := row{name: "row", unit: tasksPerSecond, contenders: []contender{
		script("us", ours, &diary, 10, 20, 30),
		script("them", peer, &diary, 5, 20, 10),
	}, targets: []target{{bound: 15}, {against: "them", bound: 3}}}
	res := measure(t.Context(), &r, 3, silent)
	if want := []string{"us", "them", "them", "us", "us", "them"}; !slices.Equal(diary, want) {
		t.Errorf("turns %v, want %v", diary, want)
	}
	us, them := res.Lines[0], res.Lines[1]
	if us.Median != 20 || us.Verdict != "met" || us.Ratio != 0 {
		t.Errorf("ours: %+v", us)
	}
	if them.Ratio != 2 || them.Verdict != "MISSED" || them.Target != "≥ 3.00x" {
		t.Errorf("theirs: %+v", them)
	}
}

func TestTargetsOfOthers(t *testing.T) {
	t.Parallel()
	var diary []string
	r := row{unit: percent, contenders: []contender{script("us", ours, &diary, 9), script("them", peer, &diary, 4)},
		targets: []target{{bound: 5}, {of: "them", bound: 5}}}
	res := measure(t.Context(), &r, 1, silent)
	if us, them := res.Lines[0], res.Lines[1]; us.Verdict != "MISSED" || them.Verdict != "met" || them.Target != "≤ 5.00 %" {
		t.Errorf("ours: %+v, theirs: %+v", us, them)
	}
}

func TestMeasureLeavesOut(t *testing.T) {
	t.Parallel()
	var diary []string
	gone := script("gone", peer, &diary)
	gone.ready = func(context.Context) (string, error) { return "", errors.New("install it") }
	versioned := script("us", ours, &diary, 10, 20)
	versioned.ready = func(context.Context) (string, error) { return "1.2", nil }
	r := row{unit: tasksPerSecond, contenders: []contender{versioned, gone, script("fragile", peer, &diary, 5)},
		targets: []target{{against: "gone", bound: 1}, {against: "fragile", bound: 1}}}
	res := measure(t.Context(), &r, 2, silent)
	us, missing, failed := res.Lines[0], res.Lines[1], res.Lines[2]
	if us.Version != "1.2" || us.Median != 15 {
		t.Errorf("ours: %+v", us)
	}
	if missing.Missing != "install it" || missing.Verdict != "" {
		t.Errorf("missing: %+v", missing)
	}
	if failed.Failed != "broke down" || len(failed.Rounds) != 0 || failed.Note != "" || failed.Ratio != 0 || failed.Verdict != "" {
		t.Errorf("failed: %+v", failed)
	}
	if slices.Contains(diary, "gone") {
		t.Error("a missing contender ran")
	}
}

func TestMeasureStops(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	var diary []string
	stopper := contender{name: "stopper", round: func(context.Context) (figure, error) {
		cancel()
		return figure{value: 1}, nil
	}}
	r := row{contenders: []contender{stopper, script("next", peer, &diary, 1)}}
	res := measure(ctx, &r, 5, silent)
	if len(diary) != 0 {
		t.Errorf("ran %v after the end", diary)
	}
	for i, want := range []string{"not measured: stopper", "not measured: next"} {
		if got := res.Lines[i].absence(); got != want {
			t.Errorf("line %d says %q, want %q", i, got, want)
		}
	}
}

func TestMeasureBeside(t *testing.T) {
	t.Parallel()
	given := []float64{3, 1, 2}
	r := row{beside: "CPU", contenders: []contender{{name: "us", kind: ours, round: func(context.Context) (figure, error) {
		f := figure{value: 1, beside: given[0]}
		given = given[1:]
		return f, nil
	}}}}
	res := measure(t.Context(), &r, 3, silent)
	if l := res.Lines[0]; res.Beside != "CPU" || l.BesideMedian != 2 || len(l.Beside) != 3 {
		t.Errorf("%q: %+v", res.Beside, l)
	}
}

func TestMeasureMaxRounds(t *testing.T) {
	t.Parallel()
	var diary []string
	r := row{contenders: []contender{script("us", ours, &diary, 1, 2, 3)}, maxRounds: 2}
	if measure(t.Context(), &r, 5, silent); len(diary) != 2 {
		t.Errorf("%d rounds, want 2", len(diary))
	}
}
