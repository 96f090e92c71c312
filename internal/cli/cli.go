// Package cli is the command door: it reads command lines, carries out what they
// ask for with the engine's workers, and says in one line what is wrong and what
// would be right.
//
// What to do next (print which job, try one again, stop, leave with which exit
// code) is decided by small pure functions and types: [mapFlags.plan], course,
// sequence. The rest is the thin shell around them.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/tutti-run/tutti/internal/nearest"
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

// withCode gives err an exit code, unless it has one.
func withCode(err error, code int) error {
	if _, ok := errors.AsType[*exitError](err); ok {
		return err
	}
	return &exitError{code, err}
}

// Unwrap returns what is wrong.
func (e *exitError) Unwrap() error { return e.err }

// Main runs the command line args, of which the first is the name that the
// program was called by, and returns the exit code. Called parallel it is tutti
// map, and called sem it is tutti sem. It uses this process's standard files, environment and signals.
func Main(args []string) int {
	name, args := programName(args[0]), args[1:]
	if code, ok := helperMain(args); ok {
		return code
	}
	root := newRoot(args)
	switch {
	case name == parallelName && !completes(args):
		root = newMap(parallelName)
		root.Use = strings.Replace(root.Use, "map", parallelName, 1)
	case name == semaphoreName:
		root = newSem(semaphoreName)
	}
	root.SilenceErrors, root.SilenceUsage = true, true
	code, err := run(root, name, args)
	if exit, ok := errors.AsType[*exitError](err); ok {
		code, err = exit.code, exit.err
	}
	if err != nil {
		complain("%v", err)
	}
	return code
}

// completes reports whether a shell asks how the words behind parallel go on: cobra
// answers that for the root only, of which parallel is tutti map.
func completes(args []string) bool {
	return len(args) > 0 && (args[0] == cobra.ShellCompRequestCmd || args[0] == cobra.ShellCompNoDescRequestCmd)
}

// parallelName is the name of GNU parallel: called by it, tutti takes its place.
const parallelName = "parallel"

// semaphoreName is what GNU parallel is called by as a semaphore.
const semaphoreName = "sem"

// run carries out a command line, and says which exit code an error has that has
// none of its own.
func run(root *cobra.Command, name string, args []string) (code int, err error) {
	var before []string
	code = exitUsage
	words := args
	isMap := name == parallelName && !completes(args) || name == semaphoreName
	if name == parallelName && completes(args) {
		args = append([]string{args[0], "map"}, args[1:]...)
	}
	isSem := !isMap && len(args) > 0 && args[0] == semaphoreName
	if !isMap && len(args) > 0 && (isSem || args[0] == "map") {
		isMap, before, args = true, args[:1], args[1:]
		words = args
	}
	var head *headStart
	if isMap {
		if !isSem {
			code = exitMapUsage
		}
		if !isSem && name != semaphoreName {
			head = beginEarly(args)
			defer head.close()
		}
		if args, err = expanded(args); err != nil {
			return code, err
		}
	} else if len(args) > 0 && args[0] == "run" {
		code = exitMapUsage // lower ones count tasks
		before, args = args[:1], args[1:]
		words = args
	}
	root.SetArgs(append(before[:len(before):len(before)], args...))
	out := &spoken{to: os.Stdout}
	root.SetOut(out)
	if err = root.ExecuteContext(withHead(withLine(context.Background(), line{words, args}), head)); err == nil {
		err, code = out.err, 0
		if err != nil {
			code = exitMapUsage
		}
	}
	return code, err
}

// spoken keeps the first error of what is said on standard output: cobra looks at
// none. A reader that has gone, as head does, is content.
type spoken struct {
	to  io.Writer
	err error
}

// Write writes p.
func (s *spoken) Write(p []byte) (int, error) {
	n, err := s.to.Write(p)
	if err != nil && s.err == nil && !errors.Is(err, syscall.EPIPE) {
		s.err = fmt.Errorf("write standard output: %w", err)
	}
	return n, err
}

// complain says one thing on standard error, in one line.
func complain(format string, args ...any) {
	text := strings.ReplaceAll(strings.TrimSpace(fmt.Sprintf(format, args...)), "\n", "; ")
	text = strings.TrimPrefix(text, "tutti: ")
	_, _ = os.Stderr.WriteString("tutti: " + text + "\n")
}

// commands make the subcommands of tutti, by name.
func commands() map[string]func() *cobra.Command {
	return map[string]func() *cobra.Command{
		"map":         func() *cobra.Command { return newMap("tutti map") },
		semaphoreName: func() *cobra.Command { return newSem("tutti sem") },
		"run":         newRun, "runs": newRuns, "show": newShow, "resume": newResume, "rerun": newRerun,
		"lock": newLock, "barrier": newBarrier, "chan": newChan, "topic": newTopic, "ipc": newIPC,
		"tune": newTune, "sim": newSim, "man": newMan, "completion": newCompletion,
	}
}

// newRoot makes the command tutti. For the command line of a map there is no other
// subcommand: all of them with all their options take as long to make as many a job.
func newRoot(args []string) *cobra.Command {
	root := &cobra.Command{
		Use:   "tutti",
		Short: "Run commands on every core of this computer",
		Long: `tutti runs commands on every core of this computer, in worker processes that
may crash, hang or be killed while nothing is lost.

  tutti map 'gzip -9kf {}' ::: some/dir/*.log
  tutti run tasks
  tutti lock database -- ./migrate`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return fmt.Errorf("there is no command %q%s; tutti help lists them", args[0], meant(nearest.Of(args[0], commandNames(cmd))))
		},
	}
	root.SetFlagErrorFunc(flagError)
	root.CompletionOptions.DisableDefaultCmd = true
	if len(args) > 0 && args[0] == "map" { // which starts jobs: whatever is not needed can wait
		root.AddCommand(commands()["map"]())
		return root
	}
	root.Version = version()
	for _, newCommand := range commands() {
		root.AddCommand(newCommand()) // cobra sorts them
	}
	return root
}

// meant is the question that follows a word which is not known.
func meant(word string) string {
	if word == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean tutti %s?", word)
}

func commandNames(root *cobra.Command) []string {
	var names []string
	for _, c := range root.Commands() {
		names = append(names, c.Name())
	}
	return names
}

// version is the module's, as the Go tool recorded it.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(unknown version)"
	}
	return info.Main.Version
}
