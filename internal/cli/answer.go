package cli

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tutti-run/tutti/internal/command"
	"github.com/tutti-run/tutti/internal/options"
	"github.com/tutti-run/tutti/topo"
)

// answer answers the options that are questions and start nothing.
func answer(cmd *cobra.Command, o *options.Map, m *topo.Machine, to io.Writer) (answered bool, err error) {
	cores, sockets := counts(m)
	say := func(format string, args ...any) {
		answered = true
		if err == nil {
			_, err = fmt.Fprintf(to, format+"\n", args...)
		}
	}
	switch {
	case o.Version:
		say("tutti %s, in the place of GNU parallel %d", version(), options.GNUVersion)
	case o.MinVersion >= 0:
		say("%d", options.GNUVersion)
		if err == nil && o.MinVersion > options.GNUVersion {
			err = &exitError{exitMapUsage, nil}
		}
	case o.Citation:
		say("tutti asks for no citation; its license is Apache-2.0")
	case o.MaxLineLength:
		say("%d", command.ArgBytesMax)
	case o.ShellCompletion != "":
		return true, complete(cmd.Root(), o.ShellCompletion, to)
	case o.CPUs, o.Cores:
		say("%d", cores)
	case o.Sockets:
		say("%d", sockets)
	case o.Threads:
		say("%d", len(m.CPUs))
	case o.RecordEnv:
		answered = true // commands have all variables and functions of the shell that starts us
	}
	return answered, err
}

// newCompletion makes the command completion.
func newCompletion() *cobra.Command {
	shells := []string{"bash", "zsh", "fish"}
	return &cobra.Command{
		Use:   "completion bash|zsh|fish",
		Short: "Print the script that completes command lines in a shell",
		Long: `completion prints the script that completes tutti's command lines:

  source <(tutti completion bash)                              # in ~/.bashrc
  tutti completion zsh > "${fpath[1]}/_tutti"
  tutti completion fish > ~/.config/fish/completions/tutti.fish`,
		ValidArgs: shells,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 || !slices.Contains(shells, args[0]) {
				return fmt.Errorf("completion %s: say bash, zsh or fish", strings.Join(args, " "))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return complete(cmd.Root(), args[0], os.Stdout)
		},
	}
}

// complete prints the script that completes command lines in a shell.
func complete(root *cobra.Command, shell string, to io.Writer) error {
	if shell == "auto" {
		shell = filepath.Base(os.Getenv("SHELL"))
	}
	switch shell {
	case "bash":
		if _, err := io.WriteString(to, bashHelper); err != nil {
			return err
		}
		return root.GenBashCompletionV2(to, true)
	case "zsh":
		return root.GenZshCompletion(to)
	case "fish":
		return root.GenFishCompletion(to, true)
	}
	return fmt.Errorf("--shell-completion %q: say bash, zsh, fish, or auto for that of $SHELL", shell)
}

// bashHelper stands in for what the script asks of the package bash-completion, where
// that is not there: the words of the command line, and the one under the cursor.
const bashHelper = `if ! declare -F _get_comp_words_by_ref >/dev/null; then
_get_comp_words_by_ref() {
    local line=${COMP_LINE:0:COMP_POINT}
    read -ra words <<< "$line"
    [[ $line == *[[:space:]] ]] && words+=("")
    cword=$((${#words[@]} - 1))
    cur=${words[cword]} prev=${words[cword > 0 ? cword - 1 : 0]}
}
__ltrim_colon_completions() { :; }
fi
`

// counts tells how many cores and sockets this process may use.
func counts(m *topo.Machine) (cores, sockets int) {
	c, s := map[int]bool{}, map[int]bool{}
	for _, cpu := range m.CPUs {
		c[cpu.Core], s[cpu.Package] = true, true
	}
	return len(c), len(s)
}
