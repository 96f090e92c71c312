// Package cli is the command door: it reads command lines, carries out what they
// ask for with the engine's workers, and says in one line what is wrong and what
// would be right.
//
// What to do next (print which job, try one again, stop, leave with which exit
// code) is decided by small pure functions and types: [mapFlags.plan], course,
// sequence. The rest is the thin shell around them.
package cli

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Exit codes for wrong usage: GNU parallel's where its command lines are read,
// the shells' elsewhere.
const (
	exitUsage    = 2
	exitMapUsage = 255
)

// exitError ends the program with a code, after saying what is wrong if anything.
type exitError struct {
	code int
	err  error // nil: all has been said
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit status %d", e.code)
	}
	return e.err.Error()
}

// Unwrap returns what is wrong.
func (e *exitError) Unwrap() error { return e.err }

// Main runs the command line args (without the program's name) and returns the
// exit code. It uses this process's standard files, environment and signals.
func Main(args []string) int {
	root := newRoot()
	root.SetArgs(args)
	cmd, err := root.ExecuteC()
	if err == nil {
		return 0
	}
	code := exitUsage
	if cmd.Name() == "map" {
		code = exitMapUsage
	}
	if exit, ok := errors.AsType[*exitError](err); ok {
		code, err = exit.code, exit.err
	}
	if err != nil {
		complain("%v", err)
	}
	return code
}

// complain says one thing on standard error, in one line.
func complain(format string, args ...any) {
	text := strings.ReplaceAll(strings.TrimSpace(fmt.Sprintf(format, args...)), "\n", "; ")
	text = strings.TrimPrefix(text, "tutti: ")
	_, _ = os.Stderr.WriteString("tutti: " + text + "\n")
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "tutti",
		Short: "Run commands on every core of this computer",
		Long: `tutti runs commands on every core of this computer, in worker processes that
may crash, hang or be killed while nothing is lost.

  tutti map 'gzip -9kf {}' ::: some/dir/*.log`,
		Version:       version(),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return fmt.Errorf("there is no command %q%s; tutti help lists them", args[0], meant(nearest(args[0], commandNames(cmd)), "tutti "))
		},
	}
	root.SetFlagErrorFunc(explainFlag)
	root.CompletionOptions.HiddenDefaultCmd = false
	root.AddCommand(newMap())
	return root
}

// meant is the question that follows a word which is not known.
func meant(words []string, prefix string) string {
	if len(words) == 0 {
		return ""
	}
	return fmt.Sprintf("; did you mean %s%s?", prefix, words[0])
}

// explainFlag makes one helpful line of what the flag library says.
func explainFlag(cmd *cobra.Command, err error) error {
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok {
		name := unknown.GetSpecifiedName()
		if unknown.GetSpecifiedShortnames() != "" {
			return fmt.Errorf("there is no option -%s (in -%s); %s --help lists them", name, unknown.GetSpecifiedShortnames(), cmd.CommandPath())
		}
		return fmt.Errorf("there is no option --%s%s; %s --help lists them", name, meant(nearest(name, flagNames(cmd)), "--"), cmd.CommandPath())
	}
	if missing, ok := errors.AsType[*pflag.ValueRequiredError](err); ok {
		dashes := "--"
		if missing.GetSpecifiedShortnames() != "" {
			dashes = "-"
		}
		return fmt.Errorf("option %s%s needs a value; %s --help tells which", dashes, missing.GetSpecifiedName(), cmd.CommandPath())
	}
	return err
}

func commandNames(root *cobra.Command) []string {
	var names []string
	for _, c := range root.Commands() {
		names = append(names, c.Name())
	}
	return names
}

func flagNames(cmd *cobra.Command) []string {
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, f.Name)
		}
	})
	return names
}

// nearest returns the one of words that is most like word, if any is near enough
// to be meant.
func nearest(word string, words []string) []string {
	best, far := "", len(word)/2+1
	for _, w := range words {
		d := distance(word, w)
		if strings.HasPrefix(w, word) && len(word) > 2 {
			d = 1
		}
		if d < far {
			best, far = w, d
		}
	}
	if best == "" {
		return nil
	}
	return []string{best}
}

// distance counts the letters to insert, delete or change to make b of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// version is the module's, as the Go tool recorded it.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(unknown version)"
	}
	return info.Main.Version
}
