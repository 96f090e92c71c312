package command

import (
	"bytes"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// gnu runs GNU parallel's --dry-run and returns the commands it would start,
// each ended by mark, which every template here must end with.
type gnu struct {
	path string
	env  []string
}

const mark = "@END@"

func findGNU(t *testing.T) gnu {
	t.Helper()
	if testing.Short() {
		t.Skip("starts GNU parallel many times")
	}
	path, err := exec.LookPath("parallel")
	if err != nil {
		t.Skip("no parallel")
	}
	home := t.TempDir()
	env := append(os.Environ(), "HOME="+home, "PARALLEL_HOME="+home, "PARALLEL_SHELL=/bin/sh", "PARALLEL=", "LC_ALL=C")
	g := gnu{path, env}
	if out, err := g.command(t, "--version").Output(); err != nil || !strings.HasPrefix(string(out), "GNU parallel") {
		t.Skip("another parallel than GNU's")
	}
	return g
}

func (g gnu) command(t *testing.T, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(t.Context(), g.path, args...)
	cmd.Env = g.env
	return cmd
}

func (g gnu) dryRun(t *testing.T, stdin string, args ...string) []string {
	t.Helper()
	cmd := g.command(t, append([]string{"--will-cite", "-k", "-j1", "--dry-run"}, args...)...)
	cmd.Stdin = strings.NewReader(stdin)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("parallel %q: %v: %s", args, err, &stderr)
	}
	commands := strings.SplitAfter(string(out), mark+"\n")
	return commands[:len(commands)-1]
}

// ours renders what tutti would start for the same command line.
func ours(t *testing.T, null bool, stdin string, argv []string) []string {
	t.Helper()
	words, sources, err := SplitArgs(argv)
	if err != nil {
		t.Fatal(err)
	}
	tmpl, err := ParseIn(words, bareEnv())
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for j, err := range Inputs(InputSpec{Sources: sources, Null: null, Stdin: strings.NewReader(stdin)}) {
		if err != nil {
			t.Fatal(err)
		}
		r, err := tmpl.Render(j)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, r.WithSlot(1).Display+"\n")
	}
	return out
}

func sameCommands(t *testing.T, argv []string, got, want []string) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%q: %d commands, GNU has %d\n ours %q\n GNU's %q", argv, len(got), len(want), got, want)
		return
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%q:\n ours  %q\n GNU's %q", argv, got[i], want[i])
		}
	}
}

// TestGNUReplacement compares every template with every value.
func TestGNUReplacement(t *testing.T) {
	t.Parallel()
	g := findGNU(t)
	values := []string{
		"", "a", "a b", "a.b", "a.b.c", "d/a.b", "d.e/a", "d.e/a.b.c", "/", "//", "///", "/a", "//a", "a/", "a//", "a/b/", "a//b", "a//b//c.d",
		".", "..", "./", "../", "./a", "../a.b", ".bashrc", "d/.bashrc", "a.", "a..b", ".a.", "a/.", "a/..", "/.", "/..a", "d/.a/b",
		"'", "''", "'a'", "a'b", `"`, `\`, "$x", "`x`", "~", "~/a.b", "=", "a=b", "!", "#", "%", "*.c", "[a]", "{}", "{1}", "{.}", "{#}",
		"-n", "--", "+x", "^", ",", "@", ":", "\t", " ", " a ", "\n", "a\nb", "a.b\n", "a.b\n.c", "\x01", "\x7f", "\x80", "\xaf", "\xaf<x\xaf>", "\xff.\xfe", "é.ü", "\r", "a\r\n", "&;|<>()",
	}
	var everyByte []string
	for b := 1; b < 256; b++ {
		everyByte = append(everyByte, "x"+string([]byte{byte(b)})+"y.z")
	}
	templates := []string{
		"x {} {.}", "x {.} {/} {//} {/.}", "x {#} {%}", "x a{}b{.}", "x {1} {1.} {1/} {1//} {1/.}", "x {-1} {-1.} {-1/.} {2} {0} {-2} {-3}",
		"x '{}' \"{.}\"", "{} {.}", "x{}", "x{.} '{/}'", "V={} x", " {}", "\t{}", "a=b{}", "x {{}} {{.}} {}} {+} {x} {..} { }", "x {1 } {1 .} {01}", "\"{}\"",
	}
	for i, text := range templates {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			values := values
			if i == 0 {
				values = slices.Concat(values, everyByte)
			}
			text += mark
			stdin := strings.Join(values, "\x00") + "\x00"
			sameCommands(t, []string{text}, ours(t, true, stdin, []string{text}), g.dryRun(t, stdin, "-0", text))
		})
	}
}

// TestGNUSources compares how commands and inputs are put together.
func TestGNUSources(t *testing.T) {
	t.Parallel()
	g := findGNU(t)
	dir := t.TempDir()
	file := func(name, text string) string {
		name = dir + "/" + name
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	l1, l2, none := file("l1", "a\n\nb"), file("l2", "1\n2\n\n"), file("none", "")
	const end = "{}" + mark
	for _, tt := range []struct {
		stdin string
		argv  []string
	}{
		{"", []string{"x", end, ":::", "a", "b"}},
		{"", []string{"x", "", "b c", end, ":::", "a", "b c"}},
		{"", []string{"x {1}-{2}-{3}-{4}" + mark, ":::", "a", "b", ":::", "1", "2", ":::", "x", "y", "z"}},
		{"", []string{"x {2} {1} {-1} {-2} {-3} {-4} {-5} {3} {00} {-0}" + mark, ":::", "a.b", ":::", "c/d"}},
		{"", []string{"x p{}q {.} {//} {/.} {#}" + mark, ":::", "a b.x", "c", ":::", "d/e.f"}},
		{"", []string{"{} {.}" + mark, ":::", "a b.x", "c", ":::", "d/e.f"}},
		{"", []string{"x", end, "::::", l1}},
		{"", []string{"x", end, "::::", l1, l2}},
		{"", []string{"x", end, "::::", l1, ":::", "p", "q", "::::", l2}},
		{"", []string{"x", end, "::::", none}},
		{"", []string{"x", end, "::::", none, none}},
		{"", []string{"x", end, "::::", none, ":::", "a", "b"}},
		{"", []string{"x", end, ":::", "a", "b", "::::", none}},
		{"", []string{"x", end, ":::", "a", ":::", ":::", "b"}},
		{"q\n\nr", []string{"x", end}},
		{"q\n\nr\n\n", []string{"x", end, "::::", "-"}},
		{"q\nr\n", []string{"x", end, "::::", l2, "-"}},
		{"", []string{"x", end}},
		{"\n", []string{"x", end}},
		{" \n\t\n\r\n\xff\n", []string{"x", end}},
		{"", []string{"x", end, ":::", ""}},
		{"", []string{"x", end, ":::", "", "", ":::", "", "a"}},
	} {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			want := g.dryRun(t, tt.stdin, slices.Clone(tt.argv)...)
			sameCommands(t, tt.argv, ours(t, false, tt.stdin, tt.argv), want)
		})
	}
}
