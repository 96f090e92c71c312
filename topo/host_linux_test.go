package topo

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"testing"
)

// TestHostReads has files read in both ways: a long one, an empty one, one that is not there, and a
// folder.
func TestHostReads(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"proc/self/mountinfo", "proc/filesystems", "sys/devices/system/cpu/offline", "proc/self/environ"} {
		want, err := os.ReadFile("/" + name)
		got, gotErr := fs.ReadFile(hostFiles(), name)
		if !bytes.Equal(got, want) || (gotErr == nil) != (err == nil) {
			t.Errorf("%s: %d bytes and %v, package os reads %d and %v", name, len(got), gotErr, len(want), err)
		}
	}
	if _, err := fs.ReadFile(hostFiles(), "proc/none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
	if _, err := fs.ReadFile(hostFiles(), "proc"); err == nil {
		t.Error("a folder was read")
	}
}
