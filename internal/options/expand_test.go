package options

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// world is an environment and files for a test.
func world(env, files map[string]string) Sources {
	return Sources{
		Getenv: func(name string) string { return env[name] },
		ReadFile: func(name string) ([]byte, error) {
			if text, ok := files[name]; ok {
				return []byte(text), nil
			}
			return nil, os.ErrNotExist
		},
	}
}

func TestExpand(t *testing.T) {
	t.Parallel()
	home := map[string]string{"HOME": "/h"}
	for _, c := range []struct {
		argv       []string
		env, files map[string]string
		want       string
	}{
		{argv: []string{"-kj4", "echo", "-n", ":::", "a b"}, want: "--keep-order|--jobs=4|--|echo|-n|:::|a b"},
		{want: "--"},
		{argv: []string{"-j3", "x"}, env: map[string]string{"HOME": "/h", "PARALLEL": `-k --tagstring 'a b'`, "PARALLEL_CSH": "-u"},
			files: map[string]string{"/etc/parallel/config": "# all\n-j1\n", "/h/.parallel/config": "  # mine\n--nice 3\n\n-j2 --colsep '\\s+'\n", "/h/.parallelrc": "-t"},
			want:  `--jobs=1|--nice=3|--jobs=2|--colsep=\s+|--verbose|--keep-order|--tagstring=a b|--ungroup|--jobs=3|--|x`},
		{argv: []string{"bzip2"}, env: home, files: map[string]string{"/h/.parallel/config": "-j-1 nice"}, want: "--jobs=-1|--|nice|bzip2"},
		{argv: []string{"b"}, env: map[string]string{"PARALLEL": "-k env X=1 -k"}, want: "--keep-order|--|env|X=1|-k|b"},
		{argv: []string{"--plain", "x"}, env: map[string]string{"PARALLEL": "-k"}, want: "--plain|--|x"},
		{argv: []string{"-J", "fast", "x"}, env: home, files: map[string]string{"/h/.parallel/fast": "-j9", "/h/.parallel/config": "-j1"}, want: "--jobs=9|--profile=fast|--|x"},
		{argv: []string{"-Ja", "-J./b", "x"}, env: home, files: map[string]string{"/h/.parallel/a": "-j9 -Jz", "./b": "-k --plain"}, want: "--jobs=9|--keep-order|--profile=a|--profile=./b|--|x"},
		{argv: []string{"x"}, env: map[string]string{"PARALLEL_HOME": "/p", "XDG_CONFIG_HOME": "/c", "XDG_CONFIG_DIRS": "/d:/e", "HOME": "/h"},
			files: map[string]string{"/p/config": "-j1", "/c/parallel/config": "-j2", "/d/parallel/config": "-j3", "/e/parallel/config": "-j4", "/h/.parallel/config": "-j5"},
			want:  "--jobs=1|--jobs=2|--jobs=3|--jobs=4|--jobs=5|--|x"},
		{argv: []string{"--shebang -k -j4", "./script"}, want: "--skip-first-line|--arg-file=./script|--keep-order|--jobs=4|--"},
		{argv: []string{"--shebang", "-k", "echo", "./script"}, want: "--skip-first-line|--arg-file=./script|--keep-order|--|echo"},
		{argv: []string{"--hashbang -0 echo 'a b'", "/my script"}, want: "--skip-first-line|--arg-file=/my script|--null|--|echo|a b"},
		{argv: []string{"--shebang-wrap -k perl -w", "/my script", "a", "b c"}, want: "--keep-order|--|perl|-w|'/my script'|:::|a|b c"},
		{argv: []string{"--shebang-wrap --pipe perl", "s", "a"}, want: "--pipe|--|perl|s|::::|a"},
		{argv: []string{"--shebang-wrap perl", "s"}, want: "--|perl|s"},
	} {
		got, err := Expand(c.argv, world(c.env, c.files))
		if err != nil || strings.Join(got, "|") != c.want {
			t.Errorf("%q:\n got %s, %v\nwant %s", c.argv, strings.Join(got, "|"), err, c.want)
		}
	}
}

func TestExpandErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		argv       []string
		env, files map[string]string
		want       string
	}{
		{env: map[string]string{"PARALLEL": "--nonsense"}, want: "$PARALLEL: there is no option --nonsense; --help lists them"},
		{env: map[string]string{"PARALLEL": "--tagstring 'a"}, want: `$PARALLEL: a quote is not closed; write \' for a quote that is only a letter`},
		{env: map[string]string{"HOME": "/h"}, files: map[string]string{"/h/.parallel/config": "-k\n-S host\n"}, want: "/h/.parallel/config: option --sshlogin is for other computers"},
		{env: map[string]string{"HOME": "/h"}, files: map[string]string{"/h/.parallel/config": "-k\n'\n"}, want: "/h/.parallel/config, line 2: a quote is not closed"},
		{argv: []string{"-J", "x"}, want: `profile "x" cannot be read; -J takes a file in ~/.parallel`},
		{argv: []string{"-k", "--shebang", "x"}, want: "option --shebang must be the first word"},
		{argv: []string{"--shebang"}, want: "option --shebang is for the first line of a script"},
		{argv: []string{"--shebang-wrap", "-k", "perl", "s"}, want: "option --shebang-wrap must stand in one word with its options"},
	} {
		_, err := Expand(c.argv, world(c.env, c.files))
		if err == nil || !strings.HasPrefix(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q:\n got %v\nwant %s", c.argv, err, c.want)
		}
	}
}

var wordCases = []string{
	"", " ", "a b", " a\tb ", `a\ b`, `"a b" c`, `'a b'c`, `a"b c"d'e f'`, `""`, `''`, `a ""`, `"\n"`, `"\""`, `'\n'`, `'a\'b'`,
	`"a'b"`, `'a"b'`, `\\`, `\"`, `"\\"`, `'\\'`, `a'b'"c"\d`, `--colsep '\s+' -k`, "a\\\tb", "$HOME `x` *", `é "ü ß"`,
	`"`, `'`, `a\`, `"a\"`, `'a\'`, `a"`, `"a" 'b`,
}

func TestSplitWords(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ line, want string }{
		{`a\ b c`, "a b|c"}, {`"a\tb" '\t'`, `atb|\t`}, {`x''y ""`, "xy|"}, {" \t\n", ""}, {`'a\'b'`, `a\'b`},
	} {
		got, err := splitWords(c.line)
		if err != nil || strings.Join(got, "|") != c.want {
			t.Errorf("%s: %q, %v", c.line, got, err)
		}
	}
}

// TestSplitWordsAsPerl compares with the splitting that GNU parallel relies on.
func TestSplitWordsAsPerl(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("perl", "-MText::ParseWords", "-0ne", `chomp; print join("|", map {"<$_>"} shellwords($_)), "\0"`)
	cmd.Stdin = strings.NewReader(strings.Join(wordCases, "\x00") + "\x00")
	out, err := cmd.Output()
	if err != nil {
		t.Skip("perl is not installed")
	}
	for i, want := range bytes.Split(bytes.TrimSuffix(out, []byte{0}), []byte{0}) {
		words, err := splitWords(wordCases[i])
		got := ""
		for j, w := range words {
			got += fmt.Sprintf("%s<%s>", "|"[:min(j, 1)], w)
		}
		if err != nil {
			got = "" // Perl drops the whole line
		}
		if got != string(want) {
			t.Errorf("%q: got %s, Perl says %s", wordCases[i], got, want)
		}
	}
}

func TestShellWord(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"a/b.pl": "a/b.pl", "": "''", "a b": "'a b'", "it's": `'it'\''s'`, "~x": "'~x'", "a\nb": "'a\nb'"} {
		if got := shellWord(in); got != want {
			t.Errorf("%q: %s", in, got)
		}
	}
}

func FuzzExpand(f *testing.F) {
	f.Add("-kj4\x00x", "-k 'a b'", "# x\n-j1 nice\n")
	f.Add("--shebang -k\x00s", "\\", "'")
	f.Add("--shebang-wrap -k perl\x00s\x00a", "", "-J x")
	f.Add("-Jp\x00-l2", "--trc", "--eof")
	f.Fuzz(func(t *testing.T, line, env, file string) {
		argv := strings.Split(line, "\x00")
		from := world(map[string]string{"HOME": "/h", "PARALLEL": env}, map[string]string{"/h/.parallel/config": file, "/h/.parallel/p": file})
		plain, err := Expand(argv, from)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\r") {
				t.Fatalf("%q", err)
			}
			return
		}
		var m Map
		if _, err := parsePlain(&m, plain); err != nil {
			if strings.ContainsAny(err.Error(), "\n\r") {
				t.Fatalf("%q", err)
			}
			return
		}
		if err := m.Check(); err != nil && strings.ContainsAny(err.Error(), "\n\r") {
			t.Fatalf("%q", err)
		}
		m.Notes()
	})
}
