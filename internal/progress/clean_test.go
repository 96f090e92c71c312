package progress

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestClean(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ in, output, command string }{
		{"plain text", "plain text", "plain text"},
		{" a\tb \n", "a b", "a^Ib ^J"},
		{"\x1b[1;31mred\x1b[0m", "red", "^[[1;31mred^[[0m"},
		{"\x1b]0;title\amore", "more", "^[]0;title^Gmore"},
		{"\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link", `^[]8;;http://x^[\link^[]8;;^[\`},
		{"\x1bP1$tq\x1b\\a", "a", `^[P1$tq^[\a`},
		{"\u009b31mred", "red", "�31mred"},
		{"\u009dtitle\u009ca", "a", "�title�a"},
		{"\x1b(Ba\x1b7b\x1bcc", "abc", "^[(Ba^[7b^[cc"},
		{"\x1b", "", "^["},
		{"a\x1b[", "a", "a^[["},
		{"a\x1b]never ends", "a", "a^[]never ends"},
		{"a\x1b\x00b", "ab", "a^[^@b"},
		{"\x1b[12\nx", "x", "^[[12^Jx"},
		{" 10%\r 20%\r 30%", "30%", "10%^M 20%^M 30%"},
		{" 10%\r 20%\r", "20%", "10%^M 20%^M"},
		{"dos\r\n", "dos", "dos^M^J"},
		{"bell\a back\b del\x7f", "bell back del", "bell^G back^H del^?"},
		{"bad \xff\xfe utf-8", "bad �� utf-8", "bad �� utf-8"},
		{"right\u202eto left\u2066", "rightto left", "right�to left�"},
		{"zero\u200bwidth\u00adsoft", "zerowidthsoft", "zero�width�soft"},
		{"line\u2028separator\u00a0nbsp", "line separator nbsp", "line separator nbsp"},
		{"private \ue0b0", "private �", "private �"},
		{"e\u0301 \u0301x", "e\u0301 \u0301x", "e\u0301 \u0301x"},
		{"\u0301x", "x", "x"},
		{"z\u0301\u0302\u0303\u0304\u0305\u0306", "z\u0301\u0302\u0303\u0304", "z\u0301\u0302\u0303\u0304"},
		{"heart ❤\ufe0f", "heart ❤", "heart ❤"},
		{"日本語", "日本語", "日本語"},
	} {
		if got := (View{}).clean(c.in, fromOutput); got != c.output {
			t.Errorf("output %q: %q, want %q", c.in, got, c.output)
		}
		if got := (View{}).clean(c.in, fromCommand); got != c.command {
			t.Errorf("command %q: %q, want %q", c.in, got, c.command)
		}
	}
	if got := (View{ASCII: true}).clean("é\u0301日…x", fromOutput); got != "???x" {
		t.Errorf("ASCII: %q", got)
	}
}

func TestCut(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in          string
		width       int
		end, middle string
	}{
		{"abcdef", 6, "abcdef", "abcdef"},
		{"abcdef", 5, "abcd…", "a…def"},
		{"abcdef", 1, "…", "…"},
		{"abcdef", 0, "", ""},
		{"", 0, "", ""},
		{"日本語日本語", 7, "日本語…", "日…本語"},
		{"日本語日本語", 6, "日本…", "…本語"},
		{"e\u0301e\u0301e\u0301e\u0301", 3, "e\u0301e\u0301…", "…e\u0301e\u0301"},
	} {
		if got := (View{}).cut(c.in, c.width); got != c.end {
			t.Errorf("cut %q to %d: %q, want %q", c.in, c.width, got, c.end)
		}
		if got := (View{}).cutMiddle(c.in, c.width); got != c.middle {
			t.Errorf("cut %q in the middle to %d: %q, want %q", c.in, c.width, got, c.middle)
		}
	}
	if got := (View{ASCII: true}).cut("abcdef", 5); got != "ab..." {
		t.Errorf("ASCII: %q", got)
	}
	huge := "make " + strings.Repeat("x", 1<<20) + " end"
	if got := (View{}).command(huge, 20); got != "make x…xxxxxxxxx end" {
		t.Errorf("a huge command: %q", got)
	}
	if got := (View{}).output(strings.Repeat("x\r", 1<<20)+"end", 20); got != "end" {
		t.Errorf("a huge line: %q", got)
	}
}

// Whatever comes in, what goes out is one line of letters, no wider than asked for,
// and the same when it is cleaned again.
func FuzzClean(f *testing.F) {
	for _, s := range []string{"plain", "\x1b[31mred\x1b[m", "\x1b]0;x\a", "日本\u0301", "\xff\xc2\x9b1", "a\rb", "\x1b\x1b[", "\x00 \u0301", "❤\ufe0f\u200d"} {
		f.Add(s, 10)
	}
	f.Fuzz(func(t *testing.T, text string, width int) {
		width = max(width%200, 0)
		for _, v := range []View{{}, {ASCII: true}} {
			for name, got := range map[string]string{
				"output": v.output(text, width), "command": v.command(text, width),
				"whole output": v.clean(text, fromOutput), "whole command": v.clean(text, fromCommand),
			} {
				if !utf8.ValidString(got) || strings.ContainsFunc(got, func(r rune) bool {
					return r < 0x20 || r >= 0x7f && r < 0xa0 || v.ASCII && r > 0x7f
				}) {
					t.Errorf("%s of %q: %q", name, text, got)
				}
				if !strings.HasPrefix(name, "whole") && cells(got) > width {
					t.Errorf("%s of %q is %d wide, and not %d: %q", name, text, cells(got), width, got)
				}
				if again := v.clean(got, fromOutput); strings.HasPrefix(name, "whole") && again != got {
					t.Errorf("%s of %q: %q, and again %q", name, text, got, again)
				}
			}
		}
	})
}
