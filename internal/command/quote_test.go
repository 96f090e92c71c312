package command

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

func TestQuote(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ in, want string }{
		{"", "''"},
		{"a-Z_9.+/", "a-Z_9.+/"},
		{"-n", "-n"},
		{"a b", "'a b'"},
		{"'", `"'"`},
		{"''", `"'"''"'"`},
		{"it's", `'it'"'"'s'`},
		{"'a", `"'"'a'`},
		{"~", "'~'"}, {"a=b", "'a=b'"}, {"!", "'!'"}, {"\n", "'\n'"}, {"\xff", "'\xff'"},
	} {
		if got := Quote(tt.in); got != tt.want {
			t.Errorf("Quote(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}

// shells are those of the Bourne family that this machine has.
func shells(tb testing.TB) []string {
	var found []string
	for _, name := range []string{"sh", "dash", "bash", "zsh", "ksh", "mksh", "yash"} {
		if path, err := exec.LookPath(name); err == nil {
			found = append(found, path)
		}
	}
	if len(found) == 0 {
		tb.Skip("no shell")
	}
	return found
}

// throughShell runs text, a template's Shell, and returns the words printed.
func throughShell(tb testing.TB, shell, text string) []string {
	tb.Helper()
	cmd := exec.CommandContext(tb.Context(), shell, "-c", text)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		tb.Fatalf("%s -c %q: %v: %s", shell, text, err, &stderr)
	}
	words := strings.Split(string(out), "\x00")
	return words[:len(words)-1]
}

// checkShells requires that values reach a command as they are.
func checkShells(t *testing.T, values []string) {
	t.Helper()
	r := mustRender(t, bareEnv(), []string{`printf '%s\0' x{}`}, Job{Args: append([]string{""}, values...)})
	want := append([]string{"x"}, values...)
	for _, shell := range shells(t) {
		got := throughShell(t, shell, r.Shell)
		if len(got) != len(want) {
			t.Errorf("%s: %d words of %d", shell, len(got), len(want))
			continue
		}
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("%s: %q became %q", shell, want[i], got[i])
			}
		}
	}
}

func TestEveryByteReachesTheCommand(t *testing.T) {
	t.Parallel()
	values := []string{"", " ", "-n", "--", "-e", "~root", "a=b", "*", "$(id)", "`id`", "\\", "\\\n", "'\"'", "!!", "\xc3(", "a\n\n", "\n", "{a,b}", "<(x)"}
	for b := 1; b < 256; b++ {
		c := string([]byte{byte(b)})
		values = append(values, c, c+c, "a"+c, c+"b", "'"+c+"'")
	}
	checkShells(t, values)
}

func TestRandomBytesReachTheCommand(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	alphabet := []byte("ab'\"\\ \t\n$`*?[]{}()<>|&;~!#=%-^,\x01\x7f\x80\x88\xc3\xa9\xff")
	for range 4 {
		var values []string
		for range 300 {
			v := make([]byte, random.IntN(12))
			for i := range v {
				v[i] = alphabet[random.IntN(len(alphabet))]
			}
			values = append(values, string(v))
		}
		checkShells(t, values)
	}
}

// TestDirectEqualsShell runs one template both ways and compares the words.
func TestDirectEqualsShell(t *testing.T) {
	t.Parallel()
	values := []string{"", "a b", "*", "$HOME", "d.e/f.g", "'", "-n", "a\nb"}
	for _, text := range []string{
		"show {}", "show a{}b", "show {1}{3} {3} x{3}y", "show {.} {/}", "show -x --y={} {#} {2//}", "show", "show  {-1}\t{-4}", "show {1}{2}",
	} {
		for _, a := range values {
			for _, b := range values {
				j := Job{Seq: 5, Args: []string{a, b}}
				direct := mustRender(t, bareEnv("show"), []string{text}, j)
				if direct.Argv == nil {
					t.Fatalf("%q wants a shell", text)
				}
				got := wordsOf(direct.Display)
				if !slices.Equal(got, direct.Argv) {
					t.Errorf("%q with %q, %q: the shell sees %q, direct is %q", text, a, b, got, direct.Argv)
				}
			}
		}
	}
}

// wordsOf splits a text as a shell does, for texts whose only syntax is blanks
// and the two kinds of quotes that Quote writes. The tests above hold Quote
// against real shells; this model makes thousands of cases cheap.
func wordsOf(text string) []string {
	var words []string
	var cur []byte
	in, exists := byte(0), false
	for i := range len(text) {
		switch c := text[i]; {
		case in != 0 && c == in:
			in = 0
		case in != 0:
			cur = append(cur, c)
		case c == '\'' || c == '"':
			in, exists = c, true
		case c == ' ' || c == '\t':
			if exists {
				words = append(words, string(cur))
			}
			cur, exists = nil, false
		default:
			cur, exists = append(cur, c), true
		}
	}
	if exists {
		words = append(words, string(cur))
	}
	return words
}

func FuzzQuote(f *testing.F) {
	for _, s := range []string{"", "'", "''", "a'b", "\xff\n", "it's \"x\""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, v string) {
		if got := wordsOf(Quote(v)); len(got) != 1 || got[0] != v {
			t.Errorf("Quote(%q) = %q, which is %q", v, Quote(v), got)
		}
	})
}

func FuzzTemplate(f *testing.F) {
	f.Add("gzip {} {.}", "a b", "c")
	f.Add("show a{1/}b{-1} {%} {#}", "*", "")
	f.Add("{}{{}}{0}{99999999999999999999}", "'", "\n")
	f.Add("show {= x =}", "", "")
	f.Fuzz(func(t *testing.T, text, a, b string) {
		tmpl, err := ParseIn([]string{text}, bareEnv("show"))
		if err != nil {
			return
		}
		r, err := tmpl.Render(Job{Seq: 1, Args: []string{a, b}})
		if err != nil {
			return
		}
		filled := r.WithSlot(2)
		if strings.Contains(fmt.Sprint(filled), slotMark) {
			t.Errorf("%q: a slot mark is left in %q", text, filled)
		}
		if r.Argv != nil && !slices.Equal(wordsOf(filled.Display), filled.Argv) {
			t.Errorf("%q: the shell sees %q, direct is %q", text, wordsOf(filled.Display), filled.Argv)
		}
	})
}
