package cli

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/tutti-run/tutti/internal/options"
)

// newMan makes the command man, which writes the manual pages.
func newMan() *cobra.Command {
	return &cobra.Command{
		Use:   "man [folder]",
		Short: "Write the manual pages",
		Long: `man writes tutti's manual pages into a folder, or that of tutti map to standard
output:

  tutti man | man -l -
  sudo tutti man /usr/local/share/man/man1`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				return writePages(cmd.Root(), args[0])
			}
			for _, c := range cmd.Root().Commands() {
				if c.Name() == "map" {
					return options.Man(c, os.Stdout)
				}
			}
			return nil
		},
	}
}

// writePages writes the pages of a command and those below it.
func writePages(cmd *cobra.Command, dir string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	commands := append([]*cobra.Command{cmd}, cmd.Commands()...)
	for _, c := range commands {
		if c.Hidden || c.Name() == "help" {
			continue
		}
		name := cmd.Name() + ".1"
		if c != cmd {
			name = cmd.Name() + "-" + c.Name() + ".1"
		}
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		if err := options.Man(c, f); err != nil {
			f.Close()
			return fmt.Errorf("write %s: %w", f.Name(), err)
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	return nil
}
