package spool

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/tutti-run/tutti/shm"
)

// lengths are those around the bounds of chunks and of the first regions.
var lengths = []int{
	0, 1, 4095, scratchBytes - 1, scratchBytes, scratchBytes + 1,
	ChunkBytes - 1, ChunkBytes, ChunkBytes + 1, 2*ChunkBytes - 1, 2 * ChunkBytes, 3*ChunkBytes + 7,
	regionMin - 1, regionMin, regionMin + 1, regionMin + ChunkBytes, 3*regionMin - 1, 3 * regionMin, 3*regionMin + 2*ChunkBytes + 1,
}

func TestWriteRead(t *testing.T) {
	t.Parallel()
	for i, chunks := range []int64{0, 1, 2, 3, 40, 0, 1} {
		compress := i > 4
		t.Run(fmt.Sprint(chunks, compress), func(t *testing.T) {
			t.Parallel()
			s := heapWith(t, Config{Lanes: 1, Memory: chunks * ChunkBytes, File: tempFile(t), Compress: compress})
			ticket := uint64(0)
			for _, n := range lengths {
				for _, most := range []int{n + 1, 64 << 10, 100_000} {
					ticket++
					writeRead(t, s, ticket, n, most)
				}
			}
		})
	}
}

// writeRead writes n bytes to one stream and a few to the other, and looks at
// them in each way there is.
func writeRead(t *testing.T, s *Store, ticket uint64, n, most int) {
	t.Helper()
	l, w := begin(t, s, 0, ticket, 1)
	put(&w[0], ticket, n, most)
	put(&w[1], ticket+1, 10, most)
	v, ok := s.Find(ticket)
	if !ok || v.Shown[0].Size != int64(n) || v.Shown[1].Size != 10 {
		t.Fatalf("%d bytes: shown are %+v", n, v)
	}
	want := pattern(nil, ticket, 0, n)
	for _, k := range []int{0, 1, ChunkBytes, ChunkBytes + 1, n - 1, n, n + 1, 2 * n} {
		k = max(0, k)
		if got := s.Tail(&v, Stdout, int64(k)); !bytes.Equal(got, want[max(0, n-k):]) {
			t.Fatalf("%d bytes: a tail of %d has %d, or they differ", n, k, len(got))
		}
	}
	l.End()
	var refs [streams]Ref
	for st := range w {
		ref, short := w[st].End(-1)
		if short != nil || w[st].Err() != nil {
			t.Fatalf("%d bytes in place for -1, %v", len(short), w[st].Err())
		}
		refs[st] = ref
	}
	if got := collect(t, s, ticket, refs[0]); !bytes.Equal(got, want) {
		t.Fatalf("%d bytes read for %d, or they differ", len(got), n)
	}
	at := refs[0].At(ticket)
	r := reading{stream: ticket}
	for _, upto := range []int64{refs[0].Size / 3, refs[0].Size} { // freeing behind
		if err := s.Read(&at, upto, true, r.take); err != nil || r.pos != upto {
			t.Fatalf("up to %d of %d: %d, %v", upto, n, r.pos, err)
		}
	}
	s.Free(&at)
	at = refs[1].At(ticket)
	s.Free(&at)
	if used := s.Used(); used != 0 {
		t.Fatalf("%d bytes: %d entries are in use when all is free", n, used)
	}
}

