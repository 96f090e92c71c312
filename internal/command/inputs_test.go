package command

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestSplitArgs(t *testing.T) {
	t.Parallel()
	args := func(v ...string) SourceSpec { return SourceSpec{Kind: Args, Args: v} }
	file := func(name string) SourceSpec { return SourceSpec{Kind: File, File: name} }
	linked := func(s SourceSpec) SourceSpec { s.Link = true; return s }
	for _, tt := range []struct {
		argv    string
		command string
		sources []SourceSpec
		err     string
	}{
		{"", "", nil, ""},
		{"gzip -9 {}", "gzip -9 {}", nil, ""},
		{"gzip ::: a b", "gzip", []SourceSpec{args("a", "b")}, ""},
		{"::: a", "", []SourceSpec{args("a")}, ""},
		{"x :::", "x", []SourceSpec{args()}, ""},
		{"x ::: ::: a", "x", []SourceSpec{args(), args("a")}, ""},
		{"x ::: a :::: f - ::: b c", "x", []SourceSpec{args("a"), file("f"), file("-"), args("b", "c")}, ""},
		{"x ::::", "", nil, "no file name"},
		{"x :::: ::: a", "", nil, "no file name"},
		{"x ::: a :::+ b", "x", []SourceSpec{args("a"), linked(args("b"))}, ""},
		{"x ::: a ::::+ b c", "x", []SourceSpec{args("a"), linked(file("b")), linked(file("c"))}, ""},
		{"x ::::+", "", nil, "no file name"},
		{"x ::: a ::::: :", "x", []SourceSpec{args("a", ":::::", ":")}, ""},
	} {
		command, sources, err := SplitArgs(strings.Fields(tt.argv))
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%q: error %v, want %q", tt.argv, err, tt.err)
			}
			continue
		}
		same := slices.EqualFunc(sources, tt.sources, func(a, b SourceSpec) bool {
			return a.Kind == b.Kind && a.File == b.File && a.Link == b.Link && slices.Equal(a.Args, b.Args)
		})
		if err != nil || strings.Join(command, " ") != tt.command || !same {
			t.Errorf("%q: %q %+v %v, want %q %+v", tt.argv, command, sources, err, tt.command, tt.sources)
		}
	}
}

// files opens names among its keys.
type files map[string]string

func (f files) open(name string) (io.ReadCloser, error) {
	text, ok := f[name]
	if !ok {
		return nil, &os.PathError{Op: "open", Path: name, Err: os.ErrNotExist}
	}
	return io.NopCloser(strings.NewReader(text)), nil
}

// collect gives each job as "seq:value|value", and the error.
func collect(spec InputSpec) (jobs []string, err error) {
	for j, err := range Inputs(spec) {
		if err != nil {
			return jobs, err
		}
		jobs = append(jobs, fmt.Sprintf("%d:%s", j.Seq, strings.Join(j.Args, "|")))
	}
	return jobs, nil
}

