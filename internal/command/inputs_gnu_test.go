package command

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const endOfJob = " @END@\n"

// gnuJobs gives the commands that GNU parallel would run, and whether it failed.
func gnuJobs(t *testing.T, home, stdin string, argv []string) ([]string, string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "parallel", append([]string{"--will-cite", "-k", "--dry-run"}, argv...)...)
	cmd.Dir = home
	cmd.Env = append(os.Environ(), "HOME="+home, "PARALLEL_HOME="+home, "PARALLEL_SHELL=/bin/sh", "PARALLEL=", "LC_ALL=C")
	cmd.Stdin = strings.NewReader(stdin)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Sprint(err, ": ", &stderr)
	}
	jobs := strings.SplitAfter(string(out), endOfJob)
	return jobs[:len(jobs)-1], ""
}

// inputCase is one command line in both tools' words.
type inputCase struct {
	options []string
	spec    InputSpec
	chars   int
	argv    []string
	stdin   string
}

func (c *inputCase) add(set func(*InputSpec), options ...string) {
	c.options = append(c.options, options...)
	set(&c.spec)
}

// ourJobs renders what GNU's --dry-run prints for x {} @END@. It is not ok where
// a header has a column without a name: GNU takes {} for that column then.
func (c *inputCase) ourJobs(t *testing.T, dir string) (jobs []string, ok bool) {
	t.Helper()
	_, sources, err := SplitArgs(c.argv)
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range sources {
		if s.Kind == File && s.File != "-" {
			sources[i].File = filepath.Join(dir, s.File)
		}
	}
	spec := c.spec
	spec.Sources, spec.Stdin = sources, strings.NewReader(c.stdin)
	r, err := Open(spec)
	if err != nil {
		t.Fatalf("%q %q: %v", c.options, c.argv, err)
	}
	defer r.Close()
	if slices.Contains(r.Names(), "") {
		return nil, false
	}
	render := func(j Job) string {
		quoted := make([]string, len(j.Args))
		for i, v := range j.Args {
			quoted[i] = Quote(v)
		}
		return "x " + strings.Join(quoted, " ") + endOfJob
	}
	var fits func(Job) bool
	if c.chars > 0 {
		fits = func(j Job) bool { return len(render(j))-1 < c.chars }
	}
	for j, err := range r.Jobs(fits) {
		if err != nil {
			t.Fatalf("%q %q: %v", c.options, c.argv, err)
		}
		jobs = append(jobs, render(j))
	}
	if n, ok := spec.Count(); ok && fits == nil && n != int64(len(jobs)) {
		t.Errorf("%q %q: counts %d jobs and has %d", c.options, c.argv, n, len(jobs))
	}
	return jobs, true
}

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

// gnuFiles are what the generated command lines read.
var gnuFiles = map[string]string{
	"empty": "", "l1": "a\n\nb c", "l2": "1 \n2\t\n3\n4\n \n", "cols": "a,b\nc , d,\n,\n\ne,f,g\n", "tabs": "p\tq\nr\ts\n",
	"eof": "a\nE\nb\n", "blank": "\n \n\t\nx\n  \n", "nine": "1\n2\n3\n4\n5\n6\n7\n8\n9\n", "commas": "a,b,,c\nd,",
}

func generateCase(r *rand.Rand) *inputCase {
	c := &inputCase{}
	if r.IntN(3) == 0 {
		sep := pick(r, ",", `\s*,\s*`, `[,\t]`, `(,)|(;)`, `\t`, `,*`, `b`, ` +|,`)
		c.add(func(s *InputSpec) { s.ColSep = sep }, "-C", sep)
	}
	if r.IntN(4) == 0 {
		how := pick(r, "n", "l", "r", "lr", "rl")
		c.add(func(s *InputSpec) { s.Trim = how }, "--trim", how)
	}
	if r.IntN(5) == 0 {
		c.add(func(s *InputSpec) { s.EOF = "E" }, "-E", "E")
	}
	if r.IntN(4) == 0 {
		c.add(func(s *InputSpec) { s.SkipBlank = true }, "-r")
	}
	if r.IntN(6) == 0 {
		c.add(func(s *InputSpec) { s.Delimiter = "," }, "-d", ",")
	}
	if r.IntN(8) == 0 {
		c.add(func(s *InputSpec) { s.Header = ":" }, "--header", ":")
	}
	if r.IntN(10) == 0 {
		c.add(func(s *InputSpec) { s.SkipFirst = true }, "--skip-first-line")
	}
	c.addGrouping(r)
	c.addSources(r)
	return c
}

