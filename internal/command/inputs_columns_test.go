package command

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestColumns(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		spec InputSpec
		in   string
		want []string
		err  string
	}{
		{InputSpec{}, " a,b ", []string{" a,b "}, ""},
		{InputSpec{Trim: "l"}, " a\v", []string{"a\v"}, ""},
		{InputSpec{Trim: "r"}, " a\v", []string{" a"}, ""},
		{InputSpec{Trim: "rl"}, " a b\r", []string{"a b"}, ""},
		{InputSpec{ColSep: ","}, " a, b,,", []string{"a", "b", "", ""}, ""},
		{InputSpec{ColSep: ",", Trim: "n"}, " a, b", []string{" a", " b"}, ""},
		{InputSpec{ColSep: `\t`}, "a\tb c", []string{"a", "b c"}, ""},
		{InputSpec{ColSep: `\s+`}, "a \t\vb", []string{"a", "b"}, ""},
		{InputSpec{ColSep: `\h`, Trim: "n"}, "a b\tc\nd", []string{"a", "b", "c\nd"}, ""},
		{InputSpec{ColSep: `[\s;]`}, "a;b\vc", []string{"a", "b", "c"}, ""},
		{InputSpec{ColSep: `\\s`}, `a\sb c`, []string{"a", "b c"}, ""},
		{InputSpec{ColSep: `,`}, "\xff,\xfe", []string{"\xff", "\xfe"}, ""},
		{InputSpec{ColSep: `[,;]`}, "\xff,\xfe;", []string{"\xff", "\xfe", ""}, ""},
		{InputSpec{ColSep: `(,)|;`}, "a,b;c", []string{"a", ",", "b", "", "c"}, ""},
		{InputSpec{ColSep: `,*`}, "a,,bc", []string{"a", "b", "c", ""}, ""},
		{InputSpec{ColSep: `|`}, "ab", []string{"a", "b", ""}, ""},
		{InputSpec{ColSep: `\|`}, "a|b", []string{"a", "b"}, ""},
		{InputSpec{ColSep: ","}, "", []string{""}, ""},
		{InputSpec{CSV: true}, `a ," b,c "`, []string{"a ", " b,c "}, ""},
		{InputSpec{CSV: true, ColSep: ";"}, `a ;"b;c"`, []string{"a", "b;c"}, ""},
		{InputSpec{CSV: true, ColSep: `\t`, Trim: "n"}, "a \tb", []string{"a ", "b"}, ""},
		{InputSpec{CSV: true}, `"a`, nil, "not closed"},
		{InputSpec{CSV: true, ColSep: `"`}, "", nil, "a quote"},
		{InputSpec{ColSep: `(?<=a),`}, "", nil, "RE2"},
		{InputSpec{ColSep: `(a)\1`}, "", nil, "back references"},
		{InputSpec{ColSep: `(`}, "", nil, "missing closing )"},
		{InputSpec{Trim: "x"}, "", nil, "--trim"},
	} {
		c, err := newColumns(tt.spec)
		var got []string
		if err == nil {
			got, err = c.split([]string{tt.in})
		}
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%+v %q: error %v, want %q", tt.spec, tt.in, err, tt.err)
			}
			continue
		}
		if err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("%+v %q: %q, %v, want %q", tt.spec, tt.in, got, err, tt.want)
		}
	}
}

// FuzzColSep checks that columns and what separates them are the whole value.
func FuzzColSep(f *testing.F) {
	f.Add(`(,)`, "a,b")
	f.Add(`[\s]*\h`, "a \v b")
	f.Fuzz(func(t *testing.T, pattern, value string) {
		c, err := newColumns(InputSpec{ColSep: pattern, Trim: "n"})
		if err != nil || pattern == "" {
			return
		}
		got, err := c.fields(value)
		if err != nil || len(got) == 0 {
			t.Fatalf("%q at %q: %q, %v", value, pattern, got, err)
		}
		if c.pattern == nil {
			return
		}
		if whole, err := regexp.Compile("(" + c.pattern.String() + ")"); err == nil && c.pattern.NumSubexp() == 0 {
			if got := strings.Join(perlSplit(whole, value), ""); got != value {
				t.Errorf("%q at %q: together %q", value, pattern, got)
			}
		}
	})
}

// jobsOf gives the values of each job, those of one with a bar between.
func jobsOf(spec InputSpec) (jobs []string, names []string, err error) {
	r, err := Open(spec)
	if err != nil {
		return nil, nil, err
	}
	defer r.Close()
	for j, err := range r.Jobs(nil) {
		if err != nil {
			return jobs, r.Names(), err
		}
		jobs = append(jobs, strings.Join(j.Args, "|"))
	}
	return jobs, r.Names(), nil
}

