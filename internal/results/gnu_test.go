package results

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// gnu runs GNU parallel in dir and gives its standard output; the test is skipped
// where there is none. Jobs may fail.
func gnu(t *testing.T, dir string, args ...string) string {
	t.Helper()
	if testing.Short() {
		t.Skip("runs GNU parallel")
	}
	path, err := exec.LookPath("parallel")
	if err != nil {
		t.Skip("GNU parallel is not installed")
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	run := func(args ...string) (string, error) {
		cmd := exec.CommandContext(ctx, path, args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "HOME="+dir, "PARALLEL=", "PARALLEL_HOME="+dir)
		out, err := cmd.Output()
		return string(out), err
	}
	if version, _ := run("--version"); !strings.HasPrefix(version, "GNU parallel") {
		t.Skip("parallel is not GNU parallel")
	}
	out, err := run(append([]string{"--will-cite", "-k", "-j1"}, args...)...)
	if failed := (*exec.ExitError)(nil); err != nil && (!errors.As(err, &failed) || failed.ExitCode() > 100) {
		t.Fatalf("parallel %q: %v", args, err)
	}
	return out
}

var gnuValues = []string{"a", "a b", `\`, `a\_b/c`, "'", `"`, "*", "$x", "é", "\xff\xa0", "x\ty", "...", "-n", "ä,b", strings.Repeat("x", 255)}

func TestTreeAsGNU(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		sources [][]string // each combination is a job
		names   []string
	}{
		{[][]string{gnuValues}, nil},
		{[][]string{{"a", "", "5"}, {"", "b", "7"}}, nil},
		{[][]string{{"x"}, {"y", ""}, {"z"}}, []string{"b", "10x", "9"}},
		{[][]string{{"x"}, {"y"}, {"z"}}, []string{"zoo", "info", "-1.5e1z"}},
	} {
		dir := t.TempDir()
		args := []string{"--results", "gnu", "-q", "printf", "o"}
		if c.names != nil {
			args = append([]string{"--header", ":"}, args...)
		}
		for i, s := range c.sources {
			args = append(args, ":::")
			if c.names != nil {
				args = append(args, c.names[i])
			}
			args = append(args, s...)
		}
		gnu(t, dir, args...)
		s := mustOpen(t, Options{Name: filepath.Join(dir, "our"), Names: c.names})
		for i, list := range product(c.sources) {
			mustWrite(t, s, &Job{Seq: int64(i + 1), Args: list}, "o", "")
		}
		if w := s.Warning(); w != "" {
			t.Error(w)
		}
		want, got := withoutOutput(listed(t, dir+"/gnu")), withoutOutput(listed(t, dir+"/our"))
		if !slices.Equal(got, want) {
			t.Errorf("%q\nGNU %q", got, want)
		}
	}
}

// withoutOutput leaves of each file its name, and what is in it only of seq: printf
// takes its own arguments for more formats.
func withoutOutput(files []string) []string {
	for i, f := range files {
		if name, _, _ := strings.Cut(f, "="); !strings.HasSuffix(name, "/seq") {
			files[i] = name
		}
	}
	return files
}

// product gives the combinations of sources, the last changing fastest.
func product(sources [][]string) [][]string {
	all := [][]string{nil}
	for _, s := range sources {
		var longer [][]string
		for _, list := range all {
			for _, v := range s {
				longer = append(longer, append(slices.Clone(list), v))
			}
		}
		all = longer
	}
	return all
}

func TestTemplateAsGNU(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, template := range []string{"/d/my_{}", "/e/{}/"} {
		gnu(t, dir, "--results", dir+"/gnu"+template, "echo", ":::", "a", "b/c", "d")
		s := mustOpen(t, Options{Name: template, Template: true})
		for i, v := range []string{"a", "b/c", "d"} {
			mustWrite(t, s, &Job{Seq: int64(i + 1), Path: dir + "/our" + strings.ReplaceAll(template, "{}", v)}, v+"\n", "")
		}
	}
	if want, got := listed(t, dir+"/gnu"), listed(t, dir+"/our"); !slices.Equal(got, want) {
		t.Errorf("%q\nGNU %q", got, want)
	}
}

// times are the two columns that differ from run to run.
var times = regexp.MustCompile(`(?m)(^\d+[,\t]:[,\t]|"Starttime": )\d+\.\d{3}([,\t]|, "JobRuntime": )\d+\.\d{3}`)

// gnuOutputs are what jobs write.
var gnuOutputs = []string{"", "x", "a\nb\n", "\"q\"", "a,b", "a\tb", "\x00\x01\x1f\x7f", "\\", "é€", "/", "'", "\r", "\v\f", "a b"}

func TestTableAsGNU(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, header string }{{"-.csv", ""}, {"-.csv", "the head"}, {"-.tsv", ""}, {"-.json", ""}} {
		dir := t.TempDir()
		outputs, values := append(slices.Clone(gnuOutputs), "\xff\xa0\x85"), slices.Clone(gnuValues)
		args := []string{"--results", c.name, "cat o{#}; cat e{#} >&2; exit {#}", ":::"}
		var names []string
		switch {
		case c.header != "":
			names = []string{c.header}
			args = append(append([]string{"--header", ":"}, args...), c.header)
			values = slices.DeleteFunc(values, func(v string) bool { return strings.Contains(v, "\t") }) // are columns then
		case c.name == "-.json": // where GNU writes what is no JSON
			outputs = gnuOutputs
			values = slices.DeleteFunc(values, func(v string) bool { return !utf8.ValidString(v) })
		}
		var rows []row
		for i, v := range values {
			n := strconv.Itoa(i + 1)
			r := row{job(int64(i+1), "cat o"+n+"; cat e"+n+" >&2; exit "+n, v), outputs[i%len(outputs)], outputs[(i*11+3)%len(outputs)]}
			r.job.Exit, r.job.Receive = i+1, int64(len(r.stdout))
			rows = append(rows, r)
			for file, data := range map[string]string{"/o": r.stdout, "/e": r.stderr} {
				if err := os.WriteFile(dir+file+n, []byte(data), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
		want := strings.SplitAfter(times.ReplaceAllString(gnu(t, dir, append(args, values...)...), "${1}1608344711.743${2}0.012"), "\n")
		got := strings.SplitAfter(tableOf(t, Options{Name: c.name, Names: names}, rows...), "\n")
		for i := range max(len(got), len(want)) {
			if i >= len(got) || i >= len(want) || got[i] != want[i] {
				t.Errorf("%s: line %d of %q\nGNU %q", c.name, i+1, got, want)
				break
			}
		}
	}
}
