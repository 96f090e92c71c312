package spool

import (
	"errors"
	"fmt"
	"os"
	"structs"
	"sync/atomic"
	"unsafe"

	"github.com/tutti-run/tutti/shm"
)

// header is the first page of the segment.
//
//	offset  size  field     writer         if the writer dies
//	     0     8  magic     master, first  nobody attaches
//	     8     4  lanes     master, first  likewise
//	    12     4  chunks    master, first  likewise
//	    16     4  regions   master, first  likewise
//	    20     4  live      master, first  likewise
//	    24     4  compress  master, first  likewise
//	    64     4  bell      all, by add    a waiter looks again in vain
//	   128     8  watched   master         likewise
//	   192     8  fileEnd   all, by add    a hole in the file, which takes no room
type header struct {
	_       structs.HostLayout
	magic   uint64
	lanes   uint32
	chunks  uint32
	regions uint32
	live    uint32 // 1: streams are read while they are written
	// 1: what lies in regions is in frames
	compress uint32
	_        [36]byte
	bell     uint32
	_        [60]byte
	watched  atomic.Int64 // the job whose output is waited for; everyJob
	_        [56]byte
	fileEnd  atomic.Int64
}

var _ [64]byte = [unsafe.Offsetof(header{}.bell)]byte{}
var _ [192]byte = [unsafe.Offsetof(header{}.fileEnd)]byte{}

// layout is the version of all that is shared here.
const layout = 0x7475_7474_6953_0002

// entry is a chunk of memory or a region of the file.
//
//	offset  size  field  writer                     if the writer dies
//	     0     8  owner  by CAS from 0: a claim;    Reclaim
//	                     by CAS to 0: the master,
//	                     the owner in Writer.End
//	     8     4  next   owner                      the list ends here
//	    12     4  flags  owner                      it is backed once more
//	    16     8  off    owner, of a region         size is 0 while it changes: else
//	    24     8  size   owner, of a region         Reclaim would punch a neighbour
type entry struct {
	_     structs.HostLayout
	owner atomic.Uint64 // ticket, 0: free
	next  atomic.Uint32 // number of the next entry of the stream, from 1
	flags atomic.Uint32
	off   atomic.Int64 // of a region in the file
	size  atomic.Int64 // of a region
}

// Flags of an entry.
const (
	backed = 1 // a chunk that has memory behind it, for good
	begins = 2 // the first of its stream
)

const entryBytes = 32

var _ [entryBytes]byte = [unsafe.Sizeof(entry{})]byte{}

// lane is what is known of the command that runs in a job slot. Its writer is the
// worker that runs it; ticket is 0 while the rest changes.
type lane struct {
	_      structs.HostLayout
	ticket atomic.Uint64
	seq    atomic.Int64
	start  atomic.Int64 // ns since 1970
	pid    atomic.Int64
	stream [streams]laneStream
	_      [64]byte
}

type laneStream struct {
	first atomic.Uint32
	_     uint32
	shown atomic.Int64 // bytes that may be read
}

const laneBytes = 128

var _ [laneBytes]byte = [unsafe.Sizeof(lane{})]byte{}

// Store is the spool of a run, in the master or in a worker. Its methods may be
// called by many goroutines at once.
type Store struct {
	seg     *shm.Segment
	head    *header
	entries []entry
	lanes   []lane
	chunks  int   // the first so many entries
	data    int64 // offset of the first chunk
	file    *os.File
	flaw    error // why there is no file
	frames  bool  // regions hold frames; read once, as peers can write the header
}

// Config says how large a store is.
type Config struct {
	Lanes  int   // job slots
	Memory int64 // bytes of output kept in memory, rounded up to whole chunks
	// File takes what exceeds Memory; nil: nothing does, and Flaw says why.
	File *os.File
	Flaw error
	// Live says that streams will be read while they are written: even short ones
	// stay where they can be.
	Live bool
	// Compress compresses what is in File.
	Compress bool
}

// regionsLeast is the least number of regions; each lane has some more.
const regionsLeast, regionsPerLane = 4096, 8

// sizes gives the places of everything for a header.
func (h *header) sizes() (entries, lanes, data, size int64) {
	const page = 4096
	entries = page
	lanes = entries + entryBytes*(int64(h.chunks)+int64(h.regions))
	data = (lanes + laneBytes*int64(h.lanes) + page - 1) &^ (page - 1)
	return entries, lanes, data, data + int64(h.chunks)*ChunkBytes
}

// Create makes a store. Its segment goes with the last process that holds it.
func Create(c Config) (*Store, error) { return create(c, shm.Create) }