func TestInputs(t *testing.T) {
	t.Parallel()
	file := func(name string) SourceSpec { return SourceSpec{Kind: File, File: name} }
	args := func(v ...string) SourceSpec { return SourceSpec{Args: v} }
	const lineMax = 1 << 20
	open := files{
		"l": "a\n\nb", "crlf": "a\r\nb\r\n", "nul": "a\x00b\nc\x00", "empty": "", "bytes": "\xff\x01 \t\n",
		"long": strings.Repeat("x", lineMax) + "\ny\n", "toolong": "ok\n" + strings.Repeat("x", lineMax+1) + "\n",
	}.open
	for _, tt := range []struct {
		name string
		spec InputSpec
		want []string
		err  string
	}{
		{"no source is stdin", InputSpec{Stdin: strings.NewReader("p\nq")}, []string{"1:p", "2:q"}, ""},
		{"no stdin", InputSpec{}, nil, ""},
		{"empty line, no last newline", InputSpec{Sources: []SourceSpec{file("l")}}, []string{"1:a", "2:", "3:b"}, ""},
		{"carriage returns stay", InputSpec{Sources: []SourceSpec{file("crlf")}}, []string{"1:a\r", "2:b\r"}, ""},
		{"every byte stays", InputSpec{Sources: []SourceSpec{file("bytes")}}, []string{"1:\xff\x01 \t"}, ""},
		{"NUL ends values", InputSpec{Null: true, Sources: []SourceSpec{file("nul")}}, []string{"1:a", "2:b\nc"}, ""},
		{"NUL without -0", InputSpec{Sources: []SourceSpec{file("l"), file("nul")}}, nil, "nul, line 1: a NUL byte"},
		{"newline in a value", InputSpec{Sources: []SourceSpec{args("a\nb")}}, []string{"1:a\nb"}, ""},
		{
			"product", InputSpec{Sources: []SourceSpec{args("a", "b"), file("-"), args("x", "y")}, Stdin: strings.NewReader("1\n2\n")},
			[]string{"1:a|1|x", "2:a|1|y", "3:a|2|x", "4:a|2|y", "5:b|1|x", "6:b|1|y", "7:b|2|x", "8:b|2|y"}, "",
		},
		{"an empty source beside others", InputSpec{Sources: []SourceSpec{file("empty"), args("x", "y"), args()}}, []string{"1:|x|", "2:|y|"}, ""},
		{"all empty", InputSpec{Sources: []SourceSpec{file("empty"), args()}}, nil, ""},
		{"stdin twice", InputSpec{Sources: []SourceSpec{file("-"), file("-")}}, nil, "standard input"},
		{"no such file", InputSpec{Sources: []SourceSpec{args("a"), file("gone")}}, nil, "gone"},
		{"too long", InputSpec{Sources: []SourceSpec{file("toolong")}, lineMax: lineMax}, []string{"1:ok"}, "toolong, line 2: longer than 1048576 bytes"},
	} {
		tt.spec.Open = open
		got, err := collect(tt.spec)
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
		if tt.err == "" && err != nil || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
			t.Errorf("%s: error %v, want %q", tt.name, err, tt.err)
		}
	}
	n := 0
	for j, err := range Inputs(InputSpec{Sources: []SourceSpec{file("long")}, Open: open, lineMax: lineMax}) {
		if n++; err != nil || n == 1 && len(j.Args[0]) != lineMax {
			t.Fatalf("the longest line: %q, %v", j.Args, err)
		}
	}
	if n != 2 {
		t.Errorf("%d jobs, want 2", n)
	}
}

func TestInputsFromFiles(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "in")
	if err := os.WriteFile(name, []byte("a\nb\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := collect(InputSpec{Sources: []SourceSpec{{Kind: File, File: name}}})
	if err != nil || !slices.Equal(got, []string{"1:a", "2:b"}) {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := collect(InputSpec{Sources: []SourceSpec{{Kind: File, File: filepath.Dir(name)}}}); err == nil {
		t.Error("a directory was read")
	}
	if _, err := collect(InputSpec{Sources: []SourceSpec{{Kind: File, File: name + ".gone"}}}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v, want that the file does not exist", err)
	}
}

// endless gives lines for ever and remembers whether it was closed.
type endless struct{ closed *bool }

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = "ab\n"[i%3]
	}
	return len(p) - len(p)%3, nil
}

func (e endless) Close() error { *e.closed = true; return nil }

// TestFirstSourceStreams takes a few jobs of an endless first source, and a few
// before the end of a second one.
func TestFirstSourceStreams(t *testing.T) {
	t.Parallel()
	for _, sources := range [][]SourceSpec{
		{{Kind: File, File: "e"}},
		{{Kind: File, File: "e"}, {Args: []string{"x", "y"}}},
		{{Args: []string{"x", "y"}}, {Kind: File, File: "e"}},
	} {
		closed := false
		n := 0
		for j, err := range Inputs(InputSpec{Sources: sources, Open: func(string) (io.ReadCloser, error) { return endless{&closed}, nil }}) {
			if err != nil || !slices.Contains(j.Args, "ab") {
				t.Fatalf("%+v, %v", j, err)
			}
			if n++; n == 1000 {
				break
			}
		}
		if !closed {
			t.Error("the file is still open")
		}
	}
}

