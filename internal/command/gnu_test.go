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

const mark = "_END_" // not quoted by -q

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
	return oursWith(t, Options{}, null, stdin, argv)
}

func oursWith(t *testing.T, o Options, null bool, stdin string, argv []string) []string {
	t.Helper()
	o.Env = bareEnv()
	words, sources, err := SplitArgs(argv)
	if err != nil {
		t.Fatal(err)
	}
	tmpl, err := ParseWith(words, o)
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

// TestGNUStrings compares --plus, --rpl and the options that rename strings.
func TestGNUStrings(t *testing.T) {
	t.Parallel()
	g := findGNU(t)
	values := []string{
		"", "a", "ab", "a b", "a.b", "aba.b", "a.b.c", "a.b.c.d", "d/a.b", "d.e/a", "d.e/a.b.c.d.e", "/", "a/", "/a/b/", ".bashrc", "a.", "a..b", "z.z.z.foo", "foo.z.z.z", "x/y.tar.gz",
		"'", "$x", "*", "a'b", "A.B", "-n", "é.ü", "\xff.\xfe", "\x01", "aaa", "aXbXc", "BaB", "a(b)c[d]", "a\\b", "12", "-3", "1.5", "007", "Hello World", "x=y", "a\tb",
	}
	plus := Options{Plus: true}
	rpl := func(values ...string) Options { return Options{Rpl: values} }
	for _, tt := range []struct {
		o    Options
		args []string
		text string
	}{
		{plus, []string{"--plus"}, "x {+/} {+.} {+..} {+...} {..} {...} {/..} {/...} {1..} {1+/} {-1/...}"},
		{plus, []string{"--plus"}, "x {:1} {:2} {:0:2} {:1:3} {:3:1} {1:1} {-1:1:2} {:9}"},
		{plus, []string{"--plus"}, "x {:-d} {1:-d e} {2:-d} {:-'}"},
		{plus, []string{"--plus"}, "x {#a} {##a} {#a.*b} {##a.*b} {#z.*z.} {##z.*z.} {1#[a-z]} {##[^.]+}"},
		{plus, []string{"--plus"}, "x {%b} {%%b} {%.z.*z} {%%.z.*z} {1%\\.[a-z]} {%%\\..*} {%.b} {%.}"},
		{plus, []string{"--plus"}, "x {/a/b} {//a/b} {/a/} {//./-} {1/b/X} {/#a/b} {/%b/c} {/\\./$1} {//[ab]/<>} {/a/&}"},
		{plus, []string{"--plus"}, "x {^a} {^^a} {,A} {,,A} {^^.} {,,.} {^.} {1^^[a-m]} {,.}"},
		{plus, []string{"--plus"}, "x {.} {/} {//} {/.} {#} {%} {0#}"},
		{rpl(`{x} s/a/b/g; s/\.[^.]*$//`), nil, "x {x} {1x} {.}"},
		{rpl(`{x} s:.*/::;s:\.[^/.]+$::;`, `{y} tr/a-z/A-Z/`), nil, "x {x} {y} {1y}{x}"},
		{rpl(`{x} $_=uc($_)`, `{y} $_=ucfirst(lc($_))`, `{z} $_=length($_)`), nil, "x {x} {y} {z}"},
		{rpl(`{x} s/(.)(.)/$2$1/`, `{y} s/(\w+)/\u\L$1/g`, `{z} s/b$/[$&]/`), nil, "x {x} {y} {z}"},
		{rpl(`{x} $_=sprintf("%05s|%-6s|%.2s",$_,$_,$_)`, `{y} $_=substr($_,1,2).substr($_,-2)`), nil, "x {x} {y}"},
		{rpl(`{x} $_=$job->seq()*2+1`, `{y} $_ = seq() % 2 ? "odd" : "even"`, `{z} $_=seq()/4`), nil, "x {x} {y} {z}"},
		{rpl(`{x} $_=sprintf("%03d/%x/%5.1f/%e",seq(),seq(),seq(),seq())`, `{0} $_=seq()-1`), nil, "x {x} {0}"},
		{rpl(`{x} if($_ eq "a") { $_="b" } else { $_.="!" }`, `{y} $_ ||= "none"`, `{z} $_=length($_)>3 && "long" || "short"`), nil, "x {x} {y} {z}"},
		{rpl(`{x} s/[^\w.-]/_/g`, `{y} y/a-c.//d`, `{z} tr/a-zA-Z//cd`, `{w} tr/a-z//s`), nil, "x {x} {y} {z} {w}"},
		{rpl(`{%(.*?)} s/$$1//`, `{:%(.+?)} s:$$1(\.[^/]+)*$::`, `{(.+?)/(.*?)} $_="$$2$_$$1"`), nil, "x {%.b} {:%.b} {p/q}"},
		{rpl(`% s/a/b/`, `%% s/b/a/`), nil, "x % %% a%b %%%"},
		{Options{Replace: Replace{Value: ",,"}}, []string{"-I", ",,"}, "x ,, {1} {} {.} {1.} ,,.,,"},
		{Options{Replace: Replace{NoExt: "EE", Base: "BB", Dir: "DD", BaseNoExt: "NN", Seq: "SS", Slot: "LL"}},
			[]string{"--er", "EE", "--bnr", "BB", "--dnr", "DD", "--bner", "NN", "--seqreplace", "SS", "--slotreplace", "LL"}, "x EE BB DD NN SS LL {} {/} {#}"},
	} {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			// GNU takes a 0 for empty, and reads an expression of --rpl with $.
			args := append([]string{"-0"}, tt.args...)
			for _, r := range tt.o.Rpl {
				args = append(args, "--rpl", r)
			}
			text := tt.text + mark
			stdin := strings.Join(values, "\x00") + "\x00"
			o := tt.o
			got := oursTotal(t, o, stdin, int64(len(values)), text)
			sameCommands(t, []string{text}, got, g.dryRun(t, stdin, append(args, text)...))
		})
	}
}

