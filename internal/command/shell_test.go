package command

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestNeedsShell(t *testing.T) {
	t.Parallel()
	env := bareEnv("gzip", "echo", "time", "true", "g=zip", "myfn", "9gzip", "./x")
	env.Functions = map[string]bool{"myfn": true}
	env.Shell = "bash"
	look := env.LookPath
	env.LookPath = func(name string) (string, error) {
		if name == "bash" {
			return "/bin/bash", nil
		}
		return look(name)
	}
	direct := []string{
		"gzip {}", "gzip", "gzip -9 {} -o {.}.gz", "  gzip\t{}", "gzip --a=b,c:d@e%f+g", "true {}", "./x {}", "gzip {1} {2/}",
		"gzip a=b", "9gzip {}",
	}
	shell := []string{
		"", "{}", "{} -9", "pre{}", "unknown {}", "echo {}", "time gzip {}", "myfn {}", "g=zip {}", "gzip =x",
	}
	for _, syntax := range strings.Split("|;&<>()$`\\\"'*?[]#~!{}^\n\r\v", "") {
		shell = append(shell, "gzip a"+syntax+"b {}", "gzip "+syntax)
	}
	shell = append(shell, "gzip \xc3\xa9", "gzip \xff", "gzip \x01", "gzip {a,b}", "A=b gzip {}", "gzip {} && gzip", "if gzip")
	for _, tt := range []struct {
		texts []string
		want  bool
	}{{direct, false}, {shell, true}} {
		for _, text := range tt.texts {
			tmpl, err := ParseIn([]string{text}, env)
			if err != nil {
				t.Errorf("%q: %v", text, err)
			} else if tmpl.NeedsShell() != tt.want {
				t.Errorf("%q needs a shell: %v, want %v", text, tmpl.NeedsShell(), tt.want)
			}
		}
	}
	env.Startup = true
	if tmpl, err := ParseIn([]string{"gzip"}, env); err != nil || !tmpl.NeedsShell() {
		t.Errorf("with a start-up file: %+v, %v; want a shell", tmpl, err)
	}
}

func TestWhichShell(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		shell, text string
		want, err   string
	}{
		{"", "a;b", "/bin/sh", ""},
		{"dash", "a;b", "dash", ""},
		{"dash", "a;myfn", "bash", ""},
		{"dash", "{}", "bash", ""},
		{"dash", "a 'myfn {}'", "bash", ""},
		{"dash", "a;notmyfn", "dash", ""},
		{"/x/bash", "myfn", "/x/bash", ""},
		{"/x/fish", "a;b", "", "PARALLEL_SHELL"},
		{"gone", "a;b", "", "gone"},
	} {
		env := Env{
			Shell:     tt.shell,
			Functions: map[string]bool{"myfn": true, "other": true},
			LookPath: func(name string) (string, error) {
				if name == "gone" || name == "a" {
					return "", &os.PathError{Op: "look", Path: name, Err: errNotFound}
				}
				return name, nil
			},
		}
		tmpl, err := ParseIn([]string{tt.text}, env)
		switch {
		case tt.err != "":
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%q in %q: error %v, want %q", tt.text, tt.shell, err, tt.err)
			}
		case err != nil || tmpl.path != tt.want:
			t.Errorf("%q in %q: %+v, %v; want %s", tt.text, tt.shell, tmpl, err, tt.want)
		}
	}
	noBash := Env{Shell: "sh", Functions: map[string]bool{"f": true}, LookPath: func(string) (string, error) { return "", errNotFound }}
	if _, err := ParseIn([]string{"f {}"}, noBash); err == nil || !strings.Contains(err.Error(), "bash") {
		t.Errorf("a function without bash: %v", err)
	}
}

// TestDefaultEnv is not parallel: it sets the environment.
func TestDefaultEnv(t *testing.T) {
	for _, tt := range []struct{ parallel, shell, want string }{
		{"", "", "/bin/sh"},
		{"", "/bin/bash", "/bin/bash"},
		{"", "/usr/bin/fish", "/bin/sh"},
		{"", "/usr/sbin/nologin", "/bin/sh"},
		{"dash", "/bin/bash", "dash"},
	} {
		t.Setenv("PARALLEL_SHELL", tt.parallel)
		t.Setenv("SHELL", tt.shell)
		if got := DefaultEnv().Shell; got != tt.want {
			t.Errorf("PARALLEL_SHELL=%q SHELL=%q: %q, want %q", tt.parallel, tt.shell, got, tt.want)
		}
	}
	t.Setenv("SHELL", "/bin/bash")
	t.Setenv("PARALLEL_SHELL", "")
	t.Setenv("BASH_ENV", "/x")
	t.Setenv("BASH_FUNC_my_fn%%", "() { :; }")
	if env := DefaultEnv(); !env.Startup || !env.Functions["my_fn"] {
		t.Errorf("%+v, want a start-up file and my_fn", env)
	}
	home := t.TempDir()
	t.Setenv("SHELL", "/bin/zsh")
	t.Setenv("ZDOTDIR", home)
	if err := os.WriteFile(filepath.Join(home, ".zshenv"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if !DefaultEnv().Startup {
		t.Error(".zshenv not seen")
	}
}

// TestLookPath is not parallel: it sets PATH.
func TestLookPath(t *testing.T) {
	dir, behind := t.TempDir(), t.TempDir()
	write := func(dir, name, text string, mode os.FileMode) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	write(dir, "elf", "\x7fELF...", 0o755)
	write(dir, "script", "#!/bin/sh\n", 0o755)
	write(dir, "bare", "echo hi\n", 0o755)
	write(behind, "bare", "#!/bin/sh\n", 0o755)
	write(dir, "data", "#!/bin/sh\n", 0o644)
	write(behind, "data", "#!/bin/sh\n", 0o755)
	t.Setenv("PATH", dir+":"+behind)
	for _, tt := range []struct{ name, want string }{
		{"elf", dir + "/elf"},
		{"script", dir + "/script"},
		{"bare", ""}, // the shell finds this one first and runs it itself
		{"data", behind + "/data"},
		{"gone", ""},
		{dir + "/elf", dir + "/elf"},
		{dir + "/data", ""},
		{dir, ""},
	} {
		if got, err := lookPath(tt.name); got != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("lookPath(%q) = %q, %v; want %q", tt.name, got, err, tt.want)
		}
	}
	t.Chdir(dir)
	t.Setenv("PATH", ":"+dir)
	if got, err := lookPath("elf"); err == nil {
		t.Errorf("found %q through a relative PATH", got)
	}
}

// TestShellWordsAreComplete asks bash for its own list.
func TestShellWordsAreComplete(t *testing.T) {
	t.Parallel()
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("no bash")
	}
	out, err := exec.CommandContext(t.Context(), bash, "--norc", "-c", "compgen -b; compgen -k").Output()
	if err != nil {
		t.Fatal(err)
	}
	for w := range strings.FieldsSeq(string(out)) {
		if !shellWords[w] && !slices.Contains([]string{"true", "false"}, w) {
			t.Errorf("%s is a word of bash and not in shellWords", w)
		}
	}
}