func TestHeldSourcesAreBounded(t *testing.T) {
	t.Parallel()
	spec := InputSpec{Sources: []SourceSpec{{Args: []string{"a", "b"}}, {Kind: File, File: "big"}}, Open: files{"big": "x\ny\n"}.open}
	for _, spec.Link = range []bool{false, true} {
		r, err := Open(spec)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		var next func() ([]string, error)
		if spec.Link {
			w := &wrapped{sources: r.sources, held: make([][]string, 2), ended: make([]bool, 2), bytes: HeldBytesMax}
			next = w.next
		} else {
			p := &product{groups: groups(spec, r.sources), held: HeldBytesMax}
			next = p.next
		}
		for err == nil {
			var record []string
			if record, err = next(); record == nil && err == nil {
				t.Fatal("no error")
			}
		}
		if !strings.Contains(err.Error(), "big, line ") {
			t.Errorf("error %v, want that big holds too much", err)
		}
	}
}

// TestLinkReadsFilesAgain holds nothing of a regular file that is linked.
func TestLinkReadsFilesAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var sources []SourceSpec
	for name, text := range map[string]string{"1": "#!\nh\n1\n2\n", "2": "h\na \nb\nc\nE\nd\n", "3": "h\n", "4": "i\n1\n2\n3\n4\n5\n6\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"1", "2", "3", "4"} {
		sources = append(sources, SourceSpec{Kind: File, File: filepath.Join(dir, name)})
	}
	spec := InputSpec{Sources: sources, Link: true, Header: ":", EOF: "E", SkipFirst: true}
	r, err := Open(spec)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	w := &wrapped{sources: r.sources, held: make([][]string, 4), ended: make([]bool, 4), bytes: HeldBytesMax}
	var got []string
	for {
		record, err := w.next()
		if err != nil {
			t.Fatal(err)
		}
		if record == nil {
			break
		}
		got = append(got, strings.Join(record, "|"))
	}
	if want := []string{"1|a ||1", "2|b||2", "1|c||3", "2|a ||4", "1|b||5", "2|c||6"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestShuffleOnce(t *testing.T) {
	t.Parallel()
	r, err := Open(InputSpec{Shuffle: true, Stdin: strings.NewReader("a\n")})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var last error
	for range 2 {
		for _, err := range r.Jobs(nil) {
			last = err
		}
	}
	if last == nil || !strings.Contains(last.Error(), "open them again") {
		t.Errorf("error %v", last)
	}
}

// TestJobsKeepTheirArgs guards against a slice reused between jobs.
func TestJobsKeepTheirArgs(t *testing.T) {
	t.Parallel()
	var all []Job
	for j, err := range Inputs(InputSpec{Sources: []SourceSpec{{Args: []string{"a", "b"}}, {Args: []string{"1", "2"}}}}) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, j)
	}
	if got := fmt.Sprint(all[0].Args, all[1].Args, all[2].Args, all[3].Args); got != "[a 1] [a 2] [b 1] [b 2]" {
		t.Error(got)
	}
}

func FuzzInputs(f *testing.F) {
	f.Add("a\n\nb", false)
	f.Add("\x00a\x00", true)
	f.Fuzz(func(t *testing.T, text string, null bool) {
		got := []string{}
		for j, err := range Inputs(InputSpec{Stdin: strings.NewReader(text), Null: null}) {
			if err != nil {
				if null || !strings.Contains(text, "\x00") {
					t.Fatal(err)
				}
				return
			}
			got = append(got, j.Args[0])
		}
		end := map[bool]string{true: "\x00", false: "\n"}[null]
		want := strings.Split(strings.TrimSuffix(text, end), end)
		if text == "" {
			want = nil
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q gives %q, want %q", text, got, want)
		}
	})
}

func BenchmarkInputs(b *testing.B) {
	closed := false
	spec := InputSpec{Sources: []SourceSpec{{Kind: File, File: "e"}}, Open: func(string) (io.ReadCloser, error) { return endless{&closed}, nil }}
	n := 0
	for _, err := range Inputs(spec) {
		if err != nil {
			b.Fatal(err)
		}
		if n++; n >= b.N {
			break
		}
	}
}
