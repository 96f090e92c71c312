package ipc

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tutti-run/tutti/shm"
)

// memoryFolder is a folder in memory that goes with the test.
func memoryFolder(tb testing.TB) string {
	tb.Helper()
	folder, err := os.MkdirTemp(defaultFolder, "tutti-test-")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = os.RemoveAll(folder) })
	return folder
}

// TestWhatIsNoSpace opens what cannot be opened, and looks whether the error says what
// it is and what to do; see TestOpenRefuses for files that are damaged.
func TestWhatIsNoSpace(t *testing.T) {
	t.Parallel()
	folder := memoryFolder(t)
	path := func(name string) string { return filepath.Join(folder, filePrefix+name) }
	write := func(name string, b []byte) {
		if err := os.WriteFile(path(name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("empty", nil)
	write("short", []byte("two"))
	write("file", nil)
	err := errors.Join(os.Mkdir(path("folder"), 0o700), os.Symlink(path("empty"), path("link")), unix.Mkfifo(path("pipe"), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	remove := func(name string) string { return fmt.Sprintf("remove %s if nobody needs it", path(name)) }
	for _, c := range []struct {
		name, folder string
		is           error
		says, advice string
	}{
		{"empty", folder, ErrNotASpace, "it is empty", remove("empty")},
		{"short", folder, ErrNotASpace, "3 bytes", remove("short")},
		{"folder", folder, ErrNotASpace, "is a directory", remove("folder")},
		{"link", folder, ErrNotASpace, "symbolic link", remove("link")},
		{"pipe", folder, ErrNotASpace, "it is no regular file", remove("pipe")},
		{"new", folder + "/none", fs.ErrNotExist, "there is no folder " + folder + "/none", "make it, or name one that lies in memory"},
		{"new", path("file"), unix.ENOTDIR, path("file") + " is no folder", "name one that lies in memory"},
	} {
		s, err := OpenWith(c.name, 0, Options{Folder: c.folder})
		if err == nil {
			t.Errorf("%q was opened: %v", c.name, s.Close())
			continue
		}
		if !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), c.advice) {
			t.Errorf("%q: %v\nis not %q, or does not say %q and %q", c.name, err, c.is, c.says, c.advice)
		}
	}
}

// TestFullFolder makes a space in a file system without room. It needs a mount of its
// own, and so root.
func TestFullFolder(t *testing.T) {
	t.Parallel()
	folder := memoryFolder(t)
	if err := unix.Mount("none", folder, "tmpfs", 0, "size=64k"); err != nil {
		t.Skip("no tmpfs can be mounted here: ", err)
	}
	defer func() {
		if err := unix.Unmount(folder, 0); err != nil {
			t.Error(err)
		}
	}()
	_, err := OpenWith("s", 0, Options{Folder: folder})
	if !errors.Is(err, shm.ErrFull) || !strings.Contains(err.Error(), "folder "+folder+" has no room for the ") {
		t.Errorf("a full folder got %v", err)
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) > 0 {
		t.Errorf("%v is left in it, %v", left, err)
	}
}

// FuzzOpen opens files that are nearly spaces: of the header, and of the tables, in which
// there are a lock and a channel, some bits are not as they should be. Nothing crashes or
// hangs, and what can be opened can be looked at and closed.
func FuzzOpen(f *testing.F) {
	whole, tables := aSpace(f)
	for at := 0; at < tables; at += 96 {
		f.Add(uint32(at), ^uint64(0))
	}
	for at := range 32 { // the fields of the geometry, one at a time
		f.Add(uint32(4*at), uint64(1)<<(at%32))
	}
	folder := memoryFolder(f)
	f.Fuzz(func(t *testing.T, off uint32, flip uint64) {
		b := append([]byte(nil), whole...)
		at := int(off) % (tables - 8)
		binary.LittleEndian.PutUint64(b[at:], binary.LittleEndian.Uint64(b[at:])^flip)
		file, err := os.CreateTemp(folder, filePrefix)
		if err != nil {
			t.Fatal(err)
		}
		path := file.Name()
		defer os.Remove(path)
		if _, err = file.Write(b); errors.Join(err, file.Close()) != nil {
			t.Fatal(err)
		}
		o := Options{Folder: folder}
		name := strings.TrimPrefix(filepath.Base(path), filePrefix)
		_, _ = Peek(name, o)
		s, err := OpenWith(name, 0, o)
		if err != nil {
			return
		}
		_, _ = s.Stat()
		if m, err := s.Mutex("m"); err == nil {
			if ok, err := m.TryLock(); ok && err == nil {
				_ = m.Unlock()
			}
		}
		if c, err := OpenChan[int](s, "c", 4); err == nil {
			_, _ = c.TrySend(1)
			_, _, _, _ = c.TryReceive()
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

// aSpace is the file of a small space that nobody has open, and how much of that its
// header and tables take.
func aSpace(tb testing.TB) (file []byte, tables int) {
	tb.Helper()
	folder := memoryFolder(tb)
	s, err := OpenWith("s", 0, Options{Folder: folder, Objects: 4, Claims: 16})
	if err != nil {
		tb.Fatal(err)
	}
	must(s.Mutex("m"))
	must(OpenChan[int](s, "c", 4))
	l, err := layOut(4, 16, 0)
	if err := errors.Join(err, s.Close()); err != nil {
		tb.Fatal(err)
	}
	file, err = os.ReadFile(filepath.Join(folder, filePrefix+"s"))
	if err != nil {
		tb.Fatal(err)
	}
	return file, int(l.arena.Meta)
}
