package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func mustClose(t *testing.T, l *Log) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestCreateAppendResume(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	want, entries := sampleLog(t, 5)
	l, err := Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(l.Append(entries[0]), l.AppendAll(entries[1:]), l.AppendAll(nil), l.Sync(), l.Close(), l.Close()); err != nil {
		t.Fatal(err)
	}
	if got := read(t, path); got != want {
		t.Errorf("log %q, want %q", got, want)
	}
	if err := l.Append(entries[0]); !errors.Is(err, os.ErrClosed) {
		t.Errorf("append to a closed log: %v", err)
	}
	l, done, err := Open(path, Options{RetryFailed: true})
	if err != nil || done.Torn != nil {
		t.Fatal(err, done.Torn)
	}
	for _, e := range entries {
		if done.Has(e.Seq, e.Command) != e.OK() {
			t.Errorf("%+v: wrong", e)
		}
	}
	mustClose(t, l)
	if l, err = Create(path); err != nil {
		t.Fatal(err)
	}
	mustClose(t, l)
	if got := read(t, path); got != header {
		t.Errorf("a log created again: %q", got)
	}
}

// TestTornAtEveryByte cuts a log everywhere, resumes it and appends.
func TestTornAtEveryByte(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text, entries := sampleLog(t, 5)
	added := Entry{Seq: 9, Host: ":", Start: time.Unix(9, 0), Command: "added"}
	for cut := range len(text) + 1 {
		path := filepath.Join(dir, fmt.Sprint(cut))
		if err := os.WriteFile(path, []byte(text[:cut]), 0o600); err != nil {
			t.Fatal(err)
		}
		whole := strings.LastIndexByte(text[:cut], '\n') + 1
		finished := max(strings.Count(text[:whole], "\n")-1, 0)
		l, done, err := Open(path, Options{})
		if err != nil {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		if done.Len() != finished || (done.Torn != nil) != (whole < cut) {
			t.Errorf("cut at %d: %d finished, torn %v; want %d and %v", cut, done.Len(), done.Torn, finished, whole < cut)
		}
		for i, e := range entries {
			if done.Has(e.Seq, e.Command) != (i < finished) {
				t.Errorf("cut at %d: entry %d is wrong", cut, i)
			}
		}
		if err := l.Append(added); err != nil {
			t.Fatal(err)
		}
		mustClose(t, l)
		last, _ := added.appendTo(nil)
		if got, want := read(t, path), text[:max(whole, len(header))]+string(last); got != want {
			t.Errorf("cut at %d: %q, want %q", cut, got, want)
		}
	}
}

func TestOtherFilesAreLeftAlone(t *testing.T) {
	t.Parallel()
	good, _ := sampleLog(t, 1)
	for _, text := range []string{"hello", "hello\n", "Seq\tHost\n", good[1:], good + "garbage\n" + good} {
		path := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := Open(path, Options{}); err == nil {
			t.Errorf("%q was resumed", text)
		}
		if !strings.HasPrefix(text, header) {
			if _, err := Create(path); !errors.Is(err, ErrNotJobLog) {
				t.Errorf("%q: %v, want ErrNotJobLog", text, err)
			}
		}
		if got := read(t, path); got != text {
			t.Errorf("%q became %q", text, got)
		}
	}
	if _, err := Create(filepath.Join(t.TempDir(), "no", "log")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing folder: %v", err)
	}
	if _, _, err := Open(t.TempDir(), Options{}); err == nil {
		t.Error("a folder was opened")
	}
}

// fullDisk is a file with room for some bytes more.
type fullDisk struct {
	*os.File
	room     int
	cutFails bool
}

func (d *fullDisk) Write(b []byte) (int, error) {
	n := min(len(b), d.room)
	d.room -= n
	n, err := d.File.Write(b[:n])
	if err == nil && n < len(b) {
		err = syscall.ENOSPC
	}
	return n, err
}

func (d *fullDisk) Truncate(size int64) error {
	if d.cutFails {
		return syscall.EIO
	}
	return d.File.Truncate(size)
}

func TestFullDisk(t *testing.T) {
	t.Parallel()
	text, entries := sampleLog(t, 2)
	second := len(text) - strings.LastIndex(strings.TrimSuffix(text, "\n"), "\n") - 1
	for room := range second {
		path := filepath.Join(t.TempDir(), "log")
		l, f, err := openLog(path)
		if err != nil {
			t.Fatal(err)
		}
		disk := &fullDisk{File: f, room: len(text) - second + room}
		l.file = disk
		if err := errors.Join(l.write([]byte(header)), l.Append(entries[0])); err != nil {
			t.Fatal(err)
		}
		if err := l.Append(entries[1]); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("room for %d of %d bytes: %v", room, second, err)
		}
		if got := read(t, path); got != text[:len(text)-second] {
			t.Errorf("room for %d: the log ends in %q", room, got)
		}
		disk.room = second
		if err := l.Append(entries[1]); err != nil || read(t, path) != text {
			t.Errorf("with room again: %v, %q", err, read(t, path))
		}
		mustClose(t, l)
	}
}

