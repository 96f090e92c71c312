package ipc

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tutti-run/tutti/shm"
)

// heapSpaces opens one space in Go's own memory as n processes, whose kin below
// lets die. So the race detector sees all that they do to each other.
func heapSpaces(tb testing.TB, n int, o Options) []*Space {
	tb.Helper()
	if o.Objects == 0 {
		o.Objects = 32
	}
	if o.Claims == 0 {
		o.Claims = 64
	}
	o = o.orDefaults()
	l, err := layOut(o.Objects, o.Claims, 1<<20)
	if err != nil {
		tb.Fatal(err)
	}
	seg := shm.HeapSegment(l.size)
	town := &town{lifelines: map[int]*uint32{}}
	furnish(seg, l, o, &goroutines{town, 0}, heapIDs.Add(1))
	spaces := make([]*Space, n)
	for i := range spaces {
		spaces[i] = town.enter(tb, seg, o)
	}
	return spaces
}

var heapIDs atomic.Uint64

// town is where processes that are groups of goroutines live.
type town struct {
	mu        sync.Mutex
	pids      int
	lifelines map[int]*uint32 // by process; nil once it is gone
}

func (w *town) enter(tb testing.TB, seg *shm.Segment, o Options) *Space {
	tb.Helper()
	w.mu.Lock()
	w.pids++
	k := &goroutines{w, w.pids}
	w.mu.Unlock()
	s, err := enterSpace(seg, 0, o, k)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if !k.gone(k.number) {
			if err := s.Close(); err != nil {
				tb.Error(err)
			}
		}
	})
	return s
}

// goroutines is the kin of one of them.
type goroutines struct {
	town   *town
	number int
}

func (g *goroutines) pid() int         { return g.number }
func (g *goroutines) started() uint64  { return 1 }
func (g *goroutines) now() int64       { return time.Now().UnixNano() }
func (g *goroutines) name() string     { return "test" }
func (g *goroutines) boot() [16]byte   { return [16]byte{1} }
func (g *goroutines) pidSpace() uint64 { return 1 }

func (g *goroutines) hold(word *uint32) error {
	g.town.mu.Lock()
	defer g.town.mu.Unlock()
	g.town.lifelines[g.number] = word
	atomic.StoreUint32(word, 0x80000000|uint32(g.number))
	return nil
}

func (g *goroutines) release(word *uint32) {
	g.town.mu.Lock()
	defer g.town.mu.Unlock()
	g.town.lifelines[g.number] = nil
	atomic.StoreUint32(word, 0)
	shm.Wake(word, wakeAll)
}

func (g *goroutines) gone(pid int) bool {
	g.town.mu.Lock()
	defer g.town.mu.Unlock()
	word, known := g.town.lifelines[pid]
	return known && word == nil
}

func (g *goroutines) sameProgram(int) bool { return true }

func (g *goroutines) kill(pid int, _ uint64) error {
	return fmt.Errorf("process %d is not killed here", pid)
}

func (g *goroutines) awaitGone(pid int, _ uint64) bool { return g.gone(pid) }

// die is the death of s's process, as the kernel would tell of it. Its goroutines
// must do nothing more.
func die(s *Space) {
	dieUnheard(s)
	shm.Wake(&s.members[s.slot].lifeline, 1)
}

// dieUnheard is die, but the kernel wakes nobody.
func dieUnheard(s *Space) {
	g := s.kin.(*goroutines)
	g.town.mu.Lock()
	word := g.town.lifelines[g.number]
	g.town.lifelines[g.number] = nil
	g.town.mu.Unlock()
	s.closing.Store(true) // its guardian, a goroutine too, does nothing either
	if word != nil {
		atomic.StoreUint32(word, atomic.LoadUint32(word)|0x40000000)
	}
}

// patience bounds every wait for something that is to happen.
const patience = 20 * time.Second

func soon(tb testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	tb.Cleanup(cancel)
	return ctx
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
