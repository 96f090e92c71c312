package command

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// bareEnv is a machine with a few executables and the shell sh.
func bareEnv(executables ...string) Env {
	return Env{Shell: "sh", LookPath: func(name string) (string, error) {
		if name == "sh" || slices.Contains(executables, name) {
			return "/bin/" + name, nil
		}
		return "", errNotFound
	}}
}

func mustRender(t *testing.T, env Env, words []string, j Job) Rendered {
	t.Helper()
	tmpl, err := ParseIn(words, env)
	if err != nil {
		t.Fatal(err)
	}
	r, err := tmpl.Render(j)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRenderText(t *testing.T) {
	t.Parallel()
	tests := []struct {
		words []string
		args  []string
		want  string
	}{
		{[]string{"gzip {}"}, []string{"a b"}, "gzip 'a b'"},
		{[]string{"gzip", "-9"}, []string{"a"}, "gzip -9 a"},
		{[]string{"gzip"}, []string{""}, "gzip ''"},
		{nil, []string{"echo a; ls"}, "echo a; ls"},
		{[]string{""}, []string{"a b"}, " 'a b'"},
		{[]string{"x {.} {/} {//} {/.}"}, []string{"d.e/f.tar.gz"}, "x d.e/f.tar f.tar.gz d.e f.tar"},
		{[]string{"x {#} {%}"}, []string{"v"}, "x 7 \x00\x00"},
		{[]string{"x {2} {1.} {-1} {3} {2/}"}, []string{"a.b", "c/d"}, "x c/d a c/d  d"},
		{[]string{"x {-3}{-4}{-5}{0}{00}{1 /}"}, []string{"a/b", "c"}, "x ca/ba/b cb"},
		{[]string{"x a{}b"}, []string{"1 2", "3"}, "x a'1 2' 3b"},
		{[]string{"{}"}, []string{"a b"}, "a b"},
		{[]string{"pre{} {}"}, []string{"a b"}, "prea b a b"},
		{[]string{"V={} {}"}, []string{"a b"}, "V='a b' 'a b'"},
		{[]string{`echo "{}"`}, []string{"a b"}, `echo "'a b'"`},
		{[]string{"echo", "", "{}"}, []string{"a"}, "echo  a"},
		{[]string{"echo [{{}}] {+} {x} {1#}"}, []string{"a"}, "echo [{a}] {+} {x} {1#}"},
		{[]string{"x {/}"}, []string{"a\nb/c/d"}, "x d"},
		{[]string{"x"}, nil, "x "},
	}
	for _, tt := range tests {
		r := mustRender(t, bareEnv(), tt.words, Job{Seq: 7, Args: tt.args})
		if r.Display != tt.want || r.Shell != tt.want {
			t.Errorf("%q with %q: display %q, shell %q, want %q", tt.words, tt.args, r.Display, r.Shell, tt.want)
		}
	}
}

func TestParseErrors(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ text, want string }{
		{"echo {= s/a/b/ =}", "Perl"},
		{"echo \x00", "NUL"},
	} {
		if _, err := ParseIn([]string{tt.text}, bareEnv()); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: error %v, want one about %s", tt.text, err, tt.want)
		}
	}
}

func TestArgvIsTheShellsWords(t *testing.T) {
	t.Parallel()
	tests := []struct {
		text string
		args []string
		want []string
	}{
		{"gzip -9  {}\t-k", []string{"a b"}, []string{"gzip", "-9", "a b", "-k"}},
		{"gzip a{}b", []string{"1", "2", "3"}, []string{"gzip", "a1", "2", "3b"}},
		{"gzip {3} {1}{3} x{3}y {2}", []string{"", "*"}, []string{"gzip", "", "xy", "*"}},
		{"gzip", []string{"$HOME"}, []string{"gzip", "$HOME"}},
		{"gzip if={} of={.}.gz", []string{"a.b"}, []string{"gzip", "if=a.b", "of=a.gz"}},
		{"gzip {%}-{#}", []string{"a"}, []string{"gzip", "\x00\x00-3"}},
	}
	for _, tt := range tests {
		r := mustRender(t, bareEnv("gzip"), []string{tt.text}, Job{Seq: 3, Args: tt.args})
		if !slices.Equal(r.Argv, tt.want) || r.Shell != "" || r.Path != "/bin/gzip" {
			t.Errorf("%q with %q: %+v, want words %q", tt.text, tt.args, r, tt.want)
		}
	}
}