func TestReader(t *testing.T) {
	t.Parallel()
	open := files{
		"csv": "n,\"m \"\"x\nz\"\r\n1,\"2\n3\"\r\n", "open": "a,b\n\"c\n,d\n", "cols": "x,y,\n1,2,3\n4,5,6\n", "lines": "h\na \nb\n\n \nE\nc\n", "empty": "",
	}.open
	file := func(name string) SourceSpec { return SourceSpec{Kind: File, File: name} }
	args := func(v ...string) SourceSpec { return SourceSpec{Args: v} }
	plus := func(s SourceSpec) SourceSpec { s.Link = true; return s }
	src := func(s ...SourceSpec) []SourceSpec { return s }
	for _, tt := range []struct {
		name string
		spec InputSpec
		want []string
		head []string
		err  string
	}{
		{"csv", InputSpec{Sources: src(file("csv")), CSV: true, Header: ":"}, []string{"1|2\n3"}, []string{"n", "m \"x\nz"}, ""},
		{"csv without end", InputSpec{Sources: src(file("open")), CSV: true}, []string{"a|b"}, nil, "open, line 2: a quote that is not closed"},
		{"csv on the command line", InputSpec{Sources: src(args("a,b", "\"c\nd\",e")), CSV: true}, []string{"a|b", "c\nd|e"}, nil, ""},
		{"csv of one value", InputSpec{Sources: src(args(`"a`, `b"`)), CSV: true}, nil, nil, "not closed"},
		{"header and columns", InputSpec{Sources: src(file("cols"), args("z", "p", "q")), ColSep: ",", Header: ":"}, []string{"1|2|3|p", "1|2|3|q", "4|5|6|p", "4|5|6|q"}, []string{"x", "y", "", "z"}, ""},
		{"header of an empty source", InputSpec{Sources: src(file("empty"), args("z", "p")), Header: ":"}, []string{"|p"}, []string{"", "z"}, ""},
		{"header cuts at tabs", InputSpec{Sources: src(args("a\tb", " 1\t2")), Header: ":"}, []string{" 1|2"}, []string{"a", "b"}, ""},
		{"files' names", InputSpec{Sources: src(args("x"), file("cols")), Header: "0"}, []string{"x|x,y,", "x|1,2,3", "x|4,5,6"}, []string{"", "cols"}, ""},
		{"-L, -r, -E", InputSpec{Sources: src(file("lines")), MaxLines: 2, SkipBlank: true, EOF: "E"}, []string{"h|a b"}, nil, ""},
		{"-L at the end", InputSpec{Sources: src(args("a ", "", "\t", "b", "c ")), MaxLines: 1}, []string{"a \tb", "c "}, nil, ""},
		{"-L until -E", InputSpec{Sources: src(args("a ", "E", "b"), args("1")), MaxLines: 1, EOF: "E"}, []string{"a |1"}, nil, ""},
		{"-d on the command line", InputSpec{Sources: src(args("a,b", "c,")), Delimiter: ","}, []string{"a", "b", "c", ""}, nil, ""},
		{"-d before -0", InputSpec{Sources: src(file("cols")), Delimiter: "y,\n", Null: true}, []string{"x,", "1,2,3\n4,5,6\n"}, nil, ""},
		{"-n0", InputSpec{Sources: src(args("a", "b")), NoArgs: true, MaxArgs: 3}, []string{"", ""}, nil, ""},
		{"-n of two sources", InputSpec{Sources: src(args("a", "b"), args("1", "2")), MaxArgs: 3}, []string{"a|1|a|2|b|1", "b|2"}, nil, ""},
		{"--link", InputSpec{Sources: src(args("a", "b", "c"), args("1", "2"), args(), args("x")), Link: true}, []string{"a|1||x", "b|2||x", "c|1||x"}, nil, ""},
		{"--link of files", InputSpec{Sources: src(file("cols"), file("lines")), Link: true, EOF: "a "}, []string{"x,y,|h", "1,2,3|h", "4,5,6|h"}, nil, ""},
		{"--link of nothing", InputSpec{Sources: src(args(), file("empty")), Link: true}, nil, nil, ""},
		{":::+", InputSpec{Sources: src(args("a", "b", "c"), plus(args("1", "2")), args("X", "Y"), plus(args("x", "y", "z")))}, []string{"a|1|X|x", "a|1|Y|y", "b|2|X|x", "b|2|Y|y"}, nil, ""},
		{":::+ of three", InputSpec{Sources: src(args("0"), args("a", "b"), plus(file("cols")), plus(args("1", "2", "3")))}, []string{"0|a|x,y,|1", "0|b|1,2,3|2"}, nil, ""},
		{":::+ with an empty one", InputSpec{Sources: src(args("a", "b"), plus(args()))}, []string{"a|"}, nil, ""},
		{":::+ first", InputSpec{Sources: src(plus(args("a", "b")))}, []string{"a", "b"}, nil, ""},
		{"--skip-first-line", InputSpec{Sources: src(file("cols"), args("z", "p")), SkipFirst: true}, []string{"1,2,3|z", "1,2,3|p", "4,5,6|z", "4,5,6|p"}, nil, ""},
		{"--skip-first-line before a header", InputSpec{Sources: src(args("#!", "h", "1", "2"), args("z", "p")), SkipFirst: true, Header: ":", MaxArgs: 2}, []string{"1|p|2|p"}, []string{"h", "z"}, ""},
		{"no such file", InputSpec{Sources: src(args("a"), file("gone"))}, nil, nil, "gone"},
		{"a wrong pattern", InputSpec{ColSep: "("}, nil, nil, "column separator"},
	} {
		tt.spec.Open = open
		got, head, err := jobsOf(tt.spec)
		if !slices.Equal(got, tt.want) || !slices.Equal(head, tt.head) {
			t.Errorf("%s: %q %q, want %q %q", tt.name, got, head, tt.want, tt.head)
		}
		if tt.err == "" && err != nil || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
			t.Errorf("%s: error %v, want %q", tt.name, err, tt.err)
		}
		if n, ok := tt.spec.Count(); ok && tt.err == "" && int(n) != len(tt.want) {
			t.Errorf("%s: counts %d jobs of %d", tt.name, n, len(tt.want))
		}
	}
}