func create(c Config, segment func(size, committed int64) (*shm.Segment, error)) (*Store, error) {
	h := header{
		magic: layout, lanes: uint32(c.Lanes), chunks: uint32((c.Memory + ChunkBytes - 1) / ChunkBytes),
		regions: uint32(max(regionsLeast, regionsPerLane*c.Lanes)),
	}
	_, _, data, size := h.sizes()
	seg, err := segment(size, data)
	if err != nil {
		return nil, fmt.Errorf("memory for output: %w", err)
	}
	to := (*header)(seg.Base())
	to.lanes, to.chunks, to.regions = h.lanes, h.chunks, h.regions
	if c.Live {
		to.live = 1
	}
	if c.Compress {
		to.compress = 1
	}
	to.magic = h.magic
	return open(seg, c.File, c.Flaw)
}

// Attach finds the store in a worker: the segment's descriptor and the file, nil
// where there is none and flaw says why.
func Attach(fd int, file *os.File, flaw error) (*Store, error) {
	seg, err := shm.Attach(fd)
	if err != nil {
		return nil, fmt.Errorf("memory for output: %w", err)
	}
	s, err := open(seg, file, flaw)
	if err != nil {
		return nil, errors.Join(err, seg.Close())
	}
	return s, nil
}

func open(seg *shm.Segment, file *os.File, flaw error) (*Store, error) {
	if seg.Size() < int64(unsafe.Sizeof(header{})) {
		return nil, fmt.Errorf("memory for output: a segment of %d bytes", seg.Size())
	}
	h := (*header)(seg.Base())
	if h.magic != layout {
		return nil, errors.New("memory for output: another version's layout")
	}
	entries, lanes, data, size := h.sizes()
	if size > seg.Size() {
		return nil, fmt.Errorf("memory for output: %d bytes for a segment of %d", size, seg.Size())
	}
	s := &Store{seg: seg, head: h, chunks: int(h.chunks), data: data, file: file, flaw: flaw, frames: h.compress != 0}
	s.entries = unsafe.Slice((*entry)(unsafe.Add(seg.Base(), entries)), int(h.chunks)+int(h.regions))
	s.lanes = unsafe.Slice((*lane)(unsafe.Add(seg.Base(), lanes)), int(h.lanes))
	return s, nil
}

// FD is the segment's descriptor, for a worker to inherit.
func (s *Store) FD() int { return s.seg.FD() }

// Close unmaps the store.
func (s *Store) Close() error { return s.seg.Close() }

// claim takes a free chunk for ticket: the first, so that few are ever touched
// and those that are stay in the caches. false: none is left, or no memory.
func (s *Store) claim(ticket uint64) (int, bool) {
	for i := range s.chunks {
		e := &s.entries[i]
		if e.owner.Load() != 0 || !e.owner.CompareAndSwap(0, ticket) {
			continue
		}
		at("chunk claimed")
		e.next.Store(0)
		had := e.flags.Load() & backed
		e.flags.Store(had)
		if had == 0 {
			if s.seg.Commit(s.data+int64(i)*ChunkBytes, ChunkBytes) != nil {
				e.owner.Store(0)
				return 0, false
			}
			at("chunk backed")
			e.flags.Store(backed)
		}
		return i, true
	}
	return 0, false
}

// claimRegion takes a region of size bytes of the file, which begins at off.
func (s *Store) claimRegion(ticket uint64, size int64) (i int, off int64, err error) {
	if s.file == nil {
		return 0, 0, s.flaw
	}
	for i := s.chunks; i < len(s.entries); i++ {
		e := &s.entries[i]
		if e.owner.Load() != 0 || !e.owner.CompareAndSwap(0, ticket) {
			continue
		}
		at("region claimed")
		e.next.Store(0)
		e.flags.Store(0)
		e.size.Store(0)
		off = s.head.fileEnd.Add(size) - size
		e.off.Store(off)
		at("region placed")
		e.size.Store(size)
		return i, off, nil
	}
	return 0, 0, fmt.Errorf("%d pieces of output wait to be printed, and there is no room for more", len(s.entries)-s.chunks)
}

// chunk is the memory of entry i.
func (s *Store) chunk(i int) []byte {
	return unsafe.Slice((*byte)(unsafe.Add(s.seg.Base(), s.data+int64(i)*ChunkBytes)), ChunkBytes)
}

// owned is the entry with a number, from 1, that another process wrote. Not ok:
// there is none, or it is not ticket's.
func (s *Store) owned(number uint32, ticket uint64) (i int, ok bool) {
	if number == 0 || uint64(number) > uint64(len(s.entries)) {
		return 0, false
	}
	i = int(number - 1)
	return i, ticket != 0 && s.entries[i].owner.Load() == ticket
}

// room is how many bytes entry i holds. Of a region it is what a peer wrote, and
// may be anything.
func (s *Store) room(i int) int64 {
	if i < s.chunks {
		return ChunkBytes
	}
	return s.entries[i].size.Load()
}

// framed reports whether entry i holds frames.
func (s *Store) framed(i int) bool { return s.frames && i >= s.chunks }

// full reports whether an entry i of size bytes ends at pos, so that its stream
// goes on in the next.
func (s *Store) full(i int, pos, size int64) bool {
	if s.framed(i) {
		return size-pos < frameMax
	}
	return pos == size
}
