package spool

import (
	"bytes"
	"errors"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// TestFullDisk has a file system with room for two regions: what was shown before
// it was full is whole, the error names the cure, and room that is given back can
// be had again.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	for _, compress := range []bool{false, true} {
		fullDisk(t, compress)
	}
}

func fullDisk(t *testing.T, compress bool) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=2m"); err != nil {
		t.Skip("a small file system may not be mounted here:", err)
	}
	defer func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	}()
	file, err := OpenUnnamed(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	s := heapWith(t, Config{Lanes: 1, Memory: ChunkBytes, File: file, Live: true, Compress: compress})
	want := make([]byte, 4<<20) // it takes as much room where it is compressed
	for ticket := uint64(1); ticket <= 3; ticket++ {
		_, w := begin(t, s, 0, ticket, 1)
		noise(ticket, want)
		_, _ = w[0].Write(want)
		if err := w[0].Err(); !errors.Is(err, unix.ENOSPC) {
			t.Fatalf("the error is %v", err)
		}
		v, _ := s.Find(ticket)
		ref, _ := w[0].End(0)
		// The chunk, and the file but for a piece that did not fit.
		least := int64(ChunkBytes + 2<<20 - 2*scratchBytes)
		if v.Shown[0] != ref || ref.Size < least || ref.Size >= 4<<20 {
			t.Errorf("ends with %v, %v are shown", ref, v.Shown[0])
		}
		if !bytes.Equal(collect(t, s, ticket, ref), want[:ref.Size]) {
			t.Error("what was shown differs")
		}
		at := ref.At(ticket)
		s.Free(&at)
	}
	checkEmpty(t, file)
}

func TestDevFull(t *testing.T) {
	t.Parallel()
	full, err := os.OpenFile("/dev/full", os.O_RDWR, 0)
	if err != nil {
		t.Skip(err)
	}
	defer full.Close()
	s := heapStore(t, 1, 0, false, full)
	_, w := begin(t, s, 0, 5, 1)
	_, _ = w[0].Write([]byte("x"))
	if !errors.Is(w[0].Err(), unix.ENOSPC) {
		t.Errorf("the error is %v", w[0].Err())
	}
	if ref, _ := w[0].End(0); ref.Size != 0 {
		t.Errorf("%d bytes are said to be kept", ref.Size)
	}
}

func TestOpenUnnamed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f, err := OpenUnnamed(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if names, err := os.ReadDir(dir); err != nil || len(names) > 0 {
		t.Errorf("the folder holds %v, %v", names, err)
	}
	if f, err := OpenUnnamed(dir + "/none"); !errors.Is(err, os.ErrNotExist) {
		f.Close()
		t.Errorf("in no folder: %v", err)
	}
}
