package options

import (
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// runText is what the options of run do, in the order of its help. Where there is
// no text it is what they do in map.
var runText = []struct{ name, text string }{
	{"jobs", "tasks at once: N, +N or -N CPUs, N% of the CPUs, or a file that holds one of these"},
	{"cpus", "how many of those CPUs a task takes that says nothing about it, as in 4 or 0.5 (1)"},
	{"resource", "what a task takes that says nothing about it, as in gpu=1 or license=3"},
	{"have", ""},
	{"keep-order", "print what they write in the order of the file"},
	{"tag", "begin each line with the name of the task and a tab"},
	{"line-buffer", "whole lines as they come; --lb for short"},
	{"ungroup", ""},
	{"color", "each task in its own colour"},
	{"color-failed", "failed tasks in white on red"},
	{"dry-run", "print the commands in the order in which they would start, and run none"},
	{"verbose", ""},
	{"progress", ""},
	{"bar", ""},
	{"eta", ""},
	{"joblog", "write a line for each task that has ended or was skipped"},
	{"no-journal", ""},
	{"resume", "leave out the tasks that succeeded by the job log, if all that they wait for did"},
	{"retries", ""},
	{"retry-on", ""},
	{"retry-delay", ""},
	{"retry-max-delay", ""},
	{"timeout", ""},
	{"halt", ""},
	{"term-seq", ""},
	{"strays", "keep (the default) or kill the processes that a task leaves behind"},
	{"nice", ""},
	{"jobserver", ""},
	{"output-memory", ""},
	{"help", ""},
}

// RunUsage is the way to call run.
const RunUsage = `tutti run [options] FILE`

// RunLong says what run does.
const RunLong = `Run the tasks of a file, each as soon as those that it waits for have succeeded.

A line is a task: a command for the shell, and before it what else is known.

  fetch: time: 30  curl -sO https://example.org/data.csv
  clean: after: fetch  ./clean data.csv
  after: fetch, clean  ./report

A word that ends with a colon before the command is a field: after: is followed
by the names of tasks, time: by how long this one is expected to take, any other
is its name. "--" ends the fields, where the command's own first word ends with
a colon. Empty lines and those that begin with # are remarks. cpus: 4 says how
many CPUs a task takes, resource: gpu=1,license=2 what else. A line may be JSON,
with a folder and variables of its own:

  {"name": "test", "cmd": "make test", "after": ["clean"], "seconds": 20,
   "cwd": "src", "env": {"CI": "1"}, "cpus": 4, "resource": {"gpu": 1}}
                                          (all in one line)

Of the tasks that may start, the one with the longest way to the end is first.
If a task fails, those that wait for it are skipped and all others run; with
--halt soon,fail=1 nothing more is started.`

// RunExample teaches by examples.
const RunExample = `  # run it, four tasks at a time; see what would run, in which order
  tutti run -j4 tasks
  tutti run --dry-run --tag tasks
  # tasks made by a program
  ./make-tasks | tutti run -
  # after a failure or a crash, do the rest, of the newest run or of run 42
  tutti resume
  tutti resume 42
  # the same by a job log of its own
  tutti run --joblog tasks.log --resume tasks
  # stop at the first failure, as make does without -k
  tutti run --halt soon,fail=1 tasks`

// RunAfter says how run ends.
const RunAfter = `The exit code is the number of tasks that failed or were skipped, 101 if more
than 100, 255 for wrong usage or an error of tutti's own, 128 + signal after
Ctrl-C, SIGTERM or SIGHUP. Signals do what they do in tutti map.`

// AttachRun makes cmd the command run; see Attach. It knows no options but those
// that have a meaning there, and takes them behind the file, too.
func AttachRun(cmd *cobra.Command, m *Map) {
	cmd.Use, cmd.Short = "run [options] FILE", "Run tasks that wait for each other"
	cmd.Long, cmd.Example = RunLong, RunExample
	cmd.DisableFlagsInUseLine = true
	var all []*Option
	for _, o := range runText {
		all = append(all, index().byName[o.name])
	}
	define(cmd.Flags(), m, all)
	help := func(c *cobra.Command, w io.Writer) error {
		_, err := io.WriteString(w, RunHelp())
		return err
	}
	cmd.SetHelpFunc(func(c *cobra.Command, _ []string) { _ = help(c, c.OutOrStdout()) })
	cmd.SetUsageFunc(func(c *cobra.Command) error { return help(c, c.OutOrStderr()) })
	settleErrors(cmd)
	complete(cmd, all)
}

// runOptions are the options of run with its own texts.
func runOptions() (all []*Option) {
	for _, r := range runText {
		shown := *index().byName[r.name]
		if r.text != "" {
			shown.Help = r.text
		}
		all = append(all, &shown)
	}
	return all
}

// RunHelp returns the text of run --help.
func RunHelp() string {
	var b strings.Builder
	b.WriteString(RunLong + "\n\nUsage:\n  " + RunUsage + "\n\nExamples:\n" + RunExample + "\n\nOptions:\n")
	for _, o := range runOptions() {
		o.writeHelp(&b)
	}
	b.WriteString("\n" + RunAfter + "\n")
	return b.String()
}

// runManual reports whether a command is run.
func runManual(cmd *cobra.Command) bool { return cmd.Long == RunLong }
