package ipc

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
)

// pattern is what stands at some offset of every stream here.
func pattern(offset int64, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		x := uint64(offset+int64(i)) * 0x9e3779b97f4a7c15
		b[i] = byte(x >> 56)
	}
	return b
}

// A stream does what a buffer does, whoever writes and reads, however much at once.
func TestStreamAgainstBuffer(t *testing.T) {
	t.Parallel()
	for _, capacity := range []int{64, 256, 5000} {
		t.Run(fmt.Sprint(capacity), func(t *testing.T) {
			t.Parallel()
			spaces := heapSpaces(t, 2, Options{})
			first, second := must(spaces[0].Stream("s", capacity)), must(spaces[1].Stream("s", 0))
			w, r := must(first.Writer(soon(t))), must(second.Reader(soon(t)))
			rnd := rand.New(rand.NewPCG(uint64(capacity), 2))
			written, read := int64(0), int64(0)
			for range 5000 {
				switch rnd.IntN(6) {
				case 0, 1:
					n := rnd.IntN(first.Cap()/2 + 1)
					if w.reserve(uint64(n)) != ready {
						continue // no room: the reader is another one's turn
					}
					b := must(w.Reserve(soon(t), n))
					if len(b) != n {
						t.Fatalf("%d bytes reserved, want %d", len(b), n)
					}
					n = copy(b, pattern(written, rnd.IntN(n+1)))
					if err := w.Commit(n); err != nil {
						t.Fatal(err)
					}
					written += int64(n)
				case 2:
					room, _ := w.room(uint64(first.Cap()))
					n := must(w.Write(pattern(written, rnd.IntN(int(room)+1))))
					written += int64(n)
				case 3, 4:
					if r.look() != ready {
						if read != written {
							t.Fatalf("read %d of %d bytes and there are no more", read, written)
						}
						continue
					}
					b := must(r.Peek(soon(t), 1+rnd.IntN(first.Cap())))
					b = b[:rnd.IntN(len(b)+1)]
					if !bytes.Equal(b, pattern(read, len(b))) {
						t.Fatalf("%d bytes at %d are others", len(b), read)
					}
					if err := r.Release(len(b)); err != nil {
						t.Fatal(err)
					}
					read += int64(len(b))
				default: // another takes over
					if err := errors.Join(w.Close(), r.Close()); err != nil {
						t.Fatal(err)
					}
					first, second = second, first
					w, r = must(first.Writer(soon(t))), must(second.Reader(soon(t)))
				}
				if w.Offset() != written || r.Offset() != read {
					t.Fatalf("at %d and %d, want %d and %d", w.Offset(), r.Offset(), written, read)
				}
			}
			if err := w.End(); err != nil {
				t.Fatal(err)
			}
			if rest, err := io.ReadAll(r); err != nil || !bytes.Equal(rest, pattern(read, int(written-read))) {
				t.Errorf("the rest of %d bytes is %d: %v", written-read, len(rest), err)
			}
			if _, err := must(first.Writer(soon(t))).Write([]byte{1}); !errors.Is(err, ErrClosed) {
				t.Errorf("written after the end: %v", err)
			}
		})
	}
}

// A writer and a reader at the same time, neither at the other's pace.
func TestStreamTogether(t *testing.T) {
	t.Parallel()
	spaces := heapSpaces(t, 2, Options{})
	const total = 200_000
	go func() {
		w := must(must(spaces[0].Stream("s", 1024)).Writer(soon(t)))
		rnd := rand.New(rand.NewPCG(5, 6))
		for w.Offset() < total {
			n := 1 + int(min(rnd.Int64N(512), total-w.Offset()-1))
			if rnd.IntN(2) == 0 {
				must(w.Write(pattern(w.Offset(), n)))
				continue
			}
			copy(must(w.Reserve(soon(t), n)), pattern(w.Offset(), n))
			if err := w.Commit(n); err != nil {
				panic(err)
			}
		}
		if err := w.End(); err != nil {
			panic(err)
		}
	}()
	r := must(must(spaces[1].Stream("s", 1024)).Reader(soon(t)))
	got, err := io.ReadAll(r)
	if err != nil || !bytes.Equal(got, pattern(0, total)) {
		t.Errorf("read %d bytes, other than were written: %v", len(got), err)
	}
}

func TestStreamRefuses(t *testing.T) {
	t.Parallel()
	s := heapSpaces(t, 1, Options{})[0]
	if _, err := s.Stream("s", 0); err == nil {
		t.Error("a stream of nothing was made")
	}
	st := must(s.Stream("s", 100))
	if _, err := s.Stream("s", 200); err == nil || st.Cap() != 128 {
		t.Errorf("another capacity was accepted beside %d: %v", st.Cap(), err)
	}
	w, r := must(st.Writer(soon(t))), must(st.Reader(soon(t)))
	if _, err := w.Reserve(soon(t), 65); err == nil {
		t.Error("more than half was reserved")
	}
	if err := errors.Join(w.Commit(0), r.Release(0)); err != nil {
		t.Error(err)
	}
	if w.Commit(1) == nil || r.Release(1) == nil {
		t.Error("what is not in hand was given back")
	}
}
