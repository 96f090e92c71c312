package options

import (
	"bytes"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// tool is a command line tool with the command map, which keeps its words.
func tool() (root *cobra.Command, m *Map, words *[]string) {
	m, words = new(Map), new([]string)
	root = &cobra.Command{Use: "tutti", Short: "Run commands", SilenceErrors: true, SilenceUsage: true}
	cmd := &cobra.Command{RunE: func(_ *cobra.Command, args []string) error {
		*words = args
		return m.Check()
	}}
	Attach(cmd, m)
	root.AddCommand(cmd)
	return root, m, words
}

func run(t *testing.T, root *cobra.Command, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	root.SetOut(&out)
	root.SetErr(&out)
	root.SetArgs(args)
	err := root.Execute()
	return out.String(), err
}

func TestAttach(t *testing.T) {
	t.Parallel()
	root, m, words := tool()
	plain, err := Expand([]string{"-kj", "-1", "--tagst", "{} --", "-iX", "echo", "--", "-k", "X", ":::", "--jobs"}, world(nil, nil))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := run(t, root, append([]string{"map"}, plain...)...); err != nil {
		t.Fatal(err)
	}
	if !m.KeepOrder || m.Jobs != "-1" || m.TagString != "{} --" || m.Replace != "X" {
		t.Errorf("%+v", m)
	}
	if want := []string{"echo", "--", "-k", "X", ":::", "--jobs"}; !slices.Equal(*words, want) {
		t.Errorf("words %q", *words)
	}
}

func TestAttachErrors(t *testing.T) {
	t.Parallel()
	root, _, _ := tool()
	_, err := run(t, root, "map", "--trim=x", "--")
	if err == nil || err.Error() != `--trim "x": not known; say n, l, r, lr or rl` {
		t.Errorf("%v", err)
	}
}

func TestHelpIsOurs(t *testing.T) {
	t.Parallel()
	root, _, _ := tool()
	out, err := run(t, root, "map", "--help")
	if err != nil || out != Help() {
		t.Errorf("%v %s", err, out)
	}
}

func TestCompletion(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args string
		want []string // each in the answer
		code string   // of the directive
	}{
		{"map --halt |", []string{"never", "now,fail=1"}, ":4"},
		{"map --strays |", []string{"keep", "kill"}, ":4"},
		{"map --trim |", []string{"n", "lr"}, ":4"},
		{"map --header |", []string{":"}, ":4"},
		{"map --joblog |", nil, ":0"},
		{"map -a |", nil, ":0"},
		{"map --wd |", nil, ":16"},
		{"map --env PAT|", []string{"PATH"}, ":4"},
		{"map --timeout |", nil, ":4"},
		{"map --keep|", []string{"--keep-order\tin the order of the inputs"}, ":4"},
		{"map --ssh|", nil, ":4"},
		{"map cat -|", nil, ":0"},
		{"map cat |", nil, ":0"},
		{"map -k ca|", []string{"cat"}, ":0"},
		{"map --jobl x |", nil, ":0"},
	} {
		root, _, _ := tool()
		line, word, _ := strings.Cut(c.args, "|")
		args := strings.Fields(line)
		if !strings.HasSuffix(line, " ") {
			word = args[len(args)-1]
			args = args[:len(args)-1]
		}
		out, err := run(t, root, append(append([]string{"__complete"}, args...), word)...)
		lines := strings.Split(out, "\n")
		if err != nil || !slices.Contains(lines, c.code) {
			t.Errorf("%s: %v, %q", c.args, err, out)
		}
		for _, w := range c.want {
			if !slices.Contains(lines, w) {
				t.Errorf("%s: %q is not in %q", c.args, w, out)
			}
		}
		if strings.Contains(out, "sshlogin") {
			t.Errorf("%s: offers what is refused: %q", c.args, out)
		}
	}
}

// TestMan renders the page and looks for warnings and wide lines.
func TestMan(t *testing.T) {
	t.Parallel()
	root, _, _ := tool()
	root.InitDefaultCompletionCmd()
	for _, c := range append(root.Commands(), root) {
		var b bytes.Buffer
		if err := Man(c, &b); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(b.String()) {
			if strings.HasPrefix(line, "'") {
				t.Errorf("%s: a line of text is a request: %s", c.Name(), line)
			}
		}
		groff := exec.Command("groff", "-man", "-Tutf8", "-ww", "-rLL=80n", "-P-c", "-P-b", "-P-o", "-P-u")
		groff.Stdin = &b
		var out, warnings bytes.Buffer
		groff.Stdout, groff.Stderr = &out, &warnings
		if err := groff.Run(); err != nil {
			t.Skip("groff is not installed")
		}
		if warnings.Len() > 0 {
			t.Errorf("%s: %s", c.Name(), warnings.String())
		}
		for line := range strings.Lines(out.String()) {
			if n := len([]rune(strings.TrimRight(line, "\n"))); n > 80 {
				t.Errorf("%s: %d letters: %s", c.Name(), n, line)
			}
		}
		if c.Name() == "map" && !strings.Contains(out.String(), "-k, --keep-order") {
			t.Errorf("the page has no -k:\n%.2000s", out.String())
		}
	}
}