func TestCount(t *testing.T) {
	t.Parallel()
	many := make([]string, 1<<14)
	for _, tt := range []struct {
		spec InputSpec
		n    int64
		ok   bool
	}{
		{InputSpec{}, 0, false},
		{InputSpec{Sources: []SourceSpec{{Args: many}}}, 1 << 14, true},
		{InputSpec{Sources: []SourceSpec{{Args: many}, {Args: many}}, MaxArgs: 2}, 1 << 27, true},
		{InputSpec{Sources: []SourceSpec{{Args: many}, {Args: many}, {Args: many}}}, 0, false},
		{InputSpec{Sources: []SourceSpec{{Args: many}, {Args: many, Link: true}, {Args: many, Link: true}}}, 1 << 14, true},
		{InputSpec{Sources: []SourceSpec{{Args: many}}, SkipBlank: true}, 0, true},
		{InputSpec{Sources: []SourceSpec{{Args: many}}, Batch: Fill}, 0, false},
		{InputSpec{Sources: []SourceSpec{{Args: many}, {Kind: File, File: "x"}}}, 0, false},
		{InputSpec{Sources: []SourceSpec{{Args: many}}, ColSep: "("}, 0, false},
	} {
		if n, ok := tt.spec.Count(); n != tt.n || ok != tt.ok {
			t.Errorf("%d sources: %d %v, want %d %v", len(tt.spec.Sources), n, ok, tt.n, tt.ok)
		}
	}
}

func TestShuffle(t *testing.T) {
	t.Parallel()
	var in []string
	for i := range 500 {
		in = append(in, fmt.Sprintf("%d\x01\xff", i))
	}
	spec := InputSpec{Sources: []SourceSpec{{Args: in}, {Args: []string{"", "y"}}}, Shuffle: true, Seed: 7, MaxArgs: 2}
	first, _, err := jobsOf(spec)
	if err != nil || len(first) != 500 {
		t.Fatal(len(first), err)
	}
	again, _, _ := jobsOf(spec)
	spec.Seed = 8
	other, _, _ := jobsOf(spec)
	if !slices.Equal(first, again) || slices.Equal(first, other) {
		t.Error("the seed does not decide the order")
	}
	spec.Shuffle, spec.MaxArgs = false, 1
	sorted, _, _ := jobsOf(spec)
	spec.Shuffle = true
	mixed, _, _ := jobsOf(spec)
	if slices.Equal(sorted, mixed) {
		t.Error("not shuffled")
	}
	slices.Sort(sorted)
	slices.Sort(mixed)
	if !slices.Equal(sorted, mixed) {
		t.Error("a record is lost or there twice")
	}
}

func TestShuffleOnDisk(t *testing.T) {
	t.Parallel()
	asked := 0
	s := newSpool(t.TempDir(), 100)
	defer s.close()
	if err := s.fill(numbers(2000, &asked)); err != nil || s.file == nil || s.memory != nil {
		t.Fatalf("%v, file %v, %d bytes in memory", err, s.file, len(s.memory))
	}
	next := s.shuffled(1)
	seen := make(map[string]bool)
	for {
		record, err := next()
		if err != nil {
			t.Fatal(err)
		}
		if record == nil {
			break
		}
		seen[record[0]] = true
	}
	if len(seen) != 2000 {
		t.Errorf("%d records of 2000", len(seen))
	}
	full := newSpool(t.TempDir()+"/gone", 0)
	asked = 0
	if err := full.fill(numbers(1, &asked)); err == nil || !strings.Contains(err.Error(), "--tmpdir") {
		t.Errorf("error %v, want one that names --tmpdir", err)
	}
}
