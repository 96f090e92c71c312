package command

import (
	"slices"
	"strings"
	"testing"
)

func TestParseDelimiter(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		",": ",", `\n`: "\n", `\t`: "\t", `\0`: "\x00", `\000`: "\x00", `\054`: ",", `\x2c`: ",", `\x2C;`: ",;", `\r\n`: "\r\n",
		`\\`: `\`, `\`: `\`, `a\`: `a\`, `\q`: `\q`, `\x`: `\x`, `\xg`: `\xg`, `\400`: `\400`, `\1234`: "S4", "é": "é", "\xff": "\xff", "::": "::",
		`\8`: `\8`, `\a\b\f\v\e`: "\a\b\f\v\x1b",
	} {
		if got, err := ParseDelimiter(in); err != nil || got != want {
			t.Errorf("%q: %q, %v, want %q", in, got, err, want)
		}
	}
	if _, err := ParseDelimiter(""); err == nil || !strings.Contains(err.Error(), "-0") {
		t.Errorf("error %v, want one that names -0", err)
	}
}

func FuzzParseDelimiter(f *testing.F) {
	f.Add(`\x2c`)
	f.Add(`\`)
	f.Fuzz(func(t *testing.T, s string) {
		got, err := ParseDelimiter(s)
		if (err != nil) != (s == "") || len(got) > len(s) || err == nil && got == "" {
			t.Errorf("%q: %q, %v", s, got, err)
		}
		if !strings.Contains(s, `\`) && got != s {
			t.Errorf("%q: %q", s, got)
		}
	})
}

// FuzzDelimiter cuts text at a delimiter as strings.Split does.
func FuzzDelimiter(f *testing.F) {
	f.Add("a::b:c::", "::")
	f.Add("aab", "ab")
	f.Fuzz(func(t *testing.T, text, delimiter string) {
		if delimiter == "" || strings.Contains(text, "\x00") {
			return
		}
		var got []string
		for j, err := range Inputs(InputSpec{Stdin: strings.NewReader(text), Delimiter: delimiter}) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, j.Args...)
		}
		want := strings.Split(text, delimiter)
		if want[len(want)-1] == "" {
			want = want[:len(want)-1]
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q at %q: %q, want %q", text, delimiter, got, want)
		}
	})
}

// FuzzContinuedLines checks -L: nothing is lost, and what ends in a blank goes on.
func FuzzContinuedLines(f *testing.F) {
	f.Add("a \nb\n", false)
	f.Add(" \n\n\t\nx", true)
	f.Fuzz(func(t *testing.T, text string, skip bool) {
		if strings.Contains(text, "\x00") {
			return
		}
		var got []string
		for j, err := range Inputs(InputSpec{Stdin: strings.NewReader(text), MaxLines: 1, SkipBlank: skip}) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, j.Args...)
		}
		for i, v := range got {
			if endsInBlank(v) && i < len(got)-1 {
				t.Errorf("%q: %q does not go on", text, v)
			}
			if skip && strings.Trim(v, blanks) == "" {
				t.Errorf("%q: %q is blank", text, v)
			}
		}
		if all := strings.ReplaceAll(text, "\n", ""); !skip && strings.Join(got, "") != all {
			t.Errorf("%q: %q", text, got)
		}
	})
}

// TestLongContinuation would take minutes if each line were copied anew.
func TestLongContinuation(t *testing.T) {
	t.Parallel()
	for _, n := range []int{JoinedBytesMax / 2, JoinedBytesMax} {
		r, err := Open(InputSpec{Stdin: strings.NewReader(strings.Repeat("a \n", n) + "b"), MaxLines: 1, SkipBlank: true})
		if err != nil {
			t.Fatal(err)
		}
		jobs := 0
		for j, e := range r.Jobs(nil) {
			if err = e; err == nil && len(j.Args[0]) == JoinedBytesMax+1 {
				jobs++
			}
		}
		if n == JoinedBytesMax/2 && (err != nil || jobs != 1) || n == JoinedBytesMax && (err == nil || !strings.Contains(err.Error(), "-n")) {
			t.Errorf("%d lines: %d jobs, %v", n, jobs, err)
		}
	}
}

func TestCarriageReturnsAreNoticed(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		spec  InputSpec
		text  string
		warns int
	}{
		{InputSpec{}, "a\r\nb\r\nc\r\nd\r\n", 1},
		{InputSpec{}, "a\r\nb\r\n", 0},
		{InputSpec{}, "a\r\nb\nc\r\nd\r\n", 0},
		{InputSpec{Null: true}, "a\r\x00b\r\x00c\r\x00", 0},
		{InputSpec{Delimiter: "\r\n"}, "a\r\nb\r\nc\r\n", 0},
	} {
		var warned []string
		tt.spec.Warn = func(text string) { warned = append(warned, text) }
		tt.spec.Stdin = strings.NewReader(tt.text)
		if _, _, err := jobsOf(tt.spec); err != nil || len(warned) != tt.warns {
			t.Errorf("%q: %q, %v", tt.text, warned, err)
		}
	}
}
