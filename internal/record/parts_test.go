package record

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
)

// parts are the blocks that Parts makes of input, each with the header before it.
func parts(t testing.TB, s Spec, input string) []string {
	t.Helper()
	c := newCutter(t, s)
	r, size := strings.NewReader(input), int64(len(input))
	header, err := c.HeaderAt(r, size)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for p, err := range c.Parts(r, int64(len(header)), size) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, string(header)+input[p.Offset:p.Offset+p.Size])
	}
	return out
}

func TestParts(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 300<<10)
	for _, x := range []struct {
		name  string
		spec  Spec
		input string
		want  string
	}{
		{"nothing", Spec{}, "", ""},
		{"small", Spec{}, "a\nb", "a\nb"},
		{"header only", Spec{Header: ":"}, "a\n", ""},
		{"lines", Spec{Block: 3}, "a\nb\nc\nd\n", "a\nb\n|c\nd\n"},
		{"long records", Spec{Block: 3}, long + "\n" + long + "\nb\n", long + "\n|" + long + "\n|b\n"},
		{"two bytes", Spec{Block: 1, End: new("xy")}, long + "xy" + long + "xyb", long + "xy|" + long + "xy|b"},
		{"regexp", Spec{Block: 1, End: new("y+"), Regexp: true}, long + "yy" + long, long + "yy|" + long},
		{"no end", Spec{Block: 1, End: new("z")}, long, long},
		{"anywhere", Spec{Block: 3, End: new("")}, "abcdefgh", "abc|def|gh"},
		{"group", Spec{Block: 3, GroupBy: "1", ColSep: ","}, "1,a\n1,b\n2,a\n2,c\n3,a\n", "1,a\n1,b\n|2,a\n2,c\n|3,a\n"},
		{"group by name", Spec{Block: 3, GroupBy: "n", ColSep: ","}, "n,v\n1,a\n1,b\n2,a\n", "n,v\n1,a\n1,b\n|n,v\n2,a\n"},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			if got := strings.Join(parts(t, x.spec, x.input), "|"); got != x.want {
				t.Errorf("got  %.300q\nwant %.300q", got, x.want)
			}
		})
	}
}

// TestPartsOfGroups has groups of all lengths, so that steps and halves are
// needed to find their ends, sorted and not.
func TestPartsOfGroups(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 9))
	for round := range 8 {
		var b strings.Builder
		for v := 0; b.Len() < 2<<20; v++ {
			key := v
			if round%2 == 1 {
				key = r.IntN(3)
			}
			for range 1 << r.IntN(15) {
				fmt.Fprintf(&b, "%d,%s\n", key, strings.Repeat("z", r.IntN(30)))
			}
		}
		last := ""
		for i, p := range parts(t, Spec{GroupBy: "1", ColSep: ",", Block: 1 + r.Int64N(200<<10)}, b.String()) {
			if !strings.HasSuffix(p, "\n") {
				t.Fatal("a line is cut in two")
			}
			first, _, _ := strings.Cut(p, ",")
			if i > 0 && first == last {
				t.Fatalf("part %d begins with the group %q that the one before ends with", i, first)
			}
			end := p[strings.LastIndexByte(p[:len(p)-1], '\n')+1:]
			last, _, _ = strings.Cut(end, ",")
		}
	}
}

// countingReader counts what is read.
type countingReader struct {
	io.ReaderAt
	bytes int64
}

func (c *countingReader) ReadAt(p []byte, off int64) (int, error) {
	n, err := c.ReaderAt.ReadAt(p, off)
	c.bytes += int64(n)
	return n, err
}

func TestPartsReadsLittle(t *testing.T) {
	t.Parallel()
	input := bytes.Repeat([]byte("12345678\n"), 1<<20)
	r := &countingReader{ReaderAt: bytes.NewReader(input)}
	n := 0
	for _, err := range newCutter(t, Spec{}).Parts(r, 0, int64(len(input))) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n != 9 || r.bytes > 64<<10 {
		t.Errorf("%d parts, %d bytes read", n, r.bytes)
	}
}

func TestPartsFails(t *testing.T) {
	t.Parallel()
	for _, s := range []Spec{{Records: 1}, {Lines: 1}, {CSV: true}} {
		for _, err := range newCutter(t, s).Parts(strings.NewReader("a\n"), 0, 2) {
			if err == nil || !strings.Contains(err.Error(), "--pipe-part") {
				t.Errorf("%+v: %v", s, err)
			}
		}
	}
	for _, s := range []Spec{{Block: 2}, {Block: 2, End: new("[x]"), Regexp: true}, {Block: 2, GroupBy: "1"}} {
		var last error
		for _, err := range newCutter(t, s).Parts(strings.NewReader("a\nb\n"), 0, 9) {
			last = err
		}
		if !errors.Is(last, io.ErrUnexpectedEOF) {
			t.Errorf("%+v: a shorter file: %v", s, last)
		}
	}
}

func TestParseBlock(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{
		"1": 1, "10k": 10000, "10K": 10240, "1M": 1 << 20, "1m": 1e6, "1.5G": 3 << 29, "2t": 2e12, "1T": 1 << 40,
		"1ki": 1024, "1Ki": 1024, "1gI": 1 << 30, "-10": -10, "-1k": -1000, "0": 0, " 7 ": 7, ".5k": 500, "1.5": 1,
		"1P": 1 << 50, "1E": 1 << 60, "+3": 3,
	} {
		if got, err := ParseBlock(text); err != nil || got != want {
			t.Errorf("%q: %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "k", "abc", "1x", "1kk", "1kB", "1 M", "2*4", "1e6", "0x10", "inf", "nan", "99E", "1.2.3", "0.5", "--1", "1_0"} {
		if got, err := ParseBlock(text); err == nil {
			t.Errorf("%q: %d", text, got)
		}
	}
	for _, x := range []struct {
		n, size int64
		jobs    int
		want    int64
	}{{5, 100, 2, 5}, {0, 100, 2, 1 << 20}, {-1, 100, 2, 51}, {-10, 292, 4, 8}, {-1, 0, 4, 1}, {-3, 10, 0, 4}} {
		if got := BlockFor(x.n, x.size, x.jobs); got != x.want {
			t.Errorf("%+v: %d", x, got)
		}
	}
}

func FuzzParseBlock(f *testing.F) {
	f.Add("1.5M")
	f.Add("-10ki")
	f.Fuzz(func(t *testing.T, s string) {
		n, err := ParseBlock(s)
		if err == nil && (n > 1<<62 || n < -1<<62) {
			t.Errorf("%q: %d", s, n)
		}
		if err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: more than a line: %v", s, err)
		}
	})
}
