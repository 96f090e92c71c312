package journal

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// smallDisk is a file that takes no byte behind a limit.
type smallDisk struct {
	*os.File
	room int64
}

var errNoRoom = errors.New("no room")

func (d *smallDisk) WriteAt(b []byte, at int64) (int, error) {
	fits := max(0, min(int64(len(b)), d.room-at))
	n, err := d.File.WriteAt(b[:fits], at)
	if err == nil && n < len(b) {
		err = errNoRoom
	}
	return n, err
}

func newTape(t *testing.T, room int64) (*tape, func() []byte) {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "1.run"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return &tape{taped: &smallDisk{f, room}}, func() []byte {
		text, err := os.ReadFile(f.Name())
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
}

// Behind what was written stand zeros up to the end of a page, so that writes hardly ever
// change the size, and in the end nothing does.
func TestTapeIsLaidOutAhead(t *testing.T) {
	t.Parallel()
	tape, text := newTape(t, 1<<30)
	var want []byte
	sizes := map[int]bool{}
	for n := range 5000 {
		line := append(bytes.Repeat([]byte{'x'}, n%200), '\n')
		if w, err := tape.Write(line); w != len(line) || err != nil {
			t.Fatal(w, err)
		}
		want = append(want, line...)
		if n%50 > 0 {
			continue
		}
		got := text()
		if sizes[len(got)] = true; int64(len(got)) != tape.laid || len(got)%page != 0 || len(got)-len(want) > aheadMost+page {
			t.Fatalf("%d bytes for %d that were written, %d laid out", len(got), len(want), tape.laid)
		}
		if !bytes.Equal(got[:len(want)], want) || len(bytes.Trim(got[len(want):], "\x00")) > 0 {
			t.Fatalf("after %d lines", n)
		}
	}
	if len(sizes) > 12 {
		t.Errorf("%d sizes of %d bytes", len(sizes), len(want))
	}
	if tape.trim(); !bytes.Equal(text(), want) {
		t.Error("trimmed to something else than what was written")
	}
	if _, err := tape.Write([]byte("on\n")); err != nil || !bytes.HasPrefix(text(), append(want, "on\n"...)) {
		t.Error("it does not go on behind that:", err)
	}
}

// A line that goes into what is laid out is taken where a full disk lays out no more, and
// of one that does not fit nothing is left.
func TestTapeOnAFullDisk(t *testing.T) {
	t.Parallel()
	for _, room := range []int64{1, 100, page - 1, page, page + 1, 3*page + 7} {
		tape, text := newTape(t, room)
		var want []byte
		for n := 0; ; n++ {
			line := []byte(strings.Repeat("x", n%60) + "\n")
			_, err := tape.Write(line)
			fits := int64(len(want)+len(line)) <= room
			if fits != (err == nil) || err != nil && !errors.Is(err, errNoRoom) {
				t.Fatalf("room for %d, line behind %d: %v", room, len(want), err)
			}
			if !fits {
				break
			}
			want = append(want, line...)
		}
		if got := text(); !bytes.Equal(got, want) {
			t.Errorf("room for %d: %d bytes are left of %d", room, len(got), len(want))
		}
	}
}

// Who dies leaves zeros behind, which are no lines, and who goes on cuts them off.
func TestJournalOfTheDead(t *testing.T) {
	t.Parallel()
	runs := RunsIn(t.TempDir())
	out, id, _, err := runs.Begin(Run{Program: "tutti map", Folder: "/f", Template: someTemplate})
	if err != nil {
		t.Fatal(err)
	}
	out.Jobs(ranJob(1, "a", 0), ranJob(2, "b", 1))
	left, err := os.ReadFile(runs.path(id))
	if err != nil || len(left) != page || left[page-1] != 0 {
		t.Fatalf("%d bytes, %v", len(left), err)
	}
	if err := out.stop(); err != nil {
		t.Fatal(err)
	}
	torn := bytes.Clone(left)
	copy(torn[bytes.LastIndexByte(left, '\n')+1:], "0123 J\tab")
	for _, text := range [][]byte{left, torn} {
		if err := os.WriteFile(runs.path(id), text, 0o600); err != nil {
			t.Fatal(err)
		}
		rec, err := runs.Read(id, nil)
		if err != nil || rec.OK != 1 || rec.Failed != 1 || rec.Damaged != 0 || !rec.Open {
			t.Errorf("read as %+v, %v", rec, err)
		}
		if n := len(runs.Past(someTemplate)); n != 1 {
			t.Errorf("%d jobs are remembered", n)
		}
		on, done, err := resumed(runs, id, Options{})
		if err != nil || done.Len() != 2 {
			t.Fatalf("%v, %v", done.Len(), err)
		}
		on.Jobs(ranJob(3, "c", 0))
		if err := on.Close(RunEnd{}); err != nil {
			t.Fatal(err)
		}
		var seqs []int64
		rec, err = runs.Read(id, func(j Job) { seqs = append(seqs, j.Seq) })
		if err != nil || rec.Damaged != 0 || rec.Open || !slices.Equal(seqs, []int64{1, 2, 3}) {
			t.Errorf("gone on: %+v with %v, %v", rec, seqs, err)
		}
		if whole, _ := os.ReadFile(runs.path(id)); bytes.IndexByte(whole, 0) >= 0 {
			t.Error("zeros are left at the end")
		}
	}
}
