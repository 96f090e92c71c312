package record

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

const mark = "@END@"

// findGNU returns how to start GNU parallel so that each block that it cuts
// comes out with mark behind it.
func findGNU(t *testing.T) func(stdin string, args ...string) []string {
	t.Helper()
	if testing.Short() {
		t.Skip("starts GNU parallel many times")
	}
	path, err := exec.LookPath("parallel")
	if err != nil {
		t.Skip("no parallel")
	}
	home := t.TempDir()
	start := func(ctx context.Context, args ...string) *exec.Cmd {
		cmd := exec.CommandContext(ctx, path, args...)
		cmd.Env = append(os.Environ(), "HOME="+home, "PARALLEL_HOME="+home, "PARALLEL_SHELL=/bin/sh", "PARALLEL=", "LC_ALL=C")
		return cmd
	}
	if out, err := start(t.Context(), "--version").Output(); err != nil || !strings.HasPrefix(string(out), "GNU parallel") {
		t.Skip("another parallel than GNU's")
	}
	return func(stdin string, args ...string) []string {
		t.Helper()
		for range gnuTries {
			ctx, cancel := context.WithTimeout(t.Context(), gnuPatience)
			cmd := start(ctx, append([]string{"--will-cite", "-k", "-j2"}, append(args, "cat; printf "+mark)...)...)
			cmd.Stdin = strings.NewReader(stdin)
			cmd.WaitDelay = time.Second
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			out, err := cmd.Output()
			late := ctx.Err() != nil
			cancel()
			switch {
			case late: // theirs hangs with --pipe now and then, on a loaded machine
			case err != nil:
				t.Fatalf("parallel %q: %v: %s", args, err, &stderr)
			default:
				blocks := strings.Split(string(out), mark)
				return blocks[:len(blocks)-1]
			}
		}
		t.Skipf("parallel %q hung %d times, for %v each", args, gnuTries, gnuPatience)
		return nil
	}
}

// gnuTries is how often GNU parallel is asked that does not end within gnuPatience; most
// calls take a tenth of a second.
const (
	gnuTries    = 3
	gnuPatience = 15 * time.Second
)

// gnuArgs says in GNU parallel's words what s says.
func gnuArgs(s Spec) []string {
	var args []string
	add := func(given bool, words ...string) {
		if given {
			args = append(args, words...)
		}
	}
	add(s.Block > 0, "--block", strconv.FormatInt(s.Block, 10))
	add(s.Records > 0, "-N", strconv.FormatInt(s.Records, 10))
	add(s.Lines > 0, "-L", strconv.FormatInt(s.Lines, 10))
	if s.Start != nil {
		add(true, "--recstart", *s.Start)
	}
	if s.End != nil {
		add(true, "--recend", *s.End)
	}
	add(s.Regexp, "--regexp")
	add(s.Remove, "--rrs")
	add(s.Header != "", "--header", s.Header)
	add(s.ColSep != "", "--colsep", s.ColSep)
	add(s.GroupBy != "", "--group-by", s.GroupBy)
	return args
}

// text returns n lines, none of them empty.
func text(r *rand.Rand, n int) string {
	var b strings.Builder
	for range n {
		fmt.Fprintf(&b, "%d,%s>%s\n", r.IntN(3), strings.Repeat("a", r.IntN(12)), strings.Repeat("b.", r.IntN(5)))
	}
	return b.String()[:max(b.Len()-r.IntN(2), 0)]
}

