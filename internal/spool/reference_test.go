package spool

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
)

// model is a command of TestReference: what it wrote, and how far it was read.
type model struct {
	ticket uint64
	lane   Lane
	w      [streams]Writer
	wrote  [streams]bytes.Buffer
	cursor [streams]Cursor
	read   [streams]int64
}

// TestReference compares several writers and a reader that frees behind itself
// with plain buffers, in random turns that a seed fixes.
func TestReference(t *testing.T) {
	t.Parallel()
	for seed := range uint64(24) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			rnd := rand.New(rand.NewPCG(seed, 1))
			reference(t, rnd, heapWith(t, Config{
				Lanes: 3, Memory: int64(seed%4) * ChunkBytes, File: tempFile(t), Live: true, Compress: seed%8 < 4,
			}))
		})
	}
}

func reference(t *testing.T, rnd *rand.Rand, s *Store) {
	ticket := uint64(0)
	start := func(i int) *model {
		ticket++
		m := &model{ticket: ticket}
		m.lane, m.w = begin(t, s, i, ticket, int64(ticket))
		for st := range m.w {
			m.w[st].Lines = rnd.IntN(4) == 0
		}
		return m
	}
	running := []*model{start(0), start(1), start(2)}
	for range 600 {
		i := rnd.IntN(len(running))
		m, st := running[i], rnd.IntN(int(streams))
		switch rnd.IntN(12) {
		case 0:
			m.end(t, rnd, s)
			running[i] = start(i)
		case 1, 2, 3, 4, 5:
			m.write(rnd, st)
		default:
			m.readLive(t, rnd, s, st)
		}
	}
	for _, m := range running {
		m.end(t, rnd, s)
	}
	if n := s.Used(); n != 0 {
		t.Errorf("%d entries are in use at the end", n)
	}
}

// write appends a piece with a few line ends.
func (m *model) write(rnd *rand.Rand, st int) {
	n := 1 + rnd.IntN(1<<rnd.IntN(19))
	p := pattern(nil, m.ticket*2+uint64(st), int64(m.wrote[st].Len()), n)
	if rnd.IntN(3) == 0 {
		noise(rnd.Uint64(), p) // which cannot be compressed
	}
	for range rnd.IntN(3) {
		p[rnd.IntN(n)] = '\n'
	}
	m.wrote[st].Write(p)
	_, _ = m.w[st].Write(p) // never fails
}

// shown is what is to be seen of a stream.
func (m *model) shown(st int) int64 {
	b := m.wrote[st].Bytes()
	if m.w[st].Lines {
		return int64(bytes.LastIndexByte(b, '\n') + 1)
	}
	return int64(len(b))
}

// readLive reads some of what is shown, or looks at the tail.
func (m *model) readLive(t *testing.T, rnd *rand.Rand, s *Store, st int) {
	v, ok := s.Find(m.ticket)
	if !ok || v.Shown[st].Size != m.shown(st) {
		t.Fatalf("ticket %d: shown are %+v, want %d", m.ticket, v.Shown, m.shown(st))
	}
	ref := v.Shown[st]
	if rnd.IntN(3) == 0 {
		n := rnd.Int64N(200_000)
		tail := s.Tail(&v, Stream(st), n)
		whole := m.wrote[st].Bytes()[:ref.Size]
		if tail != nil && !bytes.Equal(tail, whole[max(0, ref.Size-n):]) {
			t.Fatalf("ticket %d: a wrong tail of %d bytes", m.ticket, len(tail))
		}
		return
	}
	if ref.Size > 0 {
		m.readTo(t, s, st, ref, m.read[st]+rnd.Int64N(ref.Size-m.read[st]+1))
	}
}

func (m *model) readTo(t *testing.T, s *Store, st int, ref Ref, upto int64) {
	c := &m.cursor[st]
	if c.Ticket == 0 {
		*c = ref.At(m.ticket)
	}
	err := s.Read(c, upto, true, func(p []byte) error {
		if want := m.wrote[st].Bytes()[m.read[st]:]; !bytes.HasPrefix(want, p) {
			return errDiffers
		}
		m.read[st] += int64(len(p))
		return nil
	})
	if err != nil || m.read[st] != upto {
		t.Fatalf("ticket %d: read to %d of %d: %v", m.ticket, m.read[st], upto, err)
	}
}

