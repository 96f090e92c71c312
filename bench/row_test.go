package main

import (
	"strings"
	"testing"
)

func TestTarget(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		target  target
		unit    unit
		value   float64
		text    string
		verdict string
	}{
		{"a rate", target{bound: 5e6}, tasksPerSecond, 6e6, "≥ 5.00M tasks/s", "met"},
		{"a rate too low", target{bound: 5e6}, tasksPerSecond, 4e6, "≥ 5.00M tasks/s", "MISSED"},
		{"a time", target{bound: 1}, microseconds, 1, "≤ 1.00 µs", "met"},
		{"a time too long", target{bound: 1}, milliseconds, 1.1, "≤ 1.00 ms", "MISSED"},
		{"a ratio is higher for the better, of times too", target{against: "x", bound: 7}, milliseconds, 8, "≥ 7.00x", "met"},
		{"a goal", target{against: "x", bound: 1, goal: true}, tasksPerSecond, 0.9, "≥ 1.00x", "MISSED (a goal)"},
		{"growth", target{bound: 1.1}, times, 1.2, "≤ 1.10x", "MISSED"},
	} {
		if got := test.target.text(test.unit); got != test.text {
			t.Errorf("%s: text = %q, want %q", test.name, got, test.text)
		}
		if got := test.target.verdict(test.unit, test.value); got != test.verdict {
			t.Errorf("%s: verdict = %q, want %q", test.name, got, test.verdict)
		}
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	us := contender{name: "us", kind: ours}
	for _, test := range []struct {
		name string
		row  row
		want string // a part of the error; "" for none
	}{
		{"sound", row{contenders: []contender{us, {name: "them"}}, targets: []target{{against: "them"}, {}}}, ""},
		{"the same twice", row{contenders: []contender{{name: "a"}, {name: "a"}}}, `two contenders "a"`},
		{"two of ours", row{contenders: []contender{us, {name: "b", kind: ours}}}, "2 contenders of ours"},
		{"a target against nobody", row{contenders: []contender{us}, targets: []target{{against: "them"}}}, "does not take part"},
		{"a target of nobody", row{contenders: []contender{us}, targets: []target{{of: "them"}}}, "does not take part"},
	} {
		err := test.row.validate()
		switch {
		case test.want == "" && err != nil:
			t.Errorf("%s: %v", test.name, err)
		case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
			t.Errorf("%s: error %v, want %q in it", test.name, err, test.want)
		}
	}
}
