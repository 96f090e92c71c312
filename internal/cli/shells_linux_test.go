package cli

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// completionCases are what somebody may have typed when he presses Tab, the last
// word being the one to complete, and one of the answers that must come.
var completionCases = []struct{ line, want string }{
	{"tutti ma", "map"},
	{"tutti map --jobl", "--joblog"},
	{"tutti map --halt nev", "never"},
	{"parallel --jobl", "--joblog"},
}

// doorFolder is a folder that holds this test's executable under the names that
// it answers to.
func doorFolder(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	for _, name := range []string{"tutti", "parallel"} {
		if err := os.Symlink(self, filepath.Join(folder, name)); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// inShell runs a script with a shell that has the door's names in its path, and a
// home of its own, and returns its standard output by lines.
func inShell(t *testing.T, door string, shell ...string) []string {
	t.Helper()
	path, err := exec.LookPath(shell[0])
	if err != nil {
		t.Skip(err)
	}
	home := t.TempDir()
	cmd := exec.CommandContext(t.Context(), path, shell[1:]...)
	cmd.Env = []string{"PATH=" + door + ":/usr/local/bin:/usr/bin:/bin", "HOME=" + home,
		"XDG_CONFIG_HOME=" + home, "ZDOTDIR=" + home, "LC_ALL=C", "GORACE=atexit_sleep_ms=0"}
	var complaints strings.Builder
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, complaints.String())
	}
	if complaints.Len() > 0 {
		t.Errorf("the shell complained: %s", complaints.String())
	}
	return strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
}

// script is the command that prints what completes the lines of a program.
func completionScript(line, shell string) (program, source string) {
	program, _, _ = strings.Cut(line, " ")
	if program == "parallel" {
		return program, "parallel --shell-completion " + shell
	}
	return program, "tutti completion " + shell
}

// TestCompletionBash calls the completion function as bash does on Tab, with nothing
// but bash.
func TestCompletionBash(t *testing.T) {
	t.Parallel()
	completeInBash(t, "")
}

// TestCompletionBashPackage does with the package that many systems bring.
func TestCompletionBashPackage(t *testing.T) {
	t.Parallel()
	const library = "/usr/share/bash-completion/bash_completion"
	if _, err := os.Stat(library); err != nil {
		t.Skip(err)
	}
	completeInBash(t, library)
}

func completeInBash(t *testing.T, library string) {
	door := doorFolder(t)
	for _, c := range completionCases {
		t.Run(c.line, func(t *testing.T) {
			t.Parallel()
			program, source := completionScript(c.line, "bash")
			got := inShell(t, door, "bash", "--norc", "-c", `
[ -z "$1" ] || . "$1"; . <(eval "$2")
COMP_LINE=$3; COMP_POINT=${#3}; COMP_TYPE=9; COMP_KEY=9
read -ra COMP_WORDS <<< "$3"; COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
compopt() { :; }
"$(complete -p "$4" | sed 's/.*-F \([^ ]*\).*/\1/')"
printf '%s\n' "${COMPREPLY[@]%% *}"`, "test", library, source, c.line, program)
			if !slices.Contains(got, c.want) {
				t.Errorf("completes to %q, and not to %q", got, c.want)
			}
		})
	}
}

// TestCompletionFish asks fish what it would offer.
func TestCompletionFish(t *testing.T) {
	t.Parallel()
	door := doorFolder(t)
	for _, c := range completionCases {
		t.Run(c.line, func(t *testing.T) {
			t.Parallel()
			_, source := completionScript(c.line, "fish")
			got := inShell(t, door, "fish", "-c", source+" | source; complete -C '"+c.line+"'")
			if !slices.ContainsFunc(got, func(s string) bool {
				word, _, _ := strings.Cut(s, "\t")
				return word == c.want
			}) {
				t.Errorf("completes to %q, and not to %q", got, c.want)
			}
		})
	}
}

// TestCompletionZsh loads the scripts and looks whether the names are bound to
// them: Tab itself needs a line editor, and so a terminal.
func TestCompletionZsh(t *testing.T) {
	t.Parallel()
	door := doorFolder(t)
	for _, program := range []string{"tutti", "parallel"} {
		t.Run(program, func(t *testing.T) {
			t.Parallel()
			_, source := completionScript(program+" ", "zsh")
			got := inShell(t, door, "zsh", "-f", "-c", "autoload -Uz compinit; compinit -u -D; source <("+
				source+"); print -r -- $_comps["+program+"]; whence -w _"+program)
			want := []string{"_" + program, "_" + program + ": function"}
			if !slices.Equal(got, want) {
				t.Errorf("zsh knows %q, want %q", got, want)
			}
		})
	}
}