func oursTotal(t *testing.T, o Options, stdin string, total int64, text string) []string {
	t.Helper()
	o.Env = bareEnv()
	tmpl, err := ParseWith([]string{text}, o)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for i, v := range strings.Split(strings.TrimSuffix(stdin, "\x00"), "\x00") {
		r, err := tmpl.Render(Job{Seq: int64(i + 1), Total: total, Args: []string{v}})
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, r.WithSlot(1).Display+"\n")
	}
	return out
}

// TestGNUMany compares what becomes of several values: -n, -m, -X, with and
// without -q.
func TestGNUMany(t *testing.T) {
	t.Parallel()
	g := findGNU(t)
	lists := [][]string{{"a"}, {"", "a b.c", "d/'", "*", "\xff"}}
	for _, words := range [][]string{
		{"x", "{}"}, {"x pre{}post {.}"}, {"x", "a{}b", "c {} d"}, {"x {1} {2} {-1} {3.} {-2}"}, {"x a{1}b{} {2}c {} {9}d {}{9}"}, {"x {#} {%}a{} {#}{}"},
		{"x {}\t{}\ta b{}\tc"}, {"x 'a b{} c'"}, {"x", "", "{}"}, {"x", "p {}", "$HOME", "'"}, {"{}"}, {"{} x"}, {"V={} x {}"}, {"x", "{}{.}", "{/}{}-{//}"}, {"  x  {}  y"}, {"x {}\ny{}"},
	} {
		for _, list := range lists {
			for _, mode := range []string{"-n9", "-m", "-X"} {
				for _, quote := range []bool{false, true} {
					t.Run("", func(t *testing.T) {
						t.Parallel()
						words := append(slices.Clone(words), mark)
						args := append([]string{"-0", mode}, words...)
						if quote {
							args = append([]string{"-q"}, args...)
						}
						want := g.dryRun(t, strings.Join(list, "\x00")+"\x00", args...)
						tmpl, err := ParseWith(words, Options{Env: bareEnv(), Quote: quote, Context: mode == "-X"})
						if err != nil {
							t.Fatal(err)
						}
						r, err := tmpl.Render(Job{Seq: 1, Args: list})
						if err != nil {
							t.Fatal(err)
						}
						sameCommands(t, append(args, list...), []string{r.WithSlot(1).Display + "\n"}, want)
					})
				}
			}
		}
	}
}
