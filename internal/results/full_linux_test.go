package results

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// wantFull checks an error that says that the disk is full, where, and what to do.
func wantFull(t *testing.T, err error, file string) {
	t.Helper()
	if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), file+": no space left on device: make room") {
		t.Errorf("error %v, want one about %s", err, file)
	}
}

func TestDevFull(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	job := &Job{Seq: 1, Args: []string{"a"}}
	if err := os.MkdirAll(dir+"/out/1/a", 0o700); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir + "/out/1/a/stderr", dir + "/t.csv"} {
		if err := os.Symlink("/dev/full", path); err != nil {
			t.Fatal(err)
		}
	}
	s := mustOpen(t, Options{Name: dir + "/out"})
	_, err := s.Write(job, text("o"), text("e"))
	wantFull(t, err, "/out/1/a/stderr")
	if s.Done(job) {
		t.Error("done")
	}
	for _, resume := range []bool{false, true} {
		s = mustOpen(t, Options{Name: dir + "/t.csv", Resume: resume})
		_, err = s.Write(job, text("o"), nil)
		wantFull(t, err, "/t.csv")
	}
}

// On a disk that fills up, whole rows stay, and files that are not whole are not
// taken for done.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=256k"); err != nil {
		t.Skipf("mount a small file system: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	small, large := strings.Repeat("x", 50_000), strings.Repeat("y", 300_000)
	table := mustOpen(t, Options{Name: dir + "/t.csv"})
	first, second := job(1, "x", "a"), job(2, "x", "b")
	mustWrite(t, table, &first, small, "")
	before, _ := os.ReadFile(dir + "/t.csv")
	_, err := table.Write(&second, text(large), nil)
	wantFull(t, err, "/t.csv")
	if after, _ := os.ReadFile(dir + "/t.csv"); string(after) != string(before) {
		t.Errorf("the table has %d bytes, want the %d of its first row", len(after), len(before))
	}
	tree := mustOpen(t, Options{Name: dir + "/out"})
	mustWrite(t, tree, &first, small, "")
	_, err = tree.Write(&second, text(large), nil)
	wantFull(t, err, "/out/1/b/stdout")
	if !tree.Done(&first) || tree.Done(&second) {
		t.Error("what is done and what is not")
	}
	path, err := Files(dir).Write(&second, text(large), nil)
	wantFull(t, err, path)
	if filepath.Dir(path) != dir {
		t.Errorf("name %q", path)
	}
}
