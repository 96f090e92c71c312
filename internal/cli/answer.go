package cli

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

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

// complete prints the script that completes command lines in a shell.
func complete(root *cobra.Command, shell string, to io.Writer) error {
	if shell == "auto" {
		shell = filepath.Base(os.Getenv("SHELL"))
	}
	switch shell {
	case "bash":
		return root.GenBashCompletionV2(to, true)
	case "zsh":
		return root.GenZshCompletion(to)
	case "fish":
		return root.GenFishCompletion(to, true)
	}
	return fmt.Errorf("--shell-completion %q: say bash, zsh, fish, or auto for that of $SHELL", shell)
}

// counts tells how many cores and sockets this process may use.
func counts(m *topo.Machine) (cores, sockets int) {
	c, s := map[int]bool{}, map[int]bool{}
	for _, cpu := range m.CPUs {
		c[cpu.Core], s[cpu.Package] = true, true
	}
	return len(c), len(s)
}