func TestLikeGNU(t *testing.T) {
	t.Parallel()
	gnu := findGNU(t)
	r := rand.New(rand.NewPCG(5, 6))
	for i, s := range []Spec{
		{}, {Block: 10}, {Block: 40}, {Block: 57, Header: ":"}, {Block: 64, Header: "3"},
		{Block: 57, Header: `(\d.*\n){2}`},
		{Records: 1}, {Records: 3}, {Records: 3, Block: 16}, {Records: 1000},
		{Lines: 2}, {Lines: 3, Block: 64}, {Lines: 2, Records: 2}, {Lines: 2, Block: 8},
		{Start: new(">"), Block: 50}, {Start: new(">"), Records: 2}, {Start: new("1,"), Block: 70},
		{End: new(">"), Block: 50}, {End: new(`b.\n`), Records: 2}, {End: new("aa"), Block: 30},
		{Start: new("0"), End: new(`\n`), Block: 60}, {Start: new("0"), End: new(`\n`), Records: 1},
		{End: new(""), Block: 33}, {End: new(""), Records: 20},
		{End: new(`\n`), Regexp: true, Block: 40}, {End: new(`\n`), Regexp: true, Records: 2},
		{End: new(`b\.|a>`), Regexp: true, Block: 40}, {Start: new("[01],"), Regexp: true, Block: 64},
		{Start: new("[01],"), Regexp: true, Records: 2}, {Start: new("^[01],"), Regexp: true, Records: 1},
		{Start: new("[01],"), End: new(`\.\n`), Regexp: true, Block: 80},
		{Start: new("[01],"), End: new(`[.>]\n`), Regexp: true, Records: 1},
		{Start: new("a+"), End: new(`,|b`), Regexp: true, Block: 50},
		{Remove: true, Block: 40}, {Remove: true, End: new("b."), Block: 40},
		{Remove: true, Start: new(">"), Block: 40}, {Remove: true, Start: new("0,"), End: new(`\n`), Block: 60},
		{Remove: true, Start: new("[0-9],"), End: new(`\n`), Regexp: true, Block: 60},
		{Remove: true, End: new(`[.>]\n?`), Regexp: true, Block: 60},
		{GroupBy: "1", ColSep: ",", Records: 1}, {GroupBy: "1", ColSep: ",", Records: 2},
		{GroupBy: "2", ColSep: "[,>]", Records: 1},
	} {
		input := text(r, 4+r.IntN(9))
		if i%8 == 3 {
			input = text(r, 40)
		}
		if s.GroupBy != "" {
			input += "\n" // without it theirs sees another value in the last line
		}
		want := gnu(input, append([]string{"--pipe"}, gnuArgs(s)...)...)
		c := newCutter(t, s)
		header, got := feed(t, c, []byte(input), func() int { return 1 + r.IntN(50) })
		for i := range got {
			got[i] = header + string(c.Clean([]byte(got[i])))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q of %q:\nours   %q\ntheirs %q", gnuArgs(s), input, got, want)
		}
	}
}

func TestPartsLikeGNU(t *testing.T) {
	t.Parallel()
	gnu := findGNU(t)
	r := rand.New(rand.NewPCG(7, 8))
	for _, s := range []Spec{
		{Block: 100}, {Block: 1000, Header: ":"}, {Block: 300, Header: "2"}, {Block: 64000},
		{Block: 100, Start: new(">")}, {Block: 100, End: new("a")}, {Block: 100, Start: new("1"), End: new(`\n`)},
		{Block: 200, End: new("")}, {Block: 100000, Start: new("[01],"), Regexp: true},
		{Block: 5000, End: new("no such")},
	} {
		n := 25
		if s.Block > 1000 {
			n = 20000
		}
		input := text(r, n)
		name := filepath.Join(t.TempDir(), "input")
		if err := os.WriteFile(name, []byte(input), 0o600); err != nil {
			t.Fatal(err)
		}
		want := gnu("", append([]string{"--pipe-part", "-a", name}, gnuArgs(s)...)...)
		got := parts(t, s, input)
		if !slices.Equal(got, want) {
			t.Errorf("%q: %d parts, theirs %d", gnuArgs(s), len(got), len(want))
		}
	}
}

func TestBinLikeGNU(t *testing.T) {
	t.Parallel()
	gnu := findGNU(t)
	input := "1,a\n2,b\n3,c\n-1,d\n7.9,e\nx,f\n,g\n12x,h\n4,i\n0,j\n1e1,k\n.5,l\n99999999999999999999,m\n"
	want := gnu(input, "--pipe", "-j3", "--bin", "1")
	s := Spec{Bin: "1", Slots: 3}
	got := make([]string, s.Slots)
	for slot, lines := range newCutter(t, s).Route([]byte(strings.Replace(input, "99999999999999999999,m\n", "", 1))) {
		got[slot-1] += string(lines)
	}
	for i := range want { // too large for a number of theirs
		want[i] = strings.Replace(want[i], "99999999999999999999,m\n", "", 1)
	}
	if !slices.Equal(got, want) {
		t.Errorf("ours   %q\ntheirs %q", got, want)
	}
}