// end ends a command: its worker reports it, or dies.
func (m *model) end(t *testing.T, rnd *rand.Rand, s *Store) {
	if rnd.IntN(3) == 0 {
		for st := range m.w {
			if m.shown(st) > 0 {
				m.readLive(t, rnd, s, st)
			}
		}
		s.Reclaim(m.ticket)
		return
	}
	m.lane.End()
	for st := range m.w {
		ref, short := m.w[st].End(1000)
		if short != nil || ref.Size != int64(m.wrote[st].Len()) || m.w[st].Err() != nil {
			t.Fatalf("ticket %d: ends with %v and %q, %v", m.ticket, ref, short, m.w[st].Err())
		}
		upto := ref.Size
		if rnd.IntN(4) == 0 {
			upto = m.read[st] // the rest is of no use to anybody
		}
		m.readTo(t, s, st, ref, upto)
		s.Free(&m.cursor[st])
	}
	if _, ok := s.Find(m.ticket); ok {
		t.Fatalf("ticket %d is still seen", m.ticket)
	}
}

// TestConcurrent has writers and one live reader at the same time: on heap memory,
// where the race detector sees them.
func TestConcurrent(t *testing.T) {
	t.Parallel()
	for i, chunks := range []int64{0, 1, 3, 20, 0, 2} {
		compress := i > 3
		t.Run(fmt.Sprint(chunks, compress), func(t *testing.T) {
			t.Parallel()
			const lanes, commands = 3, 12
			s := heapWith(t, Config{Lanes: lanes, Memory: chunks * ChunkBytes, File: tempFile(t), Live: true, Compress: compress})
			s.WatchAll()
			done := make(chan finished, 1) // what ends waits for the reader
			var wg sync.WaitGroup
			for lane := range lanes {
				wg.Go(func() {
					rnd := rand.New(rand.NewPCG(uint64(lane), 2))
					for k := range commands {
						done <- writeOne(t, rnd, s, lane, uint64(1+lane*commands+k))
						s.Ring()
					}
				})
			}
			readAll(t, s, done, lanes*commands)
			wg.Wait()
			if n := s.Used(); n != 0 {
				t.Errorf("%d entries are in use at the end", n)
			}
		})
	}
}

// finished is a command that has ended.
type finished struct {
	ticket uint64
	refs   [streams]Ref
}

// writeOne runs a command with some 700 KB of output.
func writeOne(t *testing.T, rnd *rand.Rand, s *Store, lane int, ticket uint64) finished {
	l, w := begin(t, s, lane, ticket, int64(ticket))
	for range 40 {
		st := rnd.IntN(int(streams))
		put(&w[st], ticket*2+uint64(st), 1+rnd.IntN(1<<rnd.IntN(17)), 1+rnd.IntN(1<<16))
	}
	l.End()
	f := finished{ticket: ticket}
	for st := range w {
		f.refs[st], _ = w[st].End(0)
		if err := w[st].Err(); err != nil {
			t.Error(err)
		}
	}
	return f
}

// follower reads what commands show, and frees behind itself.
type follower struct {
	s       *Store
	at      map[uint64]*[streams]Cursor
	reading map[uint64]*[streams]reading
}

func (f *follower) read(ticket uint64, refs [streams]Ref) error {
	if f.at[ticket] == nil {
		f.at[ticket] = new([streams]Cursor)
		f.reading[ticket] = &[streams]reading{{stream: ticket * 2}, {stream: ticket*2 + 1}}
	}
	for st, ref := range refs {
		c, r := &f.at[ticket][st], &f.reading[ticket][st]
		if c.Ticket == 0 && ref.First != 0 {
			*c = ref.At(ticket)
		}
		if err := f.s.Read(c, ref.Size, true, r.take); err != nil {
			return fmt.Errorf("ticket %d, up to %d: %w", ticket, ref.Size, err)
		}
		if r.pos != ref.Size {
			return fmt.Errorf("ticket %d: read %d of %d", ticket, r.pos, ref.Size)
		}
	}
	return nil
}

func (f *follower) forget(ticket uint64) {
	delete(f.at, ticket)
	delete(f.reading, ticket)
}

func newFollower(s *Store) *follower {
	return &follower{s, map[uint64]*[streams]Cursor{}, map[uint64]*[streams]reading{}}
}

// readAll reads what runs and what has ended, until so many have.
func readAll(t *testing.T, s *Store, done <-chan finished, commands int) {
	f := newFollower(s)
	ended := map[uint64]bool{}
	for len(ended) < commands {
		bell := s.Bell()
		s.Views(func(v View) {
			if ended[v.Ticket] {
				t.Errorf("ticket %d runs after its end", v.Ticket)
			} else if err := f.read(v.Ticket, v.Shown); err != nil {
				t.Error(err)
			}
		})
		select {
		case e := <-done:
			if err := f.read(e.ticket, e.refs); err != nil {
				t.Error(err)
			}
			for st := range e.refs {
				s.Free(&f.at[e.ticket][st])
			}
			f.forget(e.ticket)
			ended[e.ticket] = true
		default:
			s.Await(bell)
		}
	}
}
