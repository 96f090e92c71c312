package options

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// runTool is the command run alone, which does nothing.
func runTool() (*cobra.Command, *Map) {
	m := new(Map)
	cmd := &cobra.Command{RunE: func(*cobra.Command, []string) error { return m.Check() }, SilenceErrors: true, SilenceUsage: true}
	AttachRun(cmd, m)
	cmd.SetOut(io.Discard)
	return cmd, m
}

func TestRunHelpFits(t *testing.T) {
	t.Parallel()
	text := RunHelp()
	for line := range strings.Lines(text) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > helpWidth {
			t.Errorf("%d letters: %s", n, line)
		}
	}
	for _, r := range runText {
		if o := index().byName[r.name]; o == nil || !strings.Contains(text, "  "+o.heading()) {
			t.Errorf("%s is not in the help", r.name)
		}
	}
	cmd, _ := runTool()
	var page bytes.Buffer
	if err := Man(cmd, &page); err != nil || !strings.Contains(page.String(), `\fB\-\-jobserver\fR \fIHOW\fR`) || !strings.Contains(page.String(), ".SH EXIT STATUS AND SIGNALS") {
		t.Errorf("%v: %s", err, page.String())
	}
}

// run knows its own options, in map's spellings, before and behind the file, and has
// the defaults of those that it does not know.
func TestRunOptions(t *testing.T) {
	t.Parallel()
	cmd, _ := runTool()
	cmd.SetArgs([]string{"tasks", "--job-log", "x"})
	if err := cmd.Execute(); err == nil || err.Error() != "unknown flag: --job-log" {
		t.Errorf("%v", err)
	}
	cmd, m := runTool()
	cmd.SetArgs([]string{"-kj4", "tasks", "--lb", "--timeout=2m", "--joblog", "x"})
	if err := cmd.Execute(); err != nil || !m.KeepOrder || !m.LineBuffer || m.Jobs != "4" || m.Timeout != "2m" || m.JobLog != "x" {
		t.Errorf("%+v, %v", m, err)
	}
	if m.JobServer != "auto" || m.TermSeq == "" || m.Trim != "n" || m.MaxArgs != -1 {
		t.Errorf("defaults: %+v", m)
	}
	cmd, _ = runTool()
	cmd.SetArgs([]string{"--strays=x", "tasks"})
	if err := cmd.Execute(); err == nil || err.Error() != `--strays "x": not known; say keep or kill` {
		t.Errorf("%v", err)
	}
}
