package spool

import "fmt"

// source reads pieces of one stream out of entries, for the time of one call.
type source struct {
	s      *Store
	buf    []byte    // for regions
	frames *unpacker // for regions of frames
}

// unpacker is there when it is first asked for.
func (r *source) unpacker() *unpacker {
	if r.frames == nil {
		r.frames = unpackers.Get().(*unpacker)
		r.frames.window = r.frames.window[:0] // of another file, or of an earlier time
	}
	return r.frames
}

// close ends the use of pieces.
func (r *source) close() {
	if r.frames != nil {
		unpackers.Put(r.frames)
	}
}

// piece gives at most most bytes at c, in entry i of size bytes, which does not end
// there, and moves c behind them.
func (r *source) piece(c *Cursor, i int, size, most int64) (piece []byte, err error) {
	if r.s.framed(i) {
		return r.inFrame(c, i, most)
	}
	n := min(size-c.pos, most)
	if i < r.s.chunks {
		piece = r.s.chunk(i)[c.pos : c.pos+n]
	} else {
		if r.buf == nil {
			r.buf = make([]byte, min(n, ChunkBytes))
		}
		k, err := r.s.file.ReadAt(r.buf[:min(n, int64(len(r.buf)))], r.s.entries[i].off.Load()+c.pos)
		if k == 0 {
			return nil, fmt.Errorf("read back output: %w", err)
		}
		piece = r.buf[:k]
	}
	c.pos, c.Read = c.pos+int64(len(piece)), c.Read+int64(len(piece))
	return piece, nil
}

// inFrame is piece in a region of frames. A frame that is left in its middle is
// unpacked again when reading goes on.
func (r *source) inFrame(c *Cursor, i int, most int64) ([]byte, error) {
	u, off := r.unpacker(), r.s.entries[i].off.Load()+c.pos
	f, err := u.head(r.s.file, off)
	if err != nil {
		return nil, err
	}
	if c.in >= f.raw {
		return nil, errFrame // it was another one when its begin was read
	}
	raw, err := u.unpack(r.s.file, off, f)
	if err != nil {
		return nil, err
	}
	piece := raw[c.in:min(f.raw, c.in+most)]
	c.in, c.Read = c.in+int64(len(piece)), c.Read+int64(len(piece))
	if c.in == f.raw {
		c.pos, c.in = c.pos+f.bytes(), 0
	}
	return piece, nil
}

// skip moves c, which stands at the begin, to byte number to of the stream.
func (s *Store) skip(c *Cursor, to int64) error {
	src := source{s: s}
	defer src.close()
	for range s.entries {
		i, ok := s.owned(c.Next, c.Ticket)
		size := int64(0)
		if ok {
			size = s.room(i)
		}
		switch {
		case c.Read >= to:
			return nil
		case size <= 0:
			return errBroken
		case s.framed(i):
			if err := src.skipFrames(c, i, size, to); err != nil || c.Read >= to {
				return err
			}
		case size >= to-c.Read:
			c.pos, c.Read = to-c.Read, to
			return nil
		default:
			c.Read += size
		}
		c.Next, c.pos = s.entries[i].next.Load(), 0
	}
	return errBroken
}

// skipFrames moves c towards byte number to, from the begin of entry i on and not
// beyond its end. It reads no more than the headers.
func (r *source) skipFrames(c *Cursor, i int, size, to int64) error {
	for off := r.s.entries[i].off.Load(); c.Read < to && !r.s.full(i, c.pos, size); {
		f, err := r.unpacker().head(r.s.file, off+c.pos)
		if err != nil {
			return err
		}
		if f.raw > to-c.Read {
			c.in, c.Read = to-c.Read, to
			return nil
		}
		c.pos, c.Read = c.pos+f.bytes(), c.Read+f.raw
	}
	return nil
}
