package command

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Env is what the decision "shell or no shell" looks at.
type Env struct {
	// Shell is the user's shell, a path or a name to be found with LookPath.
	Shell string
	// LookPath finds an executable that the kernel can start by itself; nil
	// looks in $PATH.
	LookPath func(string) (string, error)
	// Functions holds the names of exported bash functions.
	Functions map[string]bool
	// Startup says that the shell reads a file of the user's before any command
	// (BASH_ENV, .zshenv), which may define functions: then all goes through it.
	Startup bool
}

// DefaultEnv is EnvFor where nothing is known of who started this process.
func DefaultEnv() Env { return EnvFor("") }

// EnvFor reads this process's environment. The shell is $PARALLEL_SHELL, else
// starter, the shell that started us, else $SHELL, of these the first that is one
// of the Bourne family, else /bin/sh: as in GNU parallel, but that a user of csh
// or fish gets /bin/sh, because values are quoted for the Bourne family.
func EnvFor(starter string) Env {
	env := Env{Shell: os.Getenv("PARALLEL_SHELL"), LookPath: lookPath, Functions: exportedFunctions(os.Environ())}
	if env.Shell == "" {
		env.Shell = "/bin/sh"
		for _, s := range []string{starter, os.Getenv("SHELL")} {
			if IsShell(s) {
				env.Shell = s
				break
			}
		}
	}
	switch filepath.Base(env.Shell) {
	case "bash":
		env.Startup = os.Getenv("BASH_ENV") != ""
	case "zsh":
		own := filepath.Join(cmp.Or(os.Getenv("ZDOTDIR"), os.Getenv("HOME")), ".zshenv")
		env.Startup = anyExists("/etc/zshenv", "/etc/zsh/zshenv", own)
	}
	return env
}

// IsShell reports whether path is named like a shell of the Bourne family.
func IsShell(path string) bool { return slices.Contains(bourneShells, filepath.Base(path)) }

// exportedFunctions finds what bash's export -f leaves in an environment.
func exportedFunctions(environ []string) map[string]bool {
	functions := map[string]bool{}
	for _, kv := range environ {
		if rest, ok := strings.CutPrefix(kv, "BASH_FUNC_"); ok {
			if name, _, ok := strings.Cut(rest, "%%="); ok {
				functions[name] = true
			}
		}
	}
	return functions
}

func anyExists(names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool {
		_, err := os.Stat(name)
		return err == nil
	})
}

// errNotFound is lookPath's answer for what is left to the shell to find, or to
// complain about.
var errNotFound = errors.New("not found among the executables")

// lookPath finds name in $PATH as a shell does. A file that execve would refuse
// (a script without #!, which shells run themselves) counts as not found, and so
// does one in a relative directory of $PATH, whose meaning changes with chdir.
func lookPath(name string) (string, error) {
	if strings.Contains(name, "/") {
		if startable(name) {
			return name, nil
		}
		return "", fmt.Errorf("%s: %w", name, errNotFound)
	}
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		path := filepath.Join(dir, name)
		if !isExecutable(path) {
			continue
		}
		if filepath.IsAbs(path) && startable(path) {
			return path, nil
		}
		break
	}
	return "", fmt.Errorf("%s: %w", name, errNotFound)
}

func isExecutable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// startable tells whether the kernel can start path: an ELF file or a script
// that names its interpreter.
func startable(path string) bool {
	if !isExecutable(path) {
		return false
	}
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	var magic [4]byte
	n, _ := io.ReadFull(f, magic[:])
	head := string(magic[:n])
	return head == "\x7fELF" || strings.HasPrefix(head, "#!")
}

// executable decides whether words can run without a shell and gives the file to
// start. It says no whenever there is doubt: the shell is slower, never wrong.
// Of quoted words no shell sees any syntax.
func (env Env) executable(words [][]part, quoted bool) (path string, ok bool) {
	if env.Startup || len(words) == 0 || len(words[0]) != 1 || words[0][0].run != nil {
		return "", false // the command's name is not known before the values are
	}
	for _, word := range words {
		for i, p := range word {
			if p.unquoted || p.run == nil && !quoted && !isShellFree(p.text) {
				return "", false
			}
			if i == 0 && !quoted && strings.HasPrefix(p.text, "=") { // zsh: the path of a command
				return "", false
			}
		}
	}
	name := words[0][0].text
	if strings.Contains(name, "=") || env.Functions[name] || shellWords[name] {
		return "", false
	}
	path, err := env.LookPath(name)
	return path, err == nil
}

// isShellFree tells whether no shell of the family sees syntax in text. It lists
// what is harmless and not what is not, so that an overlooked byte costs time
// only. Absent for a reason: bytes above 127 (blank in some locales), ^ (a pipe
// in old shells, a glob in zsh), newlines, and { } of brace expansion. A = is
// an assignment in the command's own word, which the caller looks at.
func isShellFree(text string) bool {
	for i := range len(text) {
		c := text[i]
		if !isPlain(text[i:i+1]) && !strings.ContainsRune(" \t,:@%=", rune(c)) {
			return false
		}
	}
	return true
}

// shellFor gives the shell that runs parts: the user's, or bash where an
// exported function may be called, because no other shell would know it.
func (env Env) shellFor(parts []part, raw bool) (string, error) {
	shell := env.Shell
	if shell == "" {
		shell = "/bin/sh"
	}
	name := filepath.Base(shell)
	if slices.Contains(otherShells, name) {
		return "", fmt.Errorf("shell %s: values are quoted for shells like sh and bash; set PARALLEL_SHELL=/bin/sh", shell)
	}
	function, called := env.calls(parts, raw)
	if called && name != "bash" {
		path, err := env.LookPath("bash")
		if err != nil {
			return "", fmt.Errorf("the exported function %s needs bash: %w", function, err)
		}
		return path, nil
	}
	path, err := env.LookPath(shell)
	if err != nil {
		return "", fmt.Errorf("shell %w", err)
	}
	return path, nil
}

// calls tells whether a function's name is a word of parts. Where the values
// are the commands (raw), any function may be called.
func (env Env) calls(parts []part, raw bool) (function string, called bool) {
	for _, p := range parts {
		words := strings.FieldsFunc(p.text, func(r rune) bool { return strings.ContainsRune(" \t\n;&|()<>{}$`'\"", r) })
		for _, w := range words {
			if env.Functions[w] {
				return w, true
			}
		}
	}
	if raw && len(env.Functions) > 0 {
		return slices.Min(slices.Collect(maps.Keys(env.Functions))), true
	}
	return "", false
}
