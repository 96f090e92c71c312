package journal

import (
	"errors"
	"path/filepath"
	"testing"
	"time"
)

func TestOneRunALog(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	l, err := Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Append(Entry{Seq: 1, Start: time.Unix(1, 0), Command: "a"}); err != nil {
		t.Fatal(err)
	}
	before := read(t, path)
	if _, err := Create(path); !errors.Is(err, ErrInUse) {
		t.Errorf("a second Create: %v", err)
	}
	if _, _, err := Open(path, Options{}); !errors.Is(err, ErrInUse) {
		t.Errorf("an Open beside it: %v", err)
	}
	if read(t, path) != before {
		t.Error("the refused runs changed the log")
	}
	mustClose(t, l)
	l, _, err = Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	mustClose(t, l)
}

func TestDevices(t *testing.T) {
	t.Parallel()
	if _, err := Create("/dev/full"); err == nil {
		t.Error("a full device took the header")
	}
	l, err := Create("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(l.Append(Entry{Seq: 1, Start: time.Unix(1, 0)}), l.Sync(), l.Close()); err != nil {
		t.Error(err)
	}
	if _, _, err := Open("/dev/null", Options{}); err == nil {
		t.Error("/dev/null was resumed")
	}
}
