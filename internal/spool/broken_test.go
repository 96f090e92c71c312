package spool

import (
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"testing"
)

func TestBrokenLists(t *testing.T) {
	t.Parallel()
	const ticket, region = 5, 3 // the first region follows the third chunk
	own := func(s *Store, i int, next uint32, off, size int64) {
		e := &s.entries[i]
		e.owner.Store(ticket)
		e.next.Store(next)
		e.off.Store(off)
		e.size.Store(size)
	}
	for name, c := range map[string]struct {
		first uint32
		lay   func(s *Store)
	}{
		"none":            {0, func(*Store) {}},
		"beyond":          {1 << 20, func(*Store) {}},
		"far beyond":      {math.MaxUint32, func(*Store) {}},
		"free":            {1, func(*Store) {}},
		"another's":       {1, func(s *Store) { s.entries[0].owner.Store(6) }},
		"ends":            {1, func(s *Store) { own(s, 0, 0, 0, 0) }},
		"itself":          {1, func(s *Store) { own(s, 0, 1, 0, 0) }},
		"circle":          {1, func(s *Store) { own(s, 0, 2, 0, 0); own(s, 1, 1, 0, 0) }},
		"beyond, later":   {1, func(s *Store) { own(s, 0, 1<<31, 0, 0) }},
		"region of none":  {region + 1, func(s *Store) { own(s, region, region+1, 0, 0) }},
		"negative region": {region + 1, func(s *Store) { own(s, region, region+1, 0, -5) }},
		"least region":    {region + 1, func(s *Store) { own(s, region, region+1, 0, math.MinInt64) }},
		"negative place":  {region + 1, func(s *Store) { own(s, region, region+1, -1<<40, 100) }},
		"beyond the file": {region + 1, func(s *Store) { own(s, region, region+1, 1<<62, math.MaxInt64) }},
		"circle of files": {region + 1, func(s *Store) { own(s, region, region+1, 0, 7) }},
	} {
		for _, upto := range []int64{4 * ChunkBytes, math.MaxInt64} {
			for _, file := range []*os.File{nil, smallFile(t)} {
				for way := range 4 {
					free := way&1 != 0
					s := heapWith(t, Config{Lanes: 1, Memory: 3 * ChunkBytes, File: file, Live: true, Compress: way&2 != 0})
					c.lay(s)
					at := Ref{c.first, upto}.At(ticket)
					err := s.Read(&at, upto, free, func([]byte) error { return nil })
					if err == nil {
						if name != "circle of files" && upto == math.MaxInt64 {
							t.Errorf("%s: read", name)
						}
					}
					s.Free(&at)
					c.lay(s)
					s.Reclaim(ticket)
					s.Reclaim(6)
					if n := s.Used(); n != 0 {
						t.Errorf("%s: %d entries in use", name, n)
					}
				}
			}
		}
	}
}

// smallFile is a file for regions with a few bytes in it: frames and what is none.
func smallFile(t testing.TB) *os.File {
	f := tempFile(t)
	if _, err := f.Write(pattern(nil, 1, 0, smallBytes)); err != nil {
		t.Fatal(err)
	}
	for at := int64(0); at < smallBytes/2; at += 100 {
		if _, err := f.WriteAt(packers.Get().(*packer).pack(pattern(nil, 1, 0, 20)), at); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

const smallBytes = 1000

var errEnough = errors.New("enough")

// poke writes garbage over what peers share: a place, and eight bytes, each time.
func poke(s *Store, garbage []byte) {
	for ; len(garbage) >= 10; garbage = garbage[10:] {
		v := binary.LittleEndian.Uint64(garbage[2:])
		l := &s.lanes[int(garbage[0]>>4)%len(s.lanes)]
		e := &s.entries[garbage[0]%8]
		st := &l.stream[garbage[1]>>4%2]
		switch garbage[1] % 9 {
		case 0:
			e.owner.Store(v % 4)
		case 1:
			e.next.Store(uint32(v % 10))
		case 2:
			e.next.Store(uint32(v))
		case 3:
			e.off.Store(int64(v))
		case 4:
			e.size.Store(int64(v))
		case 5:
			e.size.Store(int64(v % 2000))
		case 6:
			l.ticket.Store(v % 4)
		case 7:
			st.first.Store(uint32(v % 10))
		case 8:
			st.shown.Store(int64(v))
		}
	}
}

// look does everything that a master does with what a worker left.
func look(t *testing.T, s *Store) {
	var views []View
	s.Views(func(v View) { views = append(views, v) })
	for _, v := range views {
		for st, ref := range v.Shown {
			_ = s.Tail(&v, Stream(st), 100)
			_ = s.End(v.Ticket, ref, 100)
			for _, free := range []bool{false, true} {
				c := ref.At(v.Ticket)
				left := 4 << 20
				_ = s.Read(&c, ref.Size, free, func(p []byte) error {
					if left -= len(p); left < 0 {
						return errEnough
					}
					return nil
				})
			}
			c := ref.At(v.Ticket)
			s.Free(&c)
		}
	}
	// And what a worker does with what another left.
	_, w := begin(t, s, 0, 9, 1)
	for st := range w {
		w[st].Lines = st == 0
		_, _ = w[st].Write(make([]byte, 2*ChunkBytes))
		w[st].End(100)
	}
	for ticket := range uint64(10) {
		s.Reclaim(ticket)
	}
	if n := s.Used(); n != 0 {
		t.Errorf("%d entries in use", n)
	}
}

func TestGarbage(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(3, 3))
	garbage := make([]byte, 600)
	for _, compress := range []bool{false, true} {
		s := heapWith(t, Config{Lanes: 2, Memory: 3 * ChunkBytes, File: smallFile(t), Live: true, Compress: compress})
		for range 300 {
			for i := range garbage {
				garbage[i] = byte(rnd.Uint32())
			}
			poke(s, garbage)
			look(t, s)
		}
	}
}

// FuzzGarbage finds nothing that a peer could write which ends this process or
// keeps it for ever.
func FuzzGarbage(f *testing.F) {
	f.Add([]byte("\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x06\x01\x00\x00\x00\x00\x00\x00\x00"))
	f.Add([]byte("\x03\x04\x00\x00\x00\x00\x00\x00\x00\xff\x00\x08\xff\xff\xff\xff\xff\xff\xff\xff"))
	file := smallFile(f)
	f.Fuzz(func(t *testing.T, garbage []byte) {
		for _, compress := range []bool{false, true} {
			if err := file.Truncate(smallBytes); err != nil {
				t.Fatal(err)
			}
			s := heapWith(t, Config{Lanes: 2, Memory: 3 * ChunkBytes, File: file, Live: true, Compress: compress})
			poke(s, garbage)
			look(t, s)
		}
	})
}
