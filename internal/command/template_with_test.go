package command

import (
	"slices"
	"strings"
	"testing"
)

func TestParseWith(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		o     Options
		words []string
		args  []string
		want  string
	}{
		{"names", Options{Names: []string{"n", "m.x", "", "2"}}, []string{"x {n} {m.x} {n.} {m.x//} {2} {3} {} {n /}"}, []string{"a.b", "c/d", "e", "f"}, "x a.b c/d a c f e a.b c/d e f {n /}"},
		{"names win", Options{Names: []string{"#", "%"}}, []string{"x {#} {%}"}, []string{"a", "b"}, "x a b"},
		{"names with --plus", Options{Names: []string{"n"}, Plus: true}, []string{"x {n..} {n:-d} {n^^a}"}, []string{"a.b.c"}, "x a a.b.c A.b.c"},
		{"names under -I", Options{Names: []string{"n"}, Replace: Replace{Value: ",,"}}, []string{"x {n} {n.} ,, {}"}, []string{"a.b"}, "x a.b a a.b {}"},
		{"total", Options{}, []string{"x {#}/{##}"}, []string{"a"}, "x 7/12"},
		{"padded", Options{Plus: true, Slots: 12}, []string{"x {0%} {0#} {slot}"}, []string{"a"}, "x 05 07 5"},
		{"appended", Options{Quote: true}, []string{"a b"}, []string{"c d"}, "'a b' 'c d'"},
		{"not appended", Options{NoAppend: true}, []string{"wc", "-l"}, nil, "wc -l"},
		{"unquoted", Options{Rpl: []string{`{x} $_="\$$_";uq()`}}, []string{"x {x}"}, []string{"HOME"}, "x $HOME"},
		{"default only for nothing", Options{Plus: true}, []string{"x {1:-d} {2:-d} {3:-d}"}, []string{"", "0"}, "x d 0 "},
	}
	for _, tt := range tests {
		for _, env := range []Env{bareEnv(), bareEnv("x", "wc")} {
			tt.o.Env = env
			tmpl, err := ParseWith(tt.words, tt.o)
			if err != nil {
				t.Errorf("%s: %v", tt.name, err)
				continue
			}
			r, err := tmpl.Render(Job{Seq: 7, Total: 12, Args: tt.args})
			if err != nil || r.WithSlot(5).Display != tt.want {
				t.Errorf("%s: %q, %v; want %q", tt.name, r.WithSlot(5).Display, err, tt.want)
			}
			if got := r.WithSlot(5); got.Argv != nil && !slices.Equal(got.Argv, wordsOf(tt.want)) {
				t.Errorf("%s: words %q of %q", tt.name, got.Argv, tt.want)
			}
		}
	}
}

func TestNeedsTotal(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{"x {##}": true, "x {0#}": true, "x {t}": true, "x {#} {}": false} {
		o := Options{Env: bareEnv(), Plus: true, Rpl: []string{"{t} $_=total_jobs()"}}
		tmpl, err := ParseWith([]string{text}, o)
		if err != nil {
			t.Fatal(err)
		}
		x, err := ParseText(text, o)
		if err != nil {
			t.Fatal(err)
		}
		if tmpl.NeedsTotal() != want || x.NeedsTotal() != want {
			t.Errorf("%q: template %v, text %v, want %v", text, tmpl.NeedsTotal(), x.NeedsTotal(), want)
		}
		if _, err := tmpl.Render(Job{Seq: 1, Args: []string{"v"}}); (err != nil) != want {
			t.Errorf("%q without a total: error %v", text, err)
		}
	}
}

func TestHostIsThisComputer(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"x {host}": "x ':'", "x {sshlogin}": "x ':'", "x {hgrp}": "x ''", "x {agrp}": "x ''"} {
		tmpl, err := ParseWith([]string{text}, Options{Env: bareEnv(), Plus: true})
		if err != nil {
			t.Fatal(err)
		}
		if r, err := tmpl.Render(Job{Seq: 1, Args: []string{"v"}}); err != nil || r.Display != want {
			t.Errorf("%q: %q, %v", text, r.Display, err)
		}
	}
}

// TestQuotedRunsDirectly requires that words quoted by -q reach the command as
// they are, with a shell and without.
func TestQuotedRunsDirectly(t *testing.T) {
	t.Parallel()
	words := []string{"gzip", "a b;$HOME", "", "x{}", "{9}"}
	for _, env := range []Env{bareEnv(), bareEnv("gzip")} {
		tmpl, err := ParseWith(words, Options{Env: env, Quote: true})
		if err != nil {
			t.Fatal(err)
		}
		r, err := tmpl.Render(Job{Seq: 1, Args: []string{"'", "c d"}})
		if err != nil {
			t.Fatal(err)
		}
		want := []string{"gzip", "a b;$HOME", "", "x'", "c d", ""}
		if got := wordsOf(r.Display); !slices.Equal(got, want) || r.Argv != nil && !slices.Equal(r.Argv, want) {
			t.Errorf("the shell sees %q, direct is %q, want %q", got, r.Argv, want)
		}
	}
}