func TestEndInline(t *testing.T) {
	t.Parallel()
	const most = 1000
	for _, c := range []struct {
		n, chunks    int
		live, inline bool
	}{
		{0, 2, false, true}, {1, 2, false, true}, {most, 2, false, true},
		{most + 1, 2, false, false}, {1, 2, true, false}, {1, 0, false, false}, {0, 2, true, false},
	} {
		s := heapStore(t, 1, c.chunks, c.live, tempFile(t))
		l, w := begin(t, s, 0, 5, 1)
		w[0].Room() // as a read does that then finds the end of the pipe
		put(&w[0], 5, c.n, most)
		v, _ := s.Find(5)
		l.End()
		ref, short := w[0].End(most)
		if inline := ref == (Ref{}); inline != c.inline || s.Used() != 0 && inline {
			t.Errorf("%+v: %v, %d bytes, %d in use", c, ref, len(short), s.Used())
		}
		got := short
		if !c.inline {
			got = collect(t, s, 5, ref)
		}
		if !bytes.Equal(got, pattern(nil, 5, 0, c.n)) {
			t.Errorf("%+v: %d bytes, or they differ", c, len(got))
		}
		if v.Runs() || s.Tail(&v, Stdout, 10) != nil {
			t.Errorf("%+v: what has ended is still seen", c)
		}
		at := ref.At(5)
		s.Free(&at)
		if s.Used() != 0 {
			t.Errorf("%+v: %d in use at the end", c, s.Used())
		}
	}
}

// A stream that nobody ever put a byte to has no place.
func TestEndUntouched(t *testing.T) {
	t.Parallel()
	s := heapStore(t, 1, 1, true, nil)
	_, w := begin(t, s, 0, 5, 1)
	if ref, short := w[0].End(10); ref != (Ref{}) || short != nil || s.Used() != 0 {
		t.Errorf("%v, %q, %d in use", ref, short, s.Used())
	}
}

func TestLines(t *testing.T) {
	t.Parallel()
	for _, c := range []Config{{}, {Memory: ChunkBytes}, {Compress: true}, {Memory: ChunkBytes, Compress: true}} {
		c.Lanes, c.Live, c.File = 1, true, tempFile(t)
		s := heapWith(t, c)
		_, w := begin(t, s, 0, 5, 1)
		w[0].Lines = true
		for _, c := range []struct {
			write string
			shown int64
		}{
			{"ab", 0}, {"c\n", 4}, {"d", 4}, {"e\nf\ng", 9}, {"\n", 11}, {"", 11}, {"x", 11},
		} {
			if n, err := w[0].Write([]byte(c.write)); n != len(c.write) || err != nil {
				t.Fatalf("%q: wrote %d, %v", c.write, n, err)
			}
			v, _ := s.Find(5)
			if v.Shown[0].Size != c.shown {
				t.Errorf("%q: %d bytes are shown, want %d", c.write, v.Shown[0].Size, c.shown)
			}
		}
		long := bytes.Repeat([]byte("y"), 3*ChunkBytes) // a line longer than a chunk
		w[0].Write(append(long, '\n', 'z'))
		v, _ := s.Find(5)
		if want := 11 + 1 + int64(len(long)) + 1; v.Shown[0].Size != want {
			t.Errorf("%d bytes are shown, want %d", v.Shown[0].Size, want)
		}
		ref, _ := w[0].End(0)
		if got := collect(t, s, 5, ref); string(got[:12]) != "abc\nde\nf\ng\nx" || got[len(got)-1] != 'z' {
			t.Errorf("%q … %q", got[:12], got[len(got)-1])
		}
	}
}

func TestWithoutFile(t *testing.T) {
	t.Parallel()
	s := heapStore(t, 1, 2, false, nil)
	_, w := begin(t, s, 0, 5, 1)
	put(&w[0], 5, 2*ChunkBytes, ChunkBytes)
	if err := w[0].Err(); err != nil {
		t.Fatal(err)
	}
	if n, err := w[0].Write([]byte("one too many")); n != 12 || err != nil {
		t.Errorf("a writer with an error took %d, %v", n, err)
	}
	if !errors.Is(w[0].Err(), errNoFile) {
		t.Errorf("the error is %v", w[0].Err())
	}
	ref, _ := w[0].End(0)
	if got := collect(t, s, 5, ref); !bytes.Equal(got, pattern(nil, 5, 0, 2*ChunkBytes)) {
		t.Errorf("%d bytes of %d are left, or they differ", len(got), 2*ChunkBytes)
	}
	if w[1].Room(); !errors.Is(w[1].Err(), errNoFile) {
		t.Errorf("the other stream: %v", w[1].Err())
	}
	if ref, _ := w[1].End(0); ref != (Ref{}) {
		t.Errorf("the other stream: %v", ref)
	}
}

