package results

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// text is an output.
func text(s string) io.WriterTo { return strings.NewReader(s) }

// broken is an output that cannot be read to its end.
type broken struct{}

var errBroken = errors.New("the spool is broken")

func (broken) WriteTo(w io.Writer) (int64, error) {
	n, _ := io.WriteString(w, "begin")
	return int64(n), errBroken
}

// listed gives the files below a folder, each with what is in it.
func listed(t *testing.T, dir string) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		rel, _ := filepath.Rel(dir, path)
		all = append(all, rel+"="+string(data))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func mustOpen(t *testing.T, o Options) Store {
	t.Helper()
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mustWrite(t *testing.T, s Store, j *Job, stdout, stderr string) string {
	t.Helper()
	name, err := s.Write(j, text(stdout), text(stderr))
	if err != nil {
		t.Fatal(err)
	}
	return name
}

func TestTree(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, c := range []struct {
		name     string
		template bool
		job      Job
		file     string
		want     []string
	}{
		{"out", false, Job{Seq: 1, Args: []string{"a", "b"}}, "out/1/a/2/b/stdout",
			[]string{"1/a/2/b/seq=1", "1/a/2/b/stderr=E", "1/a/2/b/stdout=O"}},
		{"up", false, Job{Seq: 2, Args: []string{".."}}, `up/1/\../stdout`,
			[]string{`1/\../seq=2`, `1/\../stderr=E`, `1/\../stdout=O`}},
		{"none", false, Job{Seq: 3}, "none/3/stdout", []string{"3/seq=3", "3/stderr=E", "3/stdout=O"}},
		{"my_{}", true, Job{Seq: 4, Path: "my/x"}, "my/x", []string{"x=O", "x.err=E", "x.seq=4"}},
		{"my_{}/", true, Job{Seq: 5, Path: "folder/x/"}, "folder/x/stdout", []string{"x/seq=5", "x/stderr=E", "x/stdout=O"}},
	} {
		c.job.Path = strings.Replace(c.job.Path, "", dir+"/", 1)
		s := mustOpen(t, Options{Name: dir + "/" + c.name, Template: c.template})
		if s.Done(&c.job) {
			t.Errorf("%s: done before", c.file)
		}
		if got := mustWrite(t, s, &c.job, "O", "E"); got != dir+"/"+c.file {
			t.Errorf("%s: name %q", c.file, got)
		}
		root, _, _ := strings.Cut(c.file, "/")
		if got := listed(t, filepath.Join(dir, root)); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.file, got, c.want)
		}
		if !s.Done(&c.job) || s.Warning() != "" || s.Close() != nil {
			t.Errorf("%s: not done, or %q", c.file, s.Warning())
		}
	}
}

