package ipc

import (
	"context"
	"fmt"
	"io"
	"unsafe"

	"github.com/tutti-run/tutti/shm"
)

// StreamWriter is the writing end of a stream. One goroutine at a time may use it.
type StreamWriter struct {
	st    *Stream
	tail  uint64 // as in the marks
	gaps  uint64
	head  uint64 // as last seen
	hand  uint64 // bytes that are reserved
	gap   uint64 // and the gap before them
	spins spinner
	left  bool
}

// Writer makes this process the writer, and waits until nobody else is or ctx is done.
// If the last writer died the error is ErrOwnerDied, and the StreamWriter is good all
// the same: what the dead one committed stays in the stream, and Offset says how far
// that went.
//
//go:noinline
func (st *Stream) Writer(ctx context.Context) (*StreamWriter, error) {
	agent, pc, cycles := here()
	err := st.take(ctx, &st.state.writer, caller{agent, pc, cycles})
	if err != nil && err != ErrOwnerDied {
		return nil, err
	}
	w := &StreamWriter{st: st}
	w.tail, w.gaps = st.marks.tail.load()
	w.head, _ = st.marks.head.load()
	for k := range st.marks.gaps {
		if g := observe(&st.marks.gaps[k]); g != noGap && g >= w.tail {
			publish(&st.marks.gaps[k], noGap) // noted by a dead writer, and not passed
		}
	}
	return w, err
}

// Offset returns how many bytes were ever committed, by all writers.
func (w *StreamWriter) Offset() int64 { return int64(w.tail - w.gaps) }

// Reserve returns room for n bytes, in one piece, to be filled in place and committed.
// It waits for that until ctx is done. n is at most half the capacity. Reserving again
// before Commit gives the same room.
//
//go:noinline
func (w *StreamWriter) Reserve(ctx context.Context, n int) ([]byte, error) {
	if n < 0 || n > len(w.st.bytes)/2 {
		return nil, fmt.Errorf("ipc: reserve %d bytes of a stream of %d: at most half is possible", n, len(w.st.bytes))
	}
	if err := w.open(); err != nil {
		return nil, err
	}
	v := w.reserve(uint64(n))
	if v == blocked {
		agent, pc, cycles := here()
		err := w.st.wait(ctx, &w.st.state.writers, waitsForRoom, &w.spins, caller{agent, pc, cycles},
			func() verdict { return w.reserve(uint64(n)) })
		if err != nil {
			return nil, err
		}
	}
	from := (w.tail + w.gap) & w.mask()
	return w.st.bytes[from : from+w.hand : from+w.hand], nil
}

// open says why nothing can be written.
func (w *StreamWriter) open() error {
	if w.left || w.st.s.closing.Load() || w.st.marks.end.Load() != 0 {
		return ErrClosed
	}
	return nil
}

func (w *StreamWriter) mask() uint64 { return uint64(len(w.st.bytes)) - 1 }

// room is how many bytes may be written from the tail on if n would do.
func (w *StreamWriter) room(n uint64) (uint64, verdict) {
	size := uint64(len(w.st.bytes))
	if size-(w.tail-w.head) < n {
		head, _ := w.st.marks.head.load()
		shm.Acquire(unsafe.Pointer(&w.st.marks.head))
		if w.head = head; w.tail-head > size {
			return 0, damaged
		}
	}
	return size - (w.tail - w.head), ready
}

func (w *StreamWriter) reserve(n uint64) verdict {
	w.gap = 0
	if rest := uint64(len(w.st.bytes)) - w.tail&w.mask(); rest < n {
		w.gap = rest
	}
	room, v := w.room(w.gap + n)
	if v == ready && room < w.gap+n {
		v = blocked
	}
	if w.hand = n; v != ready {
		w.hand, w.gap = 0, 0
	}
	return v
}

// Commit gives the first n of the bytes that were reserved to the reader. The others
// are not reserved any more.
func (w *StreamWriter) Commit(n int) error {
	if n < 0 || uint64(n) > w.hand {
		return errNotReserved
	}
	if err := w.open(); err != nil {
		return err
	}
	if n > 0 {
		w.commit(uint64(n))
	}
	w.hand, w.gap = 0, 0
	return nil
}

func (w *StreamWriter) commit(n uint64) {
	m := w.st.marks
	if w.gap > 0 {
		publish(&m.gaps[w.tail/uint64(len(w.st.bytes))&1], w.tail)
		at("stream-noted")
	}
	w.tail, w.gaps = w.tail+w.gap+n, w.gaps+w.gap
	w.gap = 0
	shm.Release(unsafe.Pointer(&m.tail))
	m.tail.move(w.tail, w.gaps) // SYNC stream-tail
	at("stream-committed")
	w.st.state.readers.ring(1)
}

// Write writes p, and waits for room. It is io.Writer. The reader has the first bytes
// before the last are written; if the process dies meanwhile they stay.
func (w *StreamWriter) Write(p []byte) (int, error) { return w.WriteContext(context.Background(), p) }

// WriteContext is Write that waits until ctx is done.
//
//go:noinline
func (w *StreamWriter) WriteContext(ctx context.Context, p []byte) (n int, err error) {
	if err := w.open(); err != nil {
		return 0, err
	}
	w.hand, w.gap = 0, 0
	room := uint64(0)
	try := func() (v verdict) {
		if room, v = w.room(min(uint64(len(p)-n), streamChunk)); v == ready && room == 0 {
			v = blocked
		}
		return v
	}
	for n < len(p) {
		if try() != ready {
			agent, pc, cycles := here()
			if err := w.st.wait(ctx, &w.st.state.writers, waitsForRoom, &w.spins, caller{agent, pc, cycles}, try); err != nil {
				return n, err
			}
		}
		from := w.tail & w.mask()
		k := copy(w.st.bytes[from:], p[n:n+int(min(room, uint64(len(p)-n), streamChunk))])
		w.commit(uint64(k))
		n += k
	}
	return n, nil
}

