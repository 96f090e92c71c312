package record

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// newCutter is New in a test.
func newCutter(t testing.TB, s Spec) *Cutter {
	t.Helper()
	c, err := New(s)
	if err != nil {
		t.Fatalf("%+v: %v", s, err)
	}
	return c
}

// feed cuts input as a reader would that gets it in pieces, whose lengths step
// says.
func feed(t testing.TB, c *Cutter, input []byte, step func() int) (header string, blocks []string) {
	t.Helper()
	have, start := 0, 0
	more := func() bool {
		have = min(have+max(step(), 1), len(input))
		return have == len(input)
	}
	eof := have == len(input)
	for {
		n, ok, err := c.Header(input[:have], eof)
		if err != nil {
			t.Fatal(err)
		}
		if ok {
			header, start = string(input[:n]), n
			break
		}
		if eof {
			t.Fatal("the header needs more than there is")
		}
		eof = more()
	}
	for {
		buf := input[start:have]
		n := c.Cut(buf, eof)
		switch {
		case n < 0 || n > len(buf):
			t.Fatalf("Cut says %d of %d bytes", n, len(buf))
		case n > 0:
			blocks = append(blocks, string(buf[:n]))
			start += n
		case !eof:
			eof = more()
		case len(buf) > 0:
			t.Fatalf("%d bytes are never cut", len(buf))
		default:
			return header, blocks
		}
	}
}

func atOnce() int { return 1 << 30 }

func TestCut(t *testing.T) {
	t.Parallel()
	upper := func(text string) (func(string) string, error) {
		return func(v string) string { return strings.ToUpper(v) }, nil
	}
	for _, x := range []struct {
		name  string
		spec  Spec
		input string
		want  string // header, then the blocks, separated by "|"
	}{
		{"nothing", Spec{}, "", ""},
		{"one line", Spec{}, "a", "|a"},
		{"a block", Spec{Block: 4}, "a\nb\nc\nd\n", "|a\nb\n|c\nd\n"},
		{"no end", Spec{Block: 4}, "a\nb\nc", "|a\nb\n|c"},
		{"long record", Spec{Block: 3}, "abcdefg\nh\ni\n", "|abcdefg\n|h\ni\n"},
		{"anywhere", Spec{End: new(""), Block: 3}, "abcdefgh", "|abc|def|gh"},
		{"anywhere, counted", Spec{End: new(""), Records: 5}, "abcdefgh", "|abcde|fgh"},
		{"start", Spec{Start: new(">"), Block: 5}, ">a>b>c>d", "|>a>b|>c>d"},
		{"start, counted", Spec{Start: new(">"), Records: 2}, ">a>b>c>d>e", "|>a>b|>c>d|>e"},
		{"both", Spec{Start: new("<"), End: new(">"), Records: 1}, "<a><b>x<c>", "|<a>|<b>x<c>"},
		{"escapes", Spec{End: new(`\0`), Records: 1}, "a\n\x00b\x00", "|a\n\x00|b\x00"},
		{"two bytes", Spec{End: new("\n\n"), Records: 1}, "a\n\n\nb\n\n", "|a\n\n|\nb\n\n"},
		{"empty records count", Spec{Records: 2}, "\n\na\n\nb\n", "|\n\n|a\n\n|b\n"},
		{"lines", Spec{Lines: 2}, "1\n2\n3\n4\n5\n", "|1\n2\n3\n4\n|5\n"},
		{"lines and records", Spec{Lines: 2, Records: 2}, "1\n2\n3\n4\n5\n6\n7", "|1\n2\n3\n4\n|5\n6\n7"},
		{"lines in blocks", Spec{Lines: 2, Block: 7}, "1\n2\n3\n4\n5\n6\n7", "|1\n2\n|3\n4\n|5\n6\n|7"},
		{"regexp", Spec{End: new(`\n+`), Regexp: true, Block: 6}, "a\n\nb\nc\n\n\nd", "|a\n\nb\n|c\n\n\nd"},
		{"regexp, counted", Spec{End: new(`\n+`), Regexp: true, Records: 1}, "a\n\nb\nc\n\n\nd", "|a\n\n|b\n|c\n\n\n|d"},
		{"regexp start", Spec{Start: new(`\d+:`), Regexp: true, Records: 1}, "x1:a22:b3:c", "|x|1:a|22:b|3:c"},
		{"regexp line start", Spec{Start: new(`^\d`), Regexp: true, Records: 1}, "1a1\n2b\nc\n3", "|1a1\n|2b\nc\n|3"},
		{"regexp both", Spec{Start: new(`[A-Z]`), End: new(`\.\s`), Regexp: true, Records: 1}, "A. b. C. D", "|A. b. |C. |D"},
		{"csv", Spec{CSV: true, Block: 11}, "a,b\n\"x\ny\",2\nz,4", "|a,b\n|\"x\ny\",2\n|z,4"},
		{"csv, counted", Spec{CSV: true, Records: 2}, "a\n\"\n\n\"\nb\n\"\"\"\n\"\nc", "|a\n\"\n\n\"\n|b\n\"\"\"\n\"\n|c"},
		{"csv, lines", Spec{CSV: true, Lines: 2, Block: 9}, "a\n\"\n\"\nb\nc\nd\n", "|a\n\"\n\"\n|b\nc\n|d\n"},
		{"header", Spec{Header: ":", Block: 4}, "h\na\nb\nc\n", "h\n|a\nb\n|c\n"},
		{"headers", Spec{Header: "2"}, "h\ni\na\n", "h\ni\n|a\n"},
		{"no such header", Spec{Header: "9"}, "h\ni\na\n", "|h\ni\na\n"},
		{"header 0", Spec{Header: "0"}, "h\n", "|h\n"},
		{"csv header", Spec{Header: ":", CSV: true}, "\"h\n\"\na\n", "\"h\n\"\n|a\n"},
		{"regexp header", Spec{Header: "(#.*\n)*"}, "#a\n#b\nc\n#\n", "#a\n#b\n|c\n#\n"},
		{"group", Spec{GroupBy: "1", ColSep: ",", Records: 1}, "1,a\n1,b\n2,c\n1,d\n1", "|1,a\n1,b\n|2,c\n|1,d\n1"},
		{"groups in a block", Spec{GroupBy: "1", ColSep: ",", Block: 14}, "1,a\n1,b\n2,c\n2,d\n3,e\n3,f\n4,g\n", "|1,a\n1,b\n|2,c\n2,d\n|3,e\n3,f\n4,g\n"},
		{"last column", Spec{GroupBy: "2", ColSep: ",", Records: 1}, "1,a\n2,a", "|1,a\n2,a"},
		{"last line alone", Spec{GroupBy: "2", ColSep: ",", Records: 1}, "1,a\n2,b", "|1,a\n|2,b"},
		{"group by name", Spec{GroupBy: "n", Records: 1}, "v\tn\n1\ta\n2\ta\n3\tb\n", "v\tn\n|1\ta\n2\ta\n|3\tb\n"},
		{"group by our name", Spec{GroupBy: "{a b}", ColSep: ",", Records: 1}, "x,a b\n1,2\n2,2\n3,3", "x,a b\n|1,2\n2,2\n|3,3"},
		{"group csv", Spec{GroupBy: "1", CSV: true, Records: 1}, "\"a\"\"\",1\n\"a\"\"\",\"2\n\"\nb,3\n\"b\",4", "|\"a\"\"\",1\n\"a\"\"\",\"2\n\"\n|b,3\n\"b\",4"},
		{"group by expression", Spec{GroupBy: "1 uc", Expression: upper, Records: 1}, "a\nA\nb", "|a\nA\n|b"},
		{"group by whole line", Spec{GroupBy: "$_=uc($_)", Expression: upper, Records: 1}, "a b\nA b\nb", "|a b\nA b\n|b"},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			for _, step := range []func() int{atOnce, func() int { return 1 }, func() int { return 3 }} {
				header, blocks := feed(t, newCutter(t, x.spec), []byte(x.input), step)
				if got := strings.Join(append([]string{header}, blocks...), "|"); got != x.want {
					t.Errorf("got  %q\nwant %q", got, x.want)
				}
			}
		})
	}
}