// A file that cannot be written is an error of the command, and what was shown
// before remains.
func TestFileFails(t *testing.T) {
	t.Parallel()
	name := tempFile(t).Name()
	f, err := os.Open(name) // not for writing
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s := heapStore(t, 1, 1, true, f)
	_, w := begin(t, s, 0, 5, 1)
	put(&w[0], 5, ChunkBytes+1, ChunkBytes)
	var fault *faultError
	if !errors.As(w[0].Err(), &fault) || fault.Unwrap() == nil {
		t.Fatalf("the error is %v", w[0].Err())
	}
	v, _ := s.Find(5)
	if v.Shown[0].Size != ChunkBytes || len(collect(t, s, 5, v.Shown[0])) != ChunkBytes {
		t.Errorf("shown are %v", v.Shown[0])
	}
	ref, _ := w[0].End(0)
	at := ref.At(5)
	s.Free(&at)
	if s.Used() != 0 {
		t.Errorf("%d in use: the region that was not written stays", s.Used())
	}
}

func TestRegionsRunOut(t *testing.T) {
	t.Parallel()
	s := heapStore(t, 1, 0, false, tempFile(t))
	for i := range s.entries {
		s.entries[i].owner.Store(9)
	}
	_, w := begin(t, s, 0, 5, 1)
	w[0].Write([]byte("x"))
	if w[0].Err() == nil {
		t.Fatal("no error")
	}
	s.Reclaim(9)
	if s.Used() != 0 {
		t.Errorf("%d in use", s.Used())
	}
}

func TestReadStops(t *testing.T) {
	t.Parallel()
	for _, c := range []Config{{}, {Memory: ChunkBytes}, {Memory: 4 * ChunkBytes}, {Compress: true}, {Memory: ChunkBytes, Compress: true}} {
		c.Lanes, c.File = 1, tempFile(t)
		s := heapWith(t, c)
		_, w := begin(t, s, 0, 5, 1)
		put(&w[0], 5, 3*ChunkBytes, ChunkBytes)
		ref, _ := w[0].End(0)
		c := ref.At(5)
		stop := errors.New("stop")
		n := 0
		for c.Read < ref.Size { // it goes on after each piece
			r := reading{stream: 5, pos: c.Read}
			err := s.Read(&c, ref.Size, true, func(p []byte) error {
				n++
				return errors.Join(stop, r.take(p))
			})
			if !errors.Is(err, stop) || errors.Is(err, errDiffers) || c.Read != r.pos {
				t.Fatalf("%v at %d, %d", err, c.Read, r.pos)
			}
		}
		if n < 2 {
			t.Errorf("%d pieces", n)
		}
	}
}

func TestReclaim(t *testing.T) {
	t.Parallel()
	s := heapStore(t, 2, 2, true, tempFile(t))
	_, dead := begin(t, s, 0, 5, 1)
	_, alive := begin(t, s, 1, 6, 2)
	for range 3 {
		put(&dead[0], 5, ChunkBytes, ChunkBytes)
		put(&dead[1], 55, 10, ChunkBytes)
		put(&alive[0], 6, ChunkBytes, ChunkBytes)
	}
	v, ok := s.Find(5)
	if !ok || v.Seq != 1 || v.Slot != 0 || !v.Start.Equal(time.Unix(1, 0)) {
		t.Fatalf("found %+v", v)
	}
	all := s.Used()
	s.Reclaim(0) // nobody's
	if s.Used() != all {
		t.Fatal("ticket 0 was freed")
	}
	s.Reclaim(5)
	if _, ok := s.Find(5); ok || v.Runs() {
		t.Error("the dead one is still seen to run")
	}
	c := v.Shown[0].At(5)
	if err := s.Read(&c, 1, false, func([]byte) error { return nil }); !errors.Is(err, errBroken) {
		t.Errorf("its output can still be read: %v", err)
	}
	ref, _ := alive[0].End(0)
	if got := collect(t, s, 6, ref); !bytes.Equal(got, pattern(nil, 6, 0, 3*ChunkBytes)) {
		t.Error("the other's output is not whole")
	}
	s.Reclaim(6)
	if n := s.Used(); n != 0 {
		t.Errorf("%d in use", n)
	}
}