// End says that nothing more will be written, by anybody: the reader gets the rest and
// then io.EOF. It gives the role back.
func (w *StreamWriter) End() error {
	if err := w.open(); err != nil {
		return err
	}
	w.st.marks.end.Store(1)
	at("stream-ended")
	w.st.state.readers.ring(wakeAll)
	return w.Close()
}

// Close gives the role back: the next process that asks becomes the writer. What was
// reserved and not committed is not written.
func (w *StreamWriter) Close() error {
	if w.left || w.st.s.closing.Load() {
		return ErrClosed
	}
	w.left = true
	w.st.leave(&w.st.state.writer)
	return nil
}

// StreamReader is the reading end of a stream. One goroutine at a time may use it.
type StreamReader struct {
	st    *Stream
	head  uint64 // as in the marks
	gaps  uint64
	hand  uint64 // bytes that were shown
	spins spinner
	left  bool
}

// Reader makes this process the reader, and waits until nobody else is or ctx is done.
// If the last reader died the error is ErrOwnerDied, and the StreamReader is good all
// the same: it begins with what the dead one had not released, and Offset says where
// that is.
//
//go:noinline
func (st *Stream) Reader(ctx context.Context) (*StreamReader, error) {
	agent, pc, cycles := here()
	err := st.take(ctx, &st.state.reader, caller{agent, pc, cycles})
	if err != nil && err != ErrOwnerDied {
		return nil, err
	}
	r := &StreamReader{st: st}
	r.head, r.gaps = st.marks.head.load()
	return r, err
}

// Offset returns how many bytes were ever released, by all readers.
func (r *StreamReader) Offset() int64 { return int64(r.head - r.gaps) }

// Peek returns the next bytes, at most n, where they lie, and waits for the first until
// ctx is done. It returns as many as there are and lie together: what was reserved and
// committed at once does. They stay as they are until they are released. After the end
// the error is io.EOF.
//
//go:noinline
func (r *StreamReader) Peek(ctx context.Context, n int) ([]byte, error) {
	if r.left || r.st.s.closing.Load() {
		return nil, ErrClosed
	}
	if n <= 0 {
		return nil, nil
	}
	switch v := r.look(); v {
	case blocked:
		agent, pc, cycles := here()
		if err := r.st.wait(ctx, &r.st.state.readers, waitsForMessage, &r.spins, caller{agent, pc, cycles}, r.look); err != nil {
			return nil, err
		}
	case closed, damaged:
		return nil, r.st.error(v)
	}
	r.hand = min(r.hand, uint64(n))
	from := r.head & uint64(len(r.st.bytes)-1)
	return r.st.bytes[from : from+r.hand : from+r.hand], nil
}

// look finds what can be read.
func (r *StreamReader) look() verdict {
	m, size := r.st.marks, uint64(len(r.st.bytes))
	for {
		end := m.end.Load() // before the tail, which does not move after it
		tail, _ := m.tail.load()
		shm.Acquire(unsafe.Pointer(&m.tail)) // SYNC stream-tail
		r.hand = 0
		switch {
		case tail == r.head && end != 0:
			return closed
		case tail == r.head:
			return blocked
		case tail-r.head > size:
			return damaged
		}
		lap := r.head / size
		limit := min(tail, (lap+1)*size)
		gap := observe(&m.gaps[lap&1])
		if gap/size != lap || gap < r.head || gap >= tail {
			gap = limit
		}
		if gap > r.head {
			r.hand = gap - r.head
			return ready
		}
		r.gaps += limit - gap
		r.move(limit)
		at("stream-jumped")
	}
}

func (r *StreamReader) move(head uint64) {
	r.head = head
	shm.Release(unsafe.Pointer(&r.st.marks.head))
	r.st.marks.head.move(r.head, r.gaps) // SYNC stream-head
	at("stream-released")
	r.st.state.writers.ring(1)
}

// Release gives the first n of the bytes that Peek returned back to the writer.
func (r *StreamReader) Release(n int) error {
	if n < 0 || uint64(n) > r.hand {
		return errNotReserved
	}
	if r.left || r.st.s.closing.Load() {
		return ErrClosed
	}
	if n > 0 {
		r.hand -= uint64(n)
		r.move(r.head + uint64(n))
	}
	return nil
}

// Read reads up to len(p) bytes into p, and waits for the first. It is io.Reader.
func (r *StreamReader) Read(p []byte) (int, error) { return r.ReadContext(context.Background(), p) }

// ReadContext is Read that waits until ctx is done.
func (r *StreamReader) ReadContext(ctx context.Context, p []byte) (int, error) {
	b, err := r.Peek(ctx, len(p))
	if err != nil {
		return 0, err
	}
	n := copy(p, b)
	at("stream-read")
	return n, r.Release(n)
}

// Close gives the role back: the next process that asks becomes the reader, and gets
// what was not released.
func (r *StreamReader) Close() error {
	if r.left || r.st.s.closing.Load() {
		return ErrClosed
	}
	r.left = true
	r.st.leave(&r.st.state.reader)
	return nil
}

var (
	_ io.Writer = (*StreamWriter)(nil)
	_ io.Reader = (*StreamReader)(nil)
)