func TestHalfWrittenAndStuck(t *testing.T) {
	t.Parallel()
	_, entries := sampleLog(t, 1)
	l, f, err := openLog(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	disk := &fullDisk{File: f, room: 5, cutFails: true}
	l.file = disk
	if err := l.Append(entries[0]); !errors.Is(err, syscall.ENOSPC) || !errors.Is(err, syscall.EIO) {
		t.Errorf("error %v, want both", err)
	}
	disk.room = 1000
	if err := l.Append(entries[0]); !errors.Is(err, syscall.EIO) {
		t.Errorf("an entry behind half a line: %v", err)
	}
	mustClose(t, l)
}

func TestConcurrentAppends(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	l, err := Create(path)
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for g := range 8 {
		group.Go(func() {
			for i := range 50 {
				if err := l.Append(Entry{Seq: int64(g*50 + i + 1), Start: time.Unix(1, 0), Command: strings.Repeat("x", i)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	mustClose(t, l)
	if entries, err := readAll(strings.NewReader(read(t, path))); err != nil || len(entries) != 400 {
		t.Errorf("%d entries, %v", len(entries), err)
	}
}

// TestGNUReadsOurs resumes our log with GNU parallel, and its log with ours.
func TestGNUReadsOurs(t *testing.T) {
	t.Parallel()
	parallel, err := exec.LookPath("parallel")
	if err != nil {
		t.Skip("no parallel")
	}
	dir := t.TempDir()
	gnu := func(args ...string) string {
		cmd := exec.CommandContext(t.Context(), parallel, append([]string{"--will-cite", "-k", "-j1"}, args...)...)
		cmd.Env = append(os.Environ(), "HOME="+dir, "PARALLEL_HOME="+dir, "PARALLEL_SHELL=/bin/sh", "PARALLEL=")
		out, _ := cmd.Output() // its status is the number of failed jobs
		return string(out)
	}
	if !strings.HasPrefix(gnu("--version"), "GNU parallel") {
		t.Skip("another parallel than GNU's")
	}
	path := filepath.Join(dir, "theirs")
	gnu("--joblog", path, "exit {}; echo '\n\t'", ":::", "0", "1")
	l, done, err := Open(path, Options{RetryFailed: true})
	if err != nil || done.Len() != 1 || !done.Has(1, "exit 0; echo '\n\t'") {
		t.Errorf("GNU's log: %+v, %v", done, err)
	}
	mustClose(t, l)

	path = filepath.Join(dir, "ours")
	if l, err = Create(path); err != nil {
		t.Fatal(err)
	}
	start := time.UnixMilli(1795438359470)
	if err := errors.Join(
		l.Append(Entry{Seq: 1, Start: start, Command: "echo 'a\n\t'"}),
		l.Append(Entry{Seq: 2, Start: start, Exit: 3, Runtime: time.Second, Command: "echo b"}), l.Close()); err != nil {
		t.Fatal(err)
	}
	if got := gnu("--resume-failed", "--joblog", path, "echo", ":::", "a", "b", "c"); got != "b\nc\n" {
		t.Errorf("GNU resumes our log with %q", got)
	}
}