func TestSlot(t *testing.T) {
	t.Parallel()
	for _, env := range []Env{bareEnv(), bareEnv("gpu")} {
		r := mustRender(t, env, []string{"gpu {%} a{%}b {}"}, Job{Seq: 1, Args: []string{"{%}"}})
		if got, want := r.Text(0), "gpu {%} a{%}b '{%}'"; got != want {
			t.Errorf("key %q, want %q", got, want)
		}
		filled := r.WithSlot(12)
		if got, want := filled.Display, "gpu 12 a12b '{%}'"; got != want {
			t.Errorf("display %q, want %q", got, want)
		}
		if want := []string{"gpu", "12", "a12b", "{%}"}; r.Argv != nil && !slices.Equal(filled.Argv, want) {
			t.Errorf("argv %q, want %q", filled.Argv, want)
		}
		if r.Argv == nil && filled.Shell != filled.Display {
			t.Errorf("shell %q", filled.Shell)
		}
		if !strings.Contains(r.Display, slotMark) {
			t.Error("WithSlot changed its receiver")
		}
	}
}

func TestExec(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text string
		want []string
	}{
		{"gzip {}", []string{"gzip", "v"}},
		{"gzip {};", []string{"/bin/sh", "-c", "gzip v;"}},
		{"-gzip {}", []string{"/bin/sh", "-c", "--", "-gzip v"}},
	} {
		path, argv := mustRender(t, bareEnv("gzip"), []string{tt.text}, Job{Args: []string{"v"}}).Exec()
		if !slices.Equal(argv, tt.want) {
			t.Errorf("%q starts %q %q, want %q", tt.text, path, argv, tt.want)
		}
	}
}

func TestTooLong(t *testing.T) {
	t.Parallel()
	big := strings.Repeat("x", ArgBytesMax)
	half := big[:ArgBytesMax/2]
	many := slices.Repeat([]string{half}, 40)
	for _, tt := range []struct {
		name string
		env  Env
		args []string
		want *SizeError
	}{
		{"a text for the shell", bareEnv(), []string{big}, &SizeError{Seq: 9, Bytes: ArgBytesMax + 2, BytesMax: ArgBytesMax, WholeLine: true}},
		{"an argument that fits", bareEnv("c"), []string{big}, nil},
		{"an argument", bareEnv("c"), []string{big + "x"}, &SizeError{Seq: 9, Bytes: ArgBytesMax + 1, BytesMax: ArgBytesMax}},
		{"all arguments", bareEnv("c"), many, &SizeError{Seq: 9, Bytes: 2 + 8 + 40*(ArgBytesMax/2+1+8), BytesMax: ArgsBytesMax, WholeLine: true}},
	} {
		tmpl, err := ParseIn([]string{"c"}, tt.env)
		if err != nil {
			t.Fatal(err)
		}
		_, err = tmpl.Render(Job{Seq: 9, Args: tt.args})
		if tt.want == nil {
			if err != nil {
				t.Errorf("%s: %v", tt.name, err)
			}
			continue
		}
		var size *SizeError
		if !errors.As(err, &size) {
			t.Errorf("%s: error %v, want a SizeError", tt.name, err)
		} else if *size != *tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, size, tt.want)
		}
	}
}

func TestNULInValue(t *testing.T) {
	t.Parallel()
	tmpl, err := ParseIn([]string{"c"}, bareEnv())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tmpl.Render(Job{Seq: 4, Args: []string{"a\x00"}}); err == nil || !strings.Contains(err.Error(), "job 4") {
		t.Errorf("error %v, want one about job 4", err)
	}
}

func BenchmarkRender(b *testing.B) {
	for _, env := range []Env{bareEnv(), bareEnv("gzip")} {
		tmpl, err := ParseIn([]string{"gzip -9 {} {.}.gz"}, env)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(map[bool]string{true: "shell", false: "direct"}[tmpl.NeedsShell()], func(b *testing.B) {
			for b.Loop() {
				if _, err := tmpl.Render(Job{Seq: 1, Args: []string{"some/dir/a file.txt"}}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
