package options

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Attach makes cmd the command map: its options with their values in m, its help,
// and what the shell completes.
func Attach(cmd *cobra.Command, m *Map) {
	cmd.Use = "map [options] command [arguments] ::: inputs…"
	cmd.Short = "Run a command once for each input, on all cores"
	cmd.Long, cmd.Example = Long, Example
	cmd.DisableFlagsInUseLine = true
	Define(cmd.Flags(), m)
	cmd.SetHelpFunc(func(c *cobra.Command, _ []string) {
		_, _ = io.WriteString(c.OutOrStdout(), Help()) // the writer keeps its error
	})
	cmd.SetUsageFunc(func(c *cobra.Command) error {
		_, err := io.WriteString(c.OutOrStderr(), Help())
		return err
	})
	settleErrors(cmd)
	cmd.ValidArgsFunction = completeWords
	complete(cmd, All())
}

// settleErrors has a wrong value say what is wrong with it, and nothing else.
func settleErrors(cmd *cobra.Command) {
	cmd.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		if wrong, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
			return wrong.Unwrap() // which says all
		}
		if c.HasParent() {
			return c.Parent().FlagErrorFunc()(c, err)
		}
		return err
	})
}

// complete has the shell complete the values of options.
func complete(cmd *cobra.Command, all []*Option) {
	for _, o := range all {
		if o.State == Refused || o.Name == "help" {
			continue
		}
		if complete := o.completion(); complete != nil {
			_ = cmd.RegisterFlagCompletionFunc(o.Name, complete) // fails only for a second one
		}
	}
}

// completion returns what completes the option's value; nil: the shell's own
// way, which is files.
func (o *Option) completion() cobra.CompletionFunc {
	switch {
	case o.Arg == Switch || o.Arg == Counted:
		return nil
	case len(o.Words) > 0:
		return cobra.FixedCompletions(o.Words, cobra.ShellCompDirectiveNoFileComp)
	case o.Kind == Folder:
		return cobra.FixedCompletions(nil, cobra.ShellCompDirectiveFilterDirs)
	case o.Kind == Variable:
		return func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
			return variables(os.Environ()), cobra.ShellCompDirectiveNoFileComp
		}
	case o.Kind == File:
		return nil
	}
	return cobra.NoFileCompletions
}

// variables returns the names of the variables and exported functions of bash.
func variables(environ []string) []string {
	names := []string{"_"}
	for _, e := range environ {
		name, _, _ := strings.Cut(e, "=")
		if f, ok := strings.CutPrefix(name, "BASH_FUNC_"); ok {
			name = strings.TrimSuffix(f, "%%")
		}
		if isVariable(name) && name != "_" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// completeWords completes the command's first word among the programs on $PATH,
// and everything as files too.
func completeWords(_ *cobra.Command, args []string, word string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 || word == "" || strings.Contains(word, "/") {
		return nil, cobra.ShellCompDirectiveDefault
	}
	var names []string
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		entries, _ := os.ReadDir(dir) // what cannot be read has no programs for us
		for _, e := range entries {
			if strings.HasPrefix(e.Name(), word) && !e.IsDir() {
				names = append(names, e.Name())
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names), cobra.ShellCompDirectiveDefault
}
