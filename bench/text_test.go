package main

import (
	"bytes"
	"testing"
)

func TestSampleText(t *testing.T) {
	t.Parallel()
	const size = 100_000
	text := sampleText(7, size)
	if len(text) != size || !bytes.Equal(text, sampleText(7, size)) {
		t.Errorf("%d bytes, want %d, the same ones each time", len(text), size)
	}
	lines := bytes.Split(bytes.TrimSuffix(text, []byte("\n")), []byte("\n"))
	for i, line := range lines {
		if !bytes.HasPrefix(line, []byte("07 ")) && i < len(lines)-1 {
			t.Fatalf("line %d is %q, want its job in front", i, line)
		}
		if n := len(line) + 1; (n < 60 || n > 110) && i < len(lines)-1 {
			t.Fatalf("line %d has %d bytes", i, n)
		}
	}
}

func TestCheckOutput(t *testing.T) {
	t.Parallel()
	want := [][]byte{[]byte("00 a\n00 b\n"), []byte("01 c\n01 d\n")}
	for _, test := range []struct {
		name   string
		layout layout
		got    string
		ok     bool
	}{
		{"ordered", ordered, "00 a\n00 b\n01 c\n01 d\n", true},
		{"not in order", ordered, "01 c\n01 d\n00 a\n00 b\n", false},
		{"cut off", ordered, "00 a\n00 b\n01 c\n", false},
		{"grouped", grouped, "01 c\n01 d\n00 a\n00 b\n", true},
		{"not in one piece", grouped, "00 a\n01 c\n00 b\n01 d\n", false},
		{"a job is missing", grouped, "00 a\n00 b\n", false},
		{"a job comes twice", grouped, "00 a\n00 b\n00 a\n00 b\n", false},
		{"a job of none", grouped, "00 a\n00 b\nxx\n", false},
		{"tagged", tagged, "01\t01 c\n01\t01 d\n00\t00 a\n00\t00 b\n", true},
		{"a wrong tag", tagged, "01\t01 c\n00\t01 d\n00\t00 a\n00\t00 b\n", false},
		{"no tag", tagged, "01\t01 c\n01 d\n00\t00 a\n00\t00 b\n", false},
		{"whole lines", wholeLines, "00 a\n01 c\n00 b\n01 d\n", true},
		{"lines of a job in disorder", wholeLines, "00 b\n01 c\n00 a\n01 d\n", false},
		{"a torn line", wholeLines, "00 01 c\na\n00 b\n01 d\n", false},
		{"a line of nobody", wholeLines, "zz\n", false},
		{"mixed", mixed, "00 01 c\na\n00 b\n01 d\n", true},
		{"mixed and lost", mixed, "00 01 c\na\n00 b\n01 \n", false},
	} {
		if err := checkOutput(test.layout, []byte(test.got), want); (err == nil) != test.ok {
			t.Errorf("%s: error %v", test.name, err)
		}
	}
}
