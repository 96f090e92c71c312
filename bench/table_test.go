package main

import (
	"strings"
	"testing"
)

func TestFormatFigure(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		x    float64
		want string
	}{
		{0, "0"}, {0.00123, "0.0012"}, {0.1234, "0.123"}, {1, "1.00"}, {9.996, "10.00"},
		{12.34, "12.3"}, {123.4, "123"}, {1234, "1234"}, {9994, "9994"}, {9995, "9.99k"},
		{12345, "12.3k"}, {123456, "123k"}, {5.123e6, "5.12M"}, {16.3e6, "16.3M"},
	} {
		if got := formatFigure(test.x); got != test.want {
			t.Errorf("formatFigure(%v) = %q, want %q", test.x, got, test.want)
		}
	}
}

// sample has a line of each sort.
var sample = result{Row: "calls", Title: "one call", Unit: "µs", Lines: []line{
	{Contender: "tutti", Kind: ours, Rounds: []float64{1, 2}, summary: summary{1.5, 1, 2}, Target: "≤ 1.00 µs", Verdict: "MISSED"},
	{Contender: "futex", Kind: floor, Rounds: []float64{0.5, 0.5}, summary: summary{0.5, 0.5, 0.5}, Ratio: 0.333, Note: "a|note"},
	{Contender: "rush", Kind: peer, Missing: "install it"},
	{Contender: "pool", Version: "3.1", Kind: peer, Failed: "broke\ndown"},
}}

func TestWriteText(t *testing.T) {
	t.Parallel()
	var got strings.Builder
	if err := writeText(&got, sample); err != nil {
		t.Fatal(err)
	}
	want := strings.Join([]string{
		"calls: one call",
		"         who    µs (median)  min to max      tutti is  target            note",
		"  tutti  tutti  1.50         1.00 to 2.00              ≤ 1.00 µs MISSED",
		"  floor  futex  0.500        0.500 to 0.500  0.333x                      a|note",
		"  missing: rush: install it",
		"  failed: pool 3.1: broke down",
		"", "",
	}, "\n")
	if got.String() != want {
		t.Errorf("got\n%s\nwant\n%s", got.String(), want)
	}
}

func TestWriteMarkdown(t *testing.T) {
	t.Parallel()
	var got strings.Builder
	if err := writeMarkdown(&got, sample); err != nil {
		t.Fatal(err)
	}
	want := strings.Join([]string{
		"### calls", "", "one call", "",
		"|  | who | µs (median) | min to max | tutti is | target | note |",
		"|---|---|---|---|---|---|---|",
		"| tutti | tutti | 1.50 | 1.00 to 2.00 |  | ≤ 1.00 µs MISSED |  |",
		`| floor | futex | 0.500 | 0.500 to 0.500 | 0.333x |  | a\|note |`,
		"",
		"- missing: rush: install it",
		"- failed: pool 3.1: broke down",
		"", "",
	}, "\n")
	if got.String() != want {
		t.Errorf("got\n%s\nwant\n%s", got.String(), want)
	}
}

func TestBesideColumn(t *testing.T) {
	t.Parallel()
	r := result{Row: "starts", Title: "starts", Unit: "commands/s", Beside: "CPU", Lines: []line{
		{Contender: "tutti", Kind: ours, Rounds: []float64{1}, summary: summary{1, 1, 1}, Beside: []float64{0.5}, BesideMedian: 0.5},
		{Contender: "loop", Kind: floor, Rounds: []float64{1}, summary: summary{1, 1, 1}},
	}}
	var got strings.Builder
	if err := writeMarkdown(&got, r); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"|  | who | commands/s (median) | min to max | CPU | tutti is | target | note |\n",
		"| tutti | tutti | 1.00 | 1.00 to 1.00 | 0.500 |  |  |  |\n",
		"| floor | loop | 1.00 | 1.00 to 1.00 |  |  |  |  |\n",
	} {
		if !strings.Contains(got.String(), want) {
			t.Errorf("got\n%s\nwant in it\n%s", got.String(), want)
		}
	}
}
