package shm

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"sync/atomic"
	"testing"
	"unsafe"
)

// killBoard is the first page of the segment in TestSIGKILL: where the child
// says how far it is and passes objects to its parent.
type killBoard struct {
	progress atomic.Uint64
	mail     [64]struct{ ref, size atomic.Uint64 }
}

const killSpans = 300

var killGeometry = Geometry{Meta: 4096, Data: 2 * SpanBytes, Spans: killSpans}

func init() {
	childModes["allocate"] = func() {
		if err := allocateForEver(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

func allocateForEver() error {
	seg := inherited()
	a, err := NewArena(seg, killGeometry)
	if err != nil {
		return err
	}
	a.idleMax, a.grow = 4, 16
	board := (*killBoard)(seg.Base())
	h := a.Heap(victimSlot)
	rnd := rand.New(rand.NewPCG(uint64(os.Getpid()), 5))
	var mine []Ref
	for {
		board.progress.Add(1)
		n := max(1, sizeOf(rnd))
		r, err := h.Alloc(n)
		switch {
		case errors.Is(err, ErrFull):
		case err != nil:
			return err
		default:
			b, err := a.Bytes(r, n)
			if err != nil {
				return err
			}
			copy(b, pattern(r, n))
			letter := &board.mail[rnd.IntN(len(board.mail))]
			if letter.ref.Load() == 0 {
				letter.size.Store(uint64(n))
				letter.ref.Store(uint64(r))
			} else {
				mine = append(mine, r)
			}
		}
		for len(mine) > 100 || err != nil && len(mine) > 0 {
			k := rnd.IntN(len(mine))
			if err := a.Free(victimSlot, mine[k]); err != nil {
				return err
			}
			mine[k] = mine[len(mine)-1]
			mine = mine[:len(mine)-1]
			err = nil
		}
		if rnd.IntN(50) == 0 {
			h.Trim()
		}
	}
}

// read takes what the child passed, finds it whole, and frees it.
func (b *killBoard) read(t *testing.T, a *Arena) {
	for i := range b.mail {
		letter := &b.mail[i]
		if r := Ref(letter.ref.Load()); r != 0 {
			intact(t, a, r, int(letter.size.Load()))
			if err := a.Free(survivorSlot, r); err != nil {
				t.Fatal(err)
			}
			letter.ref.Store(0)
		}
	}
}

// TestSIGKILL kills a process that allocates, passes and frees objects, again
// and again, while its parent reads them, allocates and frees.
func TestSIGKILL(t *testing.T) {
	t.Parallel()
	seg := newSegment(t, killGeometry.Data+killSpans*SpanBytes, 4096)
	board := (*killBoard)(seg.Base())
	if unsafe.Sizeof(*board) > 4096 {
		t.Fatal("the board is longer than its page")
	}
	a := peerArena(t, seg, killGeometry)
	h := a.Heap(survivorSlot)
	rnd := rand.New(rand.NewPCG(1, 6))
	freed := 0
	for range 50 {
		cmd, _, _ := child(t, "allocate", seg)
		until := board.progress.Load() + 1 + rnd.Uint64N(2000)
		for board.progress.Load() < until {
			board.read(t, a)
			n := sizeOf(rnd)
			r, err := h.Alloc(n)
			if err == nil {
				fill(t, a, r, n)
				intact(t, a, r, n)
				err = a.Free(survivorSlot, r)
			}
			if err != nil && !errors.Is(err, ErrFull) {
				t.Fatal(err)
			}
			runtime.Gosched()
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		cmd.Wait()
		mail := map[Ref]bool{}
		for i := range board.mail {
			mail[Ref(board.mail[i].ref.Load())] = true
		}
		freed += a.Reclaim(victimSlot, heirSlot, func(r Ref) bool { return mail[r] })
		board.read(t, a)
		h.Trim()
		if u := a.Usage(); len(u) != 0 {
			t.Fatalf("after the death and the last letter: %+v", u)
		}
	}
	t.Logf("%d objects of the dead freed", freed)
	a.header.idle.Store(a.countIdle())
	a.checkEmpty(t)
	if got, most := resident(t, seg), killGeometry.Data+4*SpanBytes; got > most {
		t.Errorf("%d bytes are committed when nothing is in use, want at most %d", got, most)
	}
}

// TestMachineMemory runs the allocator on a real segment: memory comes as it is
// needed and goes back.
func TestMachineMemory(t *testing.T) {
	t.Parallel()
	const spans = 4 << 20 // 256 GiB
	g := Geometry{Meta: 0, Data: (MetaBytes(spans)/SpanBytes + 1) * SpanBytes, Spans: spans}
	seg := newSegment(t, g.Data+int64(spans)*SpanBytes, 0)
	a, err := NewArena(seg, g)
	if err != nil {
		t.Fatal(err)
	}
	start := resident(t, seg)
	if start > 1<<20 {
		t.Errorf("an arena of 256 GiB begins with %d bytes", start)
	}
	h := a.Heap(1)
	r, err := h.Alloc(100 << 20)
	if err != nil {
		t.Fatal(err)
	}
	fill(t, a, r, 100<<20)
	if got := resident(t, seg); got < 100<<20 || got > 101<<20+start {
		t.Errorf("%d bytes are committed for an object of 100 MiB", got)
	}
	if err := a.Free(1, r); err != nil {
		t.Fatal(err)
	}
	if got := resident(t, seg); got > 1<<20+start {
		t.Errorf("%d bytes remain after the object was freed", got)
	}
}