func TestTreeOverwrites(t *testing.T) {
	t.Parallel()
	dir := t.TempDir() + "/out"
	o := Options{Name: dir}
	mustWrite(t, mustOpen(t, o), &Job{Seq: 1, Args: []string{"a"}}, "long output", "error")
	s := mustOpen(t, o)
	mustWrite(t, s, &Job{Seq: 2, Args: []string{"a"}}, "new", "")
	if got, want := listed(t, dir), []string{"1/a/seq=2", "1/a/stderr=", "1/a/stdout=new"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if w := s.Warning(); w != "" {
		t.Errorf("an earlier run's results may be written over: %q", w)
	}
	mustWrite(t, s, &Job{Seq: 3, Args: []string{"a"}}, "new", "")
	if w := s.Warning(); !strings.HasPrefix(w, "job 3 wrote over the results of an earlier job of this run ("+dir+"/1/a/stdout)") {
		t.Errorf("warning %q", w)
	}
	mustWrite(t, s, &Job{Seq: 4, Args: []string{"a"}}, "new", "")
	if w := s.Warning(); !strings.HasPrefix(w, "2 jobs, the first of them job 3, wrote") {
		t.Errorf("warning %q", w)
	}
}

func TestTemplateFilesMeet(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := mustOpen(t, Options{Name: dir + "/{}", Template: true})
	mustWrite(t, s, &Job{Seq: 1, Path: dir + "/a"}, "", "")
	mustWrite(t, s, &Job{Seq: 2, Path: dir + "/./a.err"}, "", "")
	if w := s.Warning(); !strings.HasPrefix(w, "job 2 wrote over") || !strings.Contains(w, "{#}") {
		t.Errorf("warning %q", w)
	}
}

// A job whose files are not whole is not done, whatever is there.
func TestDoneIsWhole(t *testing.T) {
	t.Parallel()
	dir := t.TempDir() + "/out"
	job := &Job{Seq: 1, Args: []string{"a"}}
	s := mustOpen(t, Options{Name: dir})
	mustWrite(t, s, job, "whole", "")
	for _, output := range [][2]io.WriterTo{{broken{}, nil}, {nil, broken{}}} {
		_, err := s.Write(job, output[0], output[1])
		if !errors.Is(err, errBroken) || !strings.Contains(err.Error(), "output of job 1") {
			t.Errorf("error %v", err)
		}
		if s.Done(job) {
			t.Error("half an output is taken for done")
		}
	}
	mustWrite(t, s, job, "whole", "")
	if !s.Done(job) {
		t.Error("not done")
	}
	if err := os.Remove(dir + "/1/a/stdout"); err != nil || s.Done(job) {
		t.Errorf("done without output (%v)", err)
	}
	for _, path := range []string{dir + "/1/a/stdout", dir + "/1/a/seq"} { // as a crash may leave them
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if s.Done(job) {
		t.Error("done with an empty seq")
	}
}

func TestTreeErrors(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/file", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(dir+"/taken", 0o700); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		path string
		want string
	}{
		{"", "--results {} names no file for job 9: add {#}"},
		{dir + "/file/x", "something else has this name"},
		{dir + "/taken", "is a directory: something else has this name"},
		{dir + "/" + strings.Repeat("x", 300), "file name too long: name the results by the job's number"},
	} {
		s := mustOpen(t, Options{Name: "{}", Template: true})
		_, err := s.Write(&Job{Seq: 9, Path: c.path}, nil, nil)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %q", c.path, err, c.want)
		}
	}
	if _, err := Open(Options{}); err == nil {
		t.Error("no name is no error")
	}
}

func TestFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := Files(dir)
	first := mustWrite(t, s, &Job{Seq: 1}, "O", "E")
	second := mustWrite(t, s, &Job{Seq: 2}, "P", "")
	if filepath.Dir(first) != dir || !regexp.MustCompile(`^par[0-9A-Za-z]{5}\.par$`).MatchString(filepath.Base(first)) {
		t.Errorf("name %q", first)
	}
	if info, err := os.Stat(first); err != nil || info.Mode() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	for name, want := range map[string]string{first: "O", second: "P"} {
		if got, err := os.ReadFile(name); string(got) != want || err != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if len(listed(t, dir)) != 2 || s.Done(&Job{Seq: 1}) || s.Warning() != "" || s.Close() != nil {
		t.Error("more than two files, or something else")
	}
}

// A name that is taken, be it by a link that somebody laid, is not written to.
func TestFilesTaken(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Symlink(dir+"/elsewhere", dir+"/a"); err != nil {
		t.Skip(err)
	}
	names := []string{"a", "a", "b"}
	s := &files{dir: dir, name: func() string { n := names[0]; names = names[1:]; return n }}
	if got := mustWrite(t, s, &Job{Seq: 1}, "O", ""); got != dir+"/b" {
		t.Errorf("name %q", got)
	}
	s.name = func() string { return "a" }
	if _, err := s.Write(&Job{Seq: 1}, nil, nil); err == nil || !strings.Contains(err.Error(), "no free name") {
		t.Errorf("error %v", err)
	}
	if _, err := Files(dir+"/none").Write(&Job{Seq: 1}, nil, nil); err == nil || !strings.Contains(err.Error(), "make the folder") {
		t.Errorf("error %v", err)
	}
}
