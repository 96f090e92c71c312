package spool

import (
	"bytes"
	"errors"
	"io"
	"os"
	"syscall"
	"time"
)

// Lane is where a worker writes what the command in one job slot does.
type Lane struct {
	store *Store
	lane  *lane
}

// Lane returns the place of job slot n, from 0.
func (s *Store) Lane(n int) (Lane, error) {
	if n < 0 || n >= len(s.lanes) {
		return Lane{}, errors.New("a job slot without a place in the spool")
	}
	return Lane{s, &s.lanes[n]}, nil
}

// Begin notes that the command of job seq, started under ticket, runs here now.
func (l Lane) Begin(ticket uint64, seq int64, start time.Time) {
	l.lane.ticket.Store(0) // readers see that the rest changes
	for i := range l.lane.stream {
		l.lane.stream[i].first.Store(0)
		l.lane.stream[i].shown.Store(0)
	}
	l.lane.seq.Store(seq)
	l.lane.start.Store(start.UnixNano())
	l.lane.pid.Store(0)
	l.lane.ticket.Store(ticket)
}

// Started notes the command's process number.
func (l Lane) Started(pid int) { l.lane.pid.Store(int64(pid)) }

// End notes that nothing runs here any more.
func (l Lane) End() { l.lane.ticket.Store(0) }

// Writer takes the bytes of one stream of one command. It never fails half-way:
// after an error it takes and discards, and Err tells of it. It is used by one
// goroutine.
type Writer struct {
	store  *Store
	ticket uint64
	seq    int64
	shared *laneStream
	Lines  bool // whole lines only are shown before the end

	cur    int   // entry that is written to; -1: none
	off    int64 // of cur in the file, where it is a region
	size   int64 // of cur
	first  uint32
	pos    int64 // in cur
	total  int64
	shown  int64
	region int64 // size of the last region
	buf    []byte
	err    error
}

// regionMin and regionMax bound a region; each is twice as long as the one
// before, so that a stream has few.
const (
	regionMin = 1 << 20
	regionMax = 1 << 30
)

// Writer returns the writer of a stream of the command that has begun here.
func (l Lane) Writer(st Stream) Writer {
	return Writer{store: l.store, ticket: l.lane.ticket.Load(), seq: l.lane.seq.Load(), shared: &l.lane.stream[st], cur: -1}
}

// scratchBytes is what is read at once where there is no chunk to read into.
const scratchBytes = 64 << 10

// Room is where the next bytes are to be put, one at least.
func (w *Writer) Room() []byte {
	if w.err == nil && (w.cur < 0 || w.store.full(w.cur, w.pos, w.size)) {
		w.err = w.extend()
	}
	if w.err == nil && w.cur < w.store.chunks {
		return w.store.chunk(w.cur)[w.pos:]
	}
	if w.buf == nil {
		w.buf = make([]byte, scratchBytes)
	}
	if w.err != nil || w.store.frames {
		return w.buf
	}
	return w.buf[:min(scratchBytes, w.size-w.pos)]
}

// extend appends an entry to the stream.
func (w *Writer) extend() error {
	// Place and size are kept here: the entry is open to every peer.
	off, size := int64(0), int64(ChunkBytes)
	i, ok := w.store.claim(w.ticket)
	if !ok {
		var err error
		size = min(max(2*w.region, regionMin), regionMax)
		if i, off, err = w.store.claimRegion(w.ticket, size); err != nil {
			return err
		}
		w.region = size
	}
	at("entry unlinked")
	if w.cur < 0 {
		e := &w.store.entries[i]
		e.flags.Store(e.flags.Load() | begins)
		w.first = uint32(i) + 1
		w.shared.first.Store(w.first)
	} else {
		w.store.entries[w.cur].next.Store(uint32(i) + 1) // SYNC spool-next: pairs with Store.Read; nothing in i is shown yet
	}
	at("entry linked")
	w.cur, w.pos, w.off, w.size = i, 0, off, size
	return nil
}

// Took says that n bytes were put in Room.
func (w *Writer) Took(n int) {
	if w.err != nil {
		return
	}
	used := int64(n) // of the entry
	if w.cur >= w.store.chunks {
		var err error
		if used, err = w.save(w.buf[:n]); err != nil {
			w.err = Fault(err)
			return
		}
	}
	at("bytes written")
	end := w.total + int64(n)
	if w.Lines {
		if i := bytes.LastIndexByte(w.last(n), '\n'); i >= 0 {
			w.show(w.total + int64(i) + 1)
		}
	} else {
		w.show(end)
	}
	w.pos, w.total = w.pos+used, end
}

// save puts bytes of the stream into the region, and says how many it takes there.
func (w *Writer) save(raw []byte) (int64, error) {
	if w.store.frames && len(raw) > 0 {
		p := packers.Get().(*packer)
		defer packers.Put(p)
		raw = p.pack(raw)
	}
	n, err := w.store.file.WriteAt(raw, w.off+w.pos)
	return int64(n), err
}

// last gives the n bytes that were put in Room.
func (w *Writer) last(n int) []byte {
	if w.cur >= w.store.chunks {
		return w.buf[:n]
	}
	return w.store.chunk(w.cur)[w.pos : w.pos+int64(n)]
}

// show lets the master read up to total bytes.
func (w *Writer) show(total int64) {
	w.shown = total
	w.shared.shown.Store(total) // SYNC spool-shown: pairs with Store.Views; the bytes are written first
	at("bytes shown")
	if seq := w.store.head.watched.Load(); seq == w.seq || seq == everyJob {
		w.store.Ring()
	}
}

// Write takes p.
func (w *Writer) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		k := copy(w.Room(), p)
		w.Took(k)
		p = p[k:]
	}
	return n, nil
}

// End closes the stream and says where its bytes are. What is short, up to inline
// bytes, is returned as it is, and its memory is free again; but not in a store
// that is read live. Call Lane.End before.
func (w *Writer) End(inline int64) (ref Ref, short []byte) {
	ref = Ref{w.first, w.total}
	if w.first == 0 || w.total > inline || w.cur != int(w.first)-1 || w.cur >= w.store.chunks || w.store.head.live != 0 {
		return ref, nil
	}
	short = append(short, w.store.chunk(w.cur)[:w.total]...)
	w.store.free(w.cur, w.ticket)
	return Ref{}, short
}

// Err is the first error of keeping the bytes, nil if they are whole.
func (w *Writer) Err() error { return w.err }

// Fault says what can be done about a temporary file that cannot be written.
func Fault(err error) error {
	path, ok := errors.AsType[*os.PathError](err)
	if !ok {
		return err
	}
	if errors.Is(err, io.ErrShortWrite) {
		return err
	}
	return &faultError{path.Err}
}

// faultError is an error of the temporary file.
type faultError struct{ err error }

func (e *faultError) Error() string {
	advice := "set TMPDIR to a folder with more room"
	if errors.Is(e.err, syscall.EFBIG) {
		advice = "raise the limit of a file's size, with ulimit -f or another file system for TMPDIR"
	}
	return "write a temporary file in " + os.TempDir() + ": " + e.err.Error() + "; " + advice
}

// Unwrap returns the system's error.
func (e *faultError) Unwrap() error { return e.err }