func TestText(t *testing.T) {
	t.Parallel()
	x, err := ParseText("{} {%}/{1.}x", Options{})
	if err != nil {
		t.Fatal(err)
	}
	j := Job{Seq: 1, Args: []string{"a b.c", "$d"}}
	if got, err := x.Expand(j, 3); err != nil || got != "a b.c $d 3/a bx" {
		t.Errorf("%q, %v", got, err)
	}
	open, err := x.Expand(j, 0)
	if err != nil || FillSlot(open, 12) != "a b.c $d 12/a bx" || !x.HasReplacement() {
		t.Errorf("%q, %v", open, err)
	}
	if _, err := x.Expand(Job{Seq: 2, Args: []string{"a\x00"}}, 0); err == nil {
		t.Error("a NUL in a value is no error")
	}
	if plain, err := ParseText("", Options{}); err != nil || plain.HasReplacement() {
		t.Errorf("an empty text: %v", err)
	}
}

// TestFitter compares the size that is counted value by value with the real one.
func TestFitter(t *testing.T) {
	t.Parallel()
	values := []string{"a", "", "b c", "'", "d.e/f", strings.Repeat("x", 30), "\xff", "g", "h i", "j"}
	for _, text := range []string{"x", "x {} a{.}b {#}", "x {1} {2} {}{2} {-1}", "x a{}{-1} {3}", "x {1}{2}", "{} x", "x {%} 'p {} q'"} {
		for _, context := range []bool{false, true} {
			tmpl, err := ParseWith([]string{text}, Options{Env: bareEnv(), Context: context})
			if err != nil {
				t.Fatal(err)
			}
			for _, maxChars := range []int{10, 40, 60, 80, 120, 0} {
				fits := tmpl.Fitter(maxChars)
				for n := 1; n <= len(values); n++ {
					j := Job{Seq: 1, Args: values[:n]}
					r, err := tmpl.Render(j)
					if err != nil {
						t.Fatal(err)
					}
					checkBound(t, tmpl, j, r)
					if want := maxChars == 0 || len(r.Display) < maxChars; fits(j) != want || tmpl.Fits(j, maxChars) != want {
						t.Errorf("%q context %v with %d values, %d bytes, in %d: fits is not %v", text, context, n, len(r.Display), maxChars, want)
					}
				}
			}
		}
	}
	direct, err := ParseWith([]string{"x"}, Options{Env: bareEnv("x")})
	if err != nil {
		t.Fatal(err)
	}
	fits := direct.Fitter(0)
	long := strings.Repeat("v", ArgBytesMax)
	args := []string{long}
	for fits(Job{Seq: 1, Args: args}) {
		args = append(args, long)
	}
	if _, err := direct.Render(Job{Seq: 1, Args: args}); err == nil {
		t.Errorf("%d values do not fit and yet can be rendered", len(args))
	}
	if _, err := direct.Render(Job{Seq: 1, Args: args[1:]}); err != nil {
		t.Errorf("%d values fit: %v", len(args)-1, err)
	}
}

// checkBound compares the bound of a command line's size with the real one.
func checkBound(t *testing.T, tmpl *Template, j Job, r Rendered) {
	t.Helper()
	b := tmpl.bound()
	_, argv := r.Exec()
	size := 0
	for _, a := range argv {
		size += len(a) + argBytes + slotDigits*strings.Count(a, slotMark)
	}
	if most := b.size(j.Args); b.known && len(j.Args) > 0 && max(size, len(r.Display)) > most {
		t.Errorf("%q is %d bytes long, as arguments %d, and at most %d were expected", r.Display, len(r.Display), size, most)
	}
}

func FuzzParseWith(f *testing.F) {
	f.Add("show {} {.}", "b", "a b", "c", byte(0))
	f.Add("show a{1:-x}b{-1^^a} {%} {0#}", "{n//a/b}", "*", "", byte(7))
	f.Add("{##}\t{}x {uniq}", "", "'", "\n", byte(3))
	f.Fuzz(func(t *testing.T, first, second, a, b string, bits byte) {
		o := Options{Env: bareEnv("show"), Names: []string{"n", second}, Plus: bits&1 != 0, Context: bits&2 != 0, Quote: bits&4 != 0}
		tmpl, err := ParseWith([]string{first, second}, o)
		if err != nil {
			return
		}
		j := Job{Seq: 1, Total: 9, Args: []string{a, b}}
		r, err := tmpl.Render(j)
		if err != nil {
			return
		}
		checkBound(t, tmpl, j, r)
		filled := r.WithSlot(2)
		if strings.Contains(filled.Display+filled.Shell+strings.Join(filled.Argv, ""), slotMark) {
			t.Errorf("%q: a slot mark is left in %q", first, filled)
		}
		if r.Argv != nil && !slices.Equal(wordsOf(filled.Display), filled.Argv) {
			t.Errorf("%q: the shell sees %q, direct is %q", first, wordsOf(filled.Display), filled.Argv)
		}
		if !tmpl.Fits(j, 0) {
			t.Errorf("%q was rendered and does not fit", first)
		}
	})
}