func TestCutEarly(t *testing.T) {
	t.Parallel()
	c := newCutter(t, Spec{})
	if n := c.CutEarly([]byte("ab")); n != 0 {
		t.Errorf("half a record: %d", n)
	}
	if n := c.CutEarly([]byte("ab\nc")); n != 3 {
		t.Errorf("a record and a half: %d", n)
	}
	if n := c.Cut([]byte("cd\ne"), true); n != 4 {
		t.Errorf("the rest: %d", n)
	}
	if n := newCutter(t, Spec{Records: 2}).CutEarly([]byte("a\nb\nc\n")); n != 4 {
		t.Errorf("counted: %d", n)
	}
}

func TestWindowGrows(t *testing.T) {
	t.Parallel()
	c := newCutter(t, Spec{Block: 10})
	for _, want := range []int64{10, 14, 20, 27} {
		if c.Window() != want {
			t.Fatalf("window %d, want %d", c.Window(), want)
		}
		if n := c.Cut(bytes.Repeat([]byte("x"), int(want)), false); n != 0 {
			t.Fatal("cut in a record")
		}
	}
}

// specs are all kinds of cutting, for tests that hold for any.
func specs(block, records, lines int64) []Spec {
	return []Spec{
		{Block: block},
		{Block: block, Records: records},
		{Block: block, Lines: lines},
		{Block: block, Lines: lines, Records: records},
		{Block: block, Start: new("b")},
		{Block: block, Start: new("b"), Records: records},
		{Block: block, Start: new("ab"), End: new("a\n")},
		{Block: block, Start: new("a"), End: new("\n"), Records: records},
		{Block: block, End: new("aa"), Records: records},
		{Block: block, End: new("")},
		{Block: block, End: new(`\n+`), Regexp: true},
		{Block: block, End: new(`\n+`), Regexp: true, Records: records},
		{Block: block, Start: new(`^[ab]`), Regexp: true},
		{Block: block, Start: new(`\b[ab]`), Regexp: true, Records: records},
		{Block: block, Start: new(`a*`), End: new(`,|\n`), Regexp: true, Records: records},
		{Block: block, End: new(`a*`), Regexp: true},
		{Block: block, CSV: true},
		{Block: block, CSV: true, Records: records},
		{Block: block, CSV: true, Lines: lines},
		{Block: block, GroupBy: "1", ColSep: ","},
		{Block: block, GroupBy: "2", ColSep: ",", Records: records},
		{Block: block, GroupBy: "2", ColSep: "[,;]", CSV: false},
		{Block: block, GroupBy: "2", CSV: true, Records: records},
		{Block: block, Header: ":"},
		{Block: block, Header: "[ab,]*\n", CSV: true},
	}
}

