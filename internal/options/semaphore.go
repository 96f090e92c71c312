package options

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// Sem says that one command is run under a semaphore, and no inputs are read.
type Sem struct {
	Semaphore        bool
	SemaphoreName    string // "" the terminal's
	SemaphoreTimeout string // "" wait as long as it takes; below 0: give up, and not run it anyway
	Foreground       bool
	Background       bool
	Wait             bool
	Space            string // "" that of the user
}

// IsSemaphore reports whether the options ask for a semaphore, as any of its own do.
func (m *Map) IsSemaphore() bool {
	return m.Given("semaphore") || m.Given("semaphore-name") || m.Given("semaphore-timeout") ||
		m.Foreground || m.Background || m.Wait
}

// semText is what the options that a semaphore heeds do there, in the order of its
// help. Where there is no text it is as in map, and not worth a line.
var semText = []struct{ name, text string }{
	{"semaphore-name", "which semaphore; that of the terminal if not said"},
	{"jobs", "how many commands at once: N, N% of the CPUs, +N or -N CPUs, or a file that holds one of these (1)"},
	{"bg", "return as soon as the command may run (the default)"},
	{"fg", "return when it has ended, with its exit code"},
	{"wait", "run nothing; return when no command runs"},
	{"semaphore-timeout", "wait so long and no longer: 10, 2m; then run the command anyway, or with a minus, -10, give up with exit code 1; --timeout in tutti sem"},
	{"ungroup", "the command writes to the terminal or file itself; else its output is printed when it has ended"},
	{"line-buffer", "whole lines as they come; --lb for short"},
	{"pipe", "the command reads standard input, as it does anyway"},
	{"arg-file", "it reads this file in place of standard input"},
	{"quote", "the words are the command's words, and no shell reads them"},
	{"wd", "run the command in this folder"},
	{"nice", "run it at this niceness, -20 to 19"},
	{"term-seq", "how it is ended: signals and milliseconds in turn"},
	{"strays", "keep (the default) or kill the processes that it leaves behind"},
	{"dry-run", "print the command and run nothing"},
	{"v", "print the command before its output"},
	{"verbose", "print the command on standard error as it starts"},
	{"tmpdir", "where large output waits; $TMPDIR if not said"},
	{"space", "the shared memory that the semaphore lies in; see docs/ipc.md"},
	{"semaphore", ""}, {"timeout", ""}, {"group", ""}, {"silent", ""}, {"keep-order", ""}, {"no-keep-order", ""},
	{"profile", ""}, {"plain", ""}, {"will-cite", ""}, {"gnu", ""}, {"unsafe", ""}, {"env", ""}, {"exit", ""}, {"no-run-if-empty", ""},
	{"use-cores-instead-of-threads", ""}, {"use-sockets-instead-of-threads", ""},
	{"progress", ""}, {"bar", ""}, {"eta", ""}, {"color", ""}, {"color-failed", ""}, {"compress", ""}, {"output-memory", ""}, {"plus", ""},
	{"help", ""}, {"version", ""}, {"citation", ""}, {"min-version", ""}, {"record-env", ""}, {"shell-completion", ""},
	{"max-line-length-allowed", ""}, {"number-of-threads", ""}, {"number-of-cores", ""}, {"number-of-sockets", ""}, {"number-of-cpus", ""},
}

// CheckSemaphore refuses the options that a semaphore does not heed. Call it after
// Check.
func (m *Map) CheckSemaphore() error {
	heeded := map[string]bool{}
	for _, s := range semText {
		heeded[s.name] = true
	}
	for _, o := range All() {
		if m.Given(o.Name) && !heeded[o.Name] {
			return fmt.Errorf("option %s does nothing for a semaphore, which runs one command; leave it out, or write it in a tutti map that the command begins with", o.Spelling())
		}
	}
	switch {
	case several(m.Foreground, m.Background, m.Wait):
		return fmt.Errorf("--fg, --bg and --wait each say when to return; leave all but one out")
	case len(m.ArgFiles) > 1:
		return fmt.Errorf("a semaphore's command has one standard input, and -a names %d; leave all but one out", len(m.ArgFiles))
	}
	return nil
}

// SemUsage are the ways to call sem.
const SemUsage = `tutti sem [options] [--] command [arguments]
tutti sem --wait [--id NAME]`

// SemLong says what sem does.
const SemLong = `Run a command when fewer than so many others run: a semaphore for the shell.

Waits until fewer than -j commands with the same --id run, then starts the
command in the background and returns; --fg waits for its end. Who came first is
served first. Different -j for one --id are heeded each: the command starts when
fewer than its own -j run.

What a killed process held comes back at once, and the command that it ran is
ended with it, with all that it started: nobody waits for the dead.`

// SemExample teaches by examples.
const SemExample = `  # compress logs, four at a time, and go on when all are done
  for i in *.log; do tutti sem -j4 gzip "$i"; done; tutti sem --wait
  # one at a time, for all who say the same name
  tutti sem --fg --id index ./update-index
  # give up after ten seconds; run it anyway after ten seconds
  tutti sem --fg --id deploy --timeout -10 ./deploy
  tutti sem --fg --id cache --timeout 10 ./refresh
  # a half of the CPUs; a command that uses the shell is one word
  tutti sem -j50% --id video 'ffmpeg -i in.mov out.mp4 2> log'
  # wait until no command of that name runs
  tutti sem --wait --id video`

// SemAfter says how sem ends.
const SemAfter = `The exit code is 0 when the command was started; with --fg that of the command,
128 + signal where one ended it; 1 when --timeout passed; 2 for wrong usage and
for what would wait for ever, 255 when called sem or parallel. Options and meaning are GNU sem's: a link to tutti
that is named sem takes its place, and docs/ipc.md lists what is different.`

// AttachSemaphore makes cmd the command sem; see Attach.
func AttachSemaphore(cmd *cobra.Command, m *Map) {
	Attach(cmd, m)
	cmd.Use, cmd.Short = "sem [options] command [arguments]", "Run a command when fewer than so many others run"
	cmd.Long, cmd.Example = SemLong, SemExample
	cmd.SetHelpFunc(func(c *cobra.Command, _ []string) { _, _ = io.WriteString(c.OutOrStdout(), SemHelp()) })
	cmd.SetUsageFunc(func(c *cobra.Command) error {
		_, err := io.WriteString(c.OutOrStderr(), SemHelp())
		return err
	})
}

// semOptions are the options that the help of sem has a line for.
func semOptions() (all []*Option) {
	for _, s := range semText {
		if o := index().byName[s.name]; s.text != "" {
			shown := *o
			shown.Help, shown.Default = s.text, ""
			if s.name == "semaphore-name" {
				shown.Name, shown.Aliases = "id", "name semaphore-name"
			}
			all = append(all, &shown)
		}
	}
	return all
}

// SemHelp returns the text of sem --help.
func SemHelp() string {
	var b strings.Builder
	b.WriteString(SemLong + "\n\nUsage:\n")
	for line := range strings.Lines(SemUsage) {
		b.WriteString("  " + line)
	}
	b.WriteString("\n\nExamples:\n" + SemExample + "\n\nOptions:\n")
	for _, o := range semOptions() {
		o.writeHelp(&b)
	}
	b.WriteString("\n" + SemAfter + "\n")
	return b.String()
}

// semaphoreManual reports whether a command is sem.
func semaphoreManual(cmd *cobra.Command) bool { return cmd.Long == SemLong }
