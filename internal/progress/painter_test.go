package progress

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

func TestPainter(t *testing.T) {
	t.Parallel()
	type step struct {
		draw  string // lines, divided by "/"; "-": Clear
		write string // from somebody else, after Clear
		key   string // shown by the terminal, before Echoed
		want  string // the screen, divided by "/"
	}
	for _, c := range []struct {
		name  string
		steps []step
	}{
		{"one line", []step{
			{draw: "a", want: "a|"},
			{draw: "bb", want: "bb|"},
			{draw: "-", want: "|"},
		}},
		{"grows, changes, shrinks", []step{
			{draw: "a", want: "a|"},
			{draw: "a/b/c", want: "a/b/c|"},
			{draw: "a/B/c", want: "a/B/c|"},
			{draw: "A/B", want: "A/B|"},
			{draw: "A", want: "A|"},
			{draw: "", want: "|"},
		}},
		{"output stays above", []step{
			{draw: "a/b", want: "a/b|"},
			{write: "out\n", want: "out/|"},
			{draw: "a/b", want: "out/a/b|"},
			{write: "more\n", want: "out/more/|"},
		}},
		{"scrolls", []step{
			{write: "1\n2\n3\n", want: "1/2/3/|"},
			{draw: "a/b", want: "2/3/a/b|"},
			{draw: "a/b/c", want: "3/a/b/c|"},
			{draw: "-", want: "3/|"},
			{write: "4\n5\n", want: "3/4/5/|"},
		}},
		{"unfinished line", []step{
			{write: "out", want: "out|"},
			{draw: "a/b", want: "out/a/b|"},
			{draw: "a/c", want: "out/a/c|"},
			{write: "put", want: "output|"},
			{draw: "a", want: "output/a|"},
			{write: "!\nx", want: "output!/x|"},
			{draw: "-", want: "output!/x|"},
		}},
		{"unfinished line at the bottom", []step{
			{write: "1\n2\n3\nout", want: "1/2/3/out|"},
			{draw: "a/b", want: "3/out/a/b|"},
			{draw: "-", want: "3/out|"},
		}},
		{"unfinished line, column unknown", []step{
			{write: "\x1b[31mé", want: "é|"},
			{draw: "a", want: "é|"},
			{write: "\n", want: "é/|"},
			{draw: "a", want: "é/a|"},
		}},
		{"unfinished line, full", []step{
			{write: "1234567890", want: "1234567890|"},
			{draw: "a", want: "1234567890|"},
		}},
		{"unfinished line with a tab", []step{
			{write: "a\t", want: "a       |"},
			{draw: "b", want: "a/b|"},
			{draw: "-", want: "a       |"},
		}},
		{"a key", []step{
			{draw: "a/b", want: "a/b|"},
			{key: "^C", want: "|"},
			{key: "^C", want: "|"},
			{write: "out", want: "out|"},
			{draw: "a", want: "out/a|"},
			{key: "^Z", want: "out|"},
			{key: "^C", want: "out^C|"},
		}},
		{"wide", []step{
			{draw: "日本/x", want: "日本/x|"},
			{draw: "日本/語", want: "日本/語|"},
			{draw: "日/語", want: "日/語|"},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m := newTerminal(t, 10, 4)
			p := &Painter{W: m}
			for i, s := range c.steps {
				switch {
				case s.write != "":
					_ = p.Clear()
					fmt.Fprint(m, s.write)
					p.Wrote([]byte(s.write))
				case s.key != "":
					fmt.Fprint(m, s.key)
					_ = p.Echoed()
				case s.draw == "-":
					_ = p.Clear()
				case s.draw == "":
					_ = p.Draw(nil, 10)
				default:
					_ = p.Draw(strings.Split(s.draw, "/"), 10)
				}
				if got := strings.ReplaceAll(strings.TrimSuffix(m.screen(), "\n"), "\n", "/"); got != s.want {
					t.Fatalf("step %d: %q, want %q", i, got, s.want)
				}
			}
		})
	}
}

// Whatever is drawn between them, what others wrote stands there in the end as if
// nothing had been.
func TestPainterLeavesNothing(t *testing.T) {
	t.Parallel()
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		drawn, alone := newTerminal(t, 20, 6), newTerminal(t, 20, 6)
		p := &Painter{W: drawn}
		for range 60 {
			if rnd.IntN(3) > 0 {
				var lines []string
				for range rnd.IntN(5) {
					lines = append(lines, strings.Repeat("#", rnd.IntN(19)))
				}
				_ = p.Draw(lines, 20)
				continue
			}
			text := strings.Repeat("x", rnd.IntN(25)) + []string{"", "\n", "é", "\x1b[1m", "y\nz"}[rnd.IntN(5)]
			_ = p.Clear()
			fmt.Fprint(drawn, text)
			p.Wrote([]byte(text))
			fmt.Fprint(alone, text)
		}
		_ = p.Clear()
		all := func(m *terminal) string {
			return strings.TrimRight(strings.Join(m.gone, "\n")+"\n"+strings.ReplaceAll(m.screen(), "|", ""), "\n")
		}
		if got, want := all(drawn), all(alone); got != want || drawn.column != alone.column || strings.Contains(got, "#") {
			t.Fatalf("seed %d: got\n%s\nwant\n%s", seed, got, want)
		}
	}
}

func TestPainterWritesOnlyChanges(t *testing.T) {
	t.Parallel()
	m := newTerminal(t, 80, 24)
	p := &Painter{W: m}
	lines := []string{strings.Repeat("a", 70), strings.Repeat("b", 70), strings.Repeat("c", 70)}
	_ = p.Draw(lines, 80)
	before := m.bytes
	_ = p.Draw(lines, 80)
	if m.bytes != before {
		t.Errorf("%d bytes for a screen that did not change", m.bytes-before)
	}
	lines[1] = "x"
	_ = p.Draw(lines, 80)
	if n := m.bytes - before; n > 50 {
		t.Errorf("%d bytes for one changed character", n)
	}
}

// A narrower window: the old block may remain in part, never is output erased.
func TestPainterResized(t *testing.T) {
	t.Parallel()
	m := newTerminal(t, 20, 6)
	p := &Painter{W: m}
	fmt.Fprint(m, "keep\n")
	p.Wrote([]byte("keep\n"))
	_ = p.Draw([]string{"a", "b"}, 20)
	_ = p.Draw([]string{"a", "c"}, 10)
	if got, want := m.screen(), "keep\na\nc|\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