// checkCutting holds for any input: nothing is lost, no block is empty, a block
// is not longer than it may be, and the pieces in which input comes do not matter.
func checkCutting(t *testing.T, s Spec, input []byte, seed uint64) {
	t.Helper()
	c := newCutter(t, s)
	header, blocks := feed(t, c, input, atOnce)
	if got := header + strings.Join(blocks, ""); got != string(input) {
		t.Fatalf("%+v: %q became %q", s, input, got)
	}
	for i, b := range blocks {
		if b == "" {
			t.Fatalf("%+v: %q: an empty block", s, input)
		}
		if s.Records == 0 && int64(len(b)) > c.Window() {
			t.Fatalf("%+v: %q: block %d has %d bytes of %d", s, input, i, len(b), c.Window())
		}
	}
	r := rand.New(rand.NewPCG(seed, 1))
	_, other := feed(t, newCutter(t, s), input, func() int { return 1 + r.IntN(9) })
	if !slices.Equal(blocks, other) {
		t.Fatalf("%+v: %q in pieces:\n%q\nat once:\n%q", s, input, other, blocks)
	}
}

func randomInput(r *rand.Rand, n int) []byte {
	out := make([]byte, n)
	for i := range out {
		out[i] = "aab,;\n\n\"\xc3\xa4"[r.IntN(10)]
	}
	return out
}

func TestCutAny(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		input := randomInput(r, r.IntN(200))
		for _, s := range specs(1+r.Int64N(40), 1+r.Int64N(4), 1+r.Int64N(3)) {
			checkCutting(t, s, input, r.Uint64())
		}
	}
}

func FuzzCut(f *testing.F) {
	f.Add([]byte("a,b\n\"c\n\",d\n\nab\na"), uint8(7), uint8(2), uint8(2), uint64(1))
	f.Fuzz(func(t *testing.T, input []byte, block, records, lines uint8, seed uint64) {
		for _, s := range specs(1+int64(block), 1+int64(records%8), 1+int64(lines%8)) {
			checkCutting(t, s, input, seed)
		}
	})
}

// FuzzNew gives any text for a separator, a key and a header: it is refused with
// one line, or it cuts and loses nothing.
func FuzzNew(f *testing.F) {
	f.Add(`\d+`, `(?=x)`, "1", "|", ":", []byte("a|b\n"))
	f.Add(`a)`, `(?P<x>b)`, "x s/a/b/", `\s+`, "2", []byte("x y\n1 2\n"))
	f.Add("(\n", "", "a", "(?!", "(\n", []byte("\n"))
	f.Fuzz(func(t *testing.T, start, end, group, colsep, header string, input []byte) {
		for _, s := range []Spec{
			{Start: &start, End: &end, Header: header, Block: 9, Records: 1, Remove: true},
			{Start: &start, End: &end, Regexp: true, Block: 9, Remove: true},
			{Start: &start, End: &end, Regexp: true, Records: 2, Remove: true},
			{GroupBy: group, ColSep: colsep, Header: header, Records: 1},
			{Bin: group, ColSep: colsep, Slots: 3},
		} {
			c, err := New(s)
			if err != nil {
				if strings.ContainsAny(err.Error(), "\n") {
					t.Fatalf("more than a line: %q", err)
				}
				continue
			}
			if _, _, err := c.Header(input, true); err != nil {
				continue
			}
			c = newCutter(t, s)
			head, blocks := feed(t, c, input, atOnce)
			if got := head + strings.Join(blocks, ""); got != string(input) {
				t.Fatalf("%+v: %q became %q", s, input, got)
			}
			for _, b := range blocks {
				c.Clean([]byte(b))
				for slot := range c.Route([]byte(b)) {
					if slot < 1 || slot > max(s.Slots, 1) {
						t.Fatalf("slot %d", slot)
					}
				}
			}
		}
	})
}
