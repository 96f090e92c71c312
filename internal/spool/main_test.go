package spool

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/tutti-run/tutti/shm"
)

// childModes are what a re-executed test binary does in place of testing.
var childModes = map[string]func() error{}

const childEnv = "SPOOL_TEST_CHILD"

func TestMain(m *testing.M) {
	if mode := os.Getenv(childEnv); mode != "" {
		if err := childModes[mode](); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	code := m.Run()
	if left := leftovers(); code == 0 && len(left) > 0 {
		fmt.Fprintln(os.Stderr, "left over:", left)
		code = 1
	}
	os.Exit(code)
}

var errNoFile = errors.New("no temporary file in this test")

// heapStore is a store on heap memory, which the race detector watches, with so
// many chunks of memory.
func heapStore(t testing.TB, lanes, chunks int, live bool, file *os.File) *Store {
	t.Helper()
	return heapWith(t, Config{Lanes: lanes, Memory: int64(chunks) * ChunkBytes, File: file, Live: live})
}

// heapWith is heapStore for any configuration.
func heapWith(t testing.TB, c Config) *Store {
	t.Helper()
	c.Flaw = errNoFile
	s, err := create(c, func(size, _ int64) (*shm.Segment, error) { return shm.HeapSegment(size), nil })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// tempFile is a file for regions.
func tempFile(t testing.TB) *os.File {
	t.Helper()
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// pattern appends n bytes of a stream from byte number pos on. Those at the same
// place of two chunks, regions or streams differ. The race detector would take ten
// times as long, and to is never shared.
//
//go:norace
func pattern(to []byte, stream uint64, pos int64, n int) []byte {
	to = slices.Grow(to, n)
	for p := pos; p < pos+int64(n); p++ {
		to = append(to, byte(p)+byte(p>>7)*3+byte(p>>14)*5+byte(p>>17)*11+byte(p>>20)*29+byte(stream)*17)
	}
	return to
}

// reading checks a stream against pattern as it is read.
type reading struct {
	stream uint64
	pos    int64
	want   []byte
}

var errDiffers = errors.New("the bytes differ")

func (r *reading) take(p []byte) error {
	r.want = pattern(r.want[:0], r.stream, r.pos, len(p))
	if !bytes.Equal(p, r.want) {
		for i := range p {
			if p[i] != r.want[i] {
				return fmt.Errorf("stream %d: %w from byte %d on", r.stream, errDiffers, r.pos+int64(i))
			}
		}
	}
	r.pos += int64(len(p))
	return nil
}

// begin starts a command in a lane and returns its writers.
func begin(t testing.TB, s *Store, lane int, ticket uint64, seq int64) (Lane, [streams]Writer) {
	t.Helper()
	l, err := s.Lane(lane)
	if err != nil {
		t.Fatal(err)
	}
	l.Begin(ticket, seq, time.Unix(1, 0))
	return l, [streams]Writer{l.Writer(Stdout), l.Writer(Stderr)}
}

// put writes the next n bytes of a stream's pattern, in pieces of at most most.
func put(w *Writer, stream uint64, n, most int) {
	for n > 0 {
		room := w.Room()
		k := min(n, most, len(room))
		copy(room, pattern(nil, stream, w.total, k))
		w.Took(k)
		if w.err != nil {
			return
		}
		n -= k
	}
}

// collect reads all of a stream, in a store that frees nothing by it.
func collect(t testing.TB, s *Store, ticket uint64, ref Ref) []byte {
	t.Helper()
	var got []byte
	c := ref.At(ticket)
	err := s.Read(&c, ref.Size, false, func(p []byte) error {
		got = append(got, p...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}