// Who is told to free what is another's by now does not.
func TestFreeOfAnother(t *testing.T) {
	t.Parallel()
	s := heapStore(t, 1, 1, true, nil)
	_, w := begin(t, s, 0, 5, 1)
	put(&w[0], 5, 10, 10)
	old := Ref{w[0].first, 10}
	s.Reclaim(5)
	_, w = begin(t, s, 0, 6, 2)
	put(&w[0], 6, 10, 10)
	at := old.At(5)
	s.Free(&at)
	s.free(0, 5)
	if err := s.Read(&Cursor{Ticket: 5, Next: old.First}, 10, true, func([]byte) error { return nil }); !errors.Is(err, errBroken) {
		t.Errorf("read another's output: %v", err)
	}
	if v, _ := s.Find(6); !bytes.Equal(collect(t, s, 6, v.Shown[0]), pattern(nil, 6, 0, 10)) {
		t.Error("the new one's output is gone")
	}
}

func TestLane(t *testing.T) {
	t.Parallel()
	s := heapStore(t, 2, 1, true, nil)
	for _, n := range []int{-1, 2, 1 << 40} {
		if _, err := s.Lane(n); err == nil {
			t.Errorf("there is a lane %d", n)
		}
	}
	l, _ := begin(t, s, 1, 7, 3)
	l.Started(42)
	var got []View
	s.Views(func(v View) { got = append(got, v) })
	if len(got) != 1 || got[0].PID != 42 || got[0].Slot != 1 || got[0].Ticket != 7 || !got[0].Runs() {
		t.Errorf("views: %+v", got)
	}
	l.Begin(8, 4, time.Now()) // the next one: nothing of the last is left
	if v, ok := s.Find(8); !ok || v.PID != 0 || v.Shown != [streams]Ref{} || got[0].Runs() {
		t.Errorf("the next: %+v", v)
	}
	l.End()
	s.Views(func(v View) { t.Errorf("at the end: %+v", v) })
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	heap := func(chunks int) *shm.Segment {
		return heapStore(t, 1, chunks, false, nil).seg
	}
	short := heap(4)
	(*header)(short.Base()).chunks++
	other := heap(4)
	(*header)(other.Base()).magic++
	for name, seg := range map[string]*shm.Segment{"empty": shm.HeapSegment(64), "short": short, "another version": other} {
		if _, err := open(seg, nil, nil); err == nil {
			t.Errorf("%s: opened", name)
		}
	}
	if _, err := create(Config{}, func(int64, int64) (*shm.Segment, error) { return nil, shm.ErrFull }); !errors.Is(err, shm.ErrFull) {
		t.Errorf("without memory: %v", err)
	}
	if s, err := Attach(-1, nil, nil); err == nil {
		s.Close()
		t.Error("attached to no descriptor")
	}
}

func TestFault(t *testing.T) {
	t.Parallel()
	plain := errors.New("plain")
	if Fault(plain) != plain {
		t.Error("an error of another kind was changed")
	}
	err := Fault(&os.PathError{Op: "write", Path: "p", Err: os.ErrPermission})
	if !errors.Is(err, os.ErrPermission) {
		t.Error(err)
	}
}