func (c *inputCase) addGrouping(r *rand.Rand) {
	n := 1 + r.IntN(3)
	digits := fmt.Sprint(n)
	switch r.IntN(9) {
	case 0:
		c.add(func(s *InputSpec) { s.MaxArgs = n }, "-n", digits)
	case 1:
		c.add(func(s *InputSpec) { s.MaxArgs = n }, "-N", digits)
	case 2:
		c.add(func(s *InputSpec) { s.MaxLines = n }, "-L", digits)
	case 3:
		c.add(func(s *InputSpec) { s.NoArgs = true }, pick(r, "-n0", "-N0"))
	case 4:
		c.add(func(s *InputSpec) { s.Batch, s.Jobs = Spread, n }, pick(r, "-m", "-X"), "-j"+digits)
	case 5:
		c.add(func(s *InputSpec) { s.Batch, s.Jobs = Spread, n }, pick(r, "-m", "-X"), "-j"+digits)
		c.chars = 40 + r.IntN(30)
		c.options = append(c.options, "-s", fmt.Sprint(c.chars))
	case 6:
		c.add(func(s *InputSpec) { s.Batch = Fill }, "--xargs")
	}
}

func (c *inputCase) addSources(r *rand.Rand) {
	values := []string{"a", "b c", "", " x", "y ", "1,2", "k\tv", ",", "E", "p, q ,", "'", "b"}
	names := []string{"empty", "l1", "l2", "cols", "tabs", "eof", "blank", "nine", "commas"}
	c.argv = []string{"x", "{}", "@END@"}
	if r.IntN(5) == 0 {
		c.add(func(s *InputSpec) { s.Link = true }, "--link")
		names = names[1:]
	}
	count := 1 + r.IntN(3)
	for i := range count {
		plus := ""
		if i > 0 && r.IntN(3) == 0 {
			plus = "+"
		}
		if r.IntN(2) == 0 {
			c.argv = append(c.argv, "::::"+plus, pick(r, names...))
			continue
		}
		c.argv = append(c.argv, ":::"+plus)
		for range 1 + r.IntN(5-count) {
			c.argv = append(c.argv, pick(r, values...))
		}
	}
	if count == 1 && r.IntN(3) == 0 {
		c.argv, c.stdin = c.argv[:3], gnuFiles[pick(r, names...)]
	}
}

// comparable leaves out what is not the inputs' doing: how many blanks the
// template leaves around no value at all, and, with -s, the few bytes by which
// GNU's sum of lengths differs from the true length where records have several
// columns.
func (c *inputCase) comparable(jobs []string) []string {
	switch {
	case c.spec.NoArgs:
		jobs = slices.Clone(jobs)
		for i, j := range jobs {
			jobs[i] = strings.Join(strings.Fields(j), " ")
		}
	case c.chars > 0 && (len(c.spec.ColSep) > 0 || strings.Count(strings.Join(c.argv, " "), ":::") > 1 || c.spec.Header != ""):
		all := ""
		for _, j := range jobs {
			all += strings.TrimPrefix(strings.TrimSuffix(j, endOfJob), "x")
		}
		jobs = []string{all}
	}
	return jobs
}

func skipWithoutGNU(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("starts GNU parallel many times")
	}
	out, err := exec.CommandContext(t.Context(), "parallel", "--version").Output()
	if err != nil || !strings.HasPrefix(string(out), "GNU parallel") {
		t.Skip("no GNU parallel")
	}
	dir := t.TempDir()
	for name, text := range gnuFiles {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestGNUInputs compares generated command lines. Where GNU fails (it cannot
// link an empty source, and counts some lengths otherwise) there is nothing to
// compare.
func TestGNUInputs(t *testing.T) {
	t.Parallel()
	dir := skipWithoutGNU(t)
	const lanes, each = 2, 100
	for lane := range lanes {
		t.Run(fmt.Sprint(lane), func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(uint64(lane), 1))
			for range each {
				c := generateCase(r)
				want, failure := gnuJobs(t, dir, c.stdin, slices.Concat(c.options, c.argv))
				if failure != "" {
					t.Logf("GNU: %q %q: %s", c.options, c.argv, failure)
					continue
				}
				got, ok := c.ourJobs(t, dir)
				if ok && !slices.Equal(c.comparable(got), c.comparable(want)) {
					t.Errorf("%q %q stdin %q:\n ours  %q\n GNU's %q", c.options, c.argv, c.stdin, got, want)
				}
			}
		})
	}
}
