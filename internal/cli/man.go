package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

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
	if err := writePage(cmd, dir); err != nil {
		return err
	}
	for _, c := range cmd.Commands() {
		if c.Hidden || c.Name() == "help" {
			continue
		}
		if err := writePages(c, dir); err != nil {
			return err
		}
	}
	return nil
}

// writePage writes the page of a command.
func writePage(cmd *cobra.Command, dir string) error {
	f, err := os.Create(filepath.Join(dir, strings.ReplaceAll(cmd.CommandPath(), " ", "-")+".1"))
	if err != nil {
		return err
	}
	if err := options.Man(cmd, f); err != nil {
		f.Close()
		return fmt.Errorf("write %s: %w", f.Name(), err)
	}
	return f.Close()
}
