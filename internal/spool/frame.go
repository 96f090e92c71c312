package spool

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
)

// A frame is what was taken at once, as it lies in a region of a store that
// compresses:
//
//	offset  size    field
//	     0  4       raw: bytes of the stream, 1 to scratchBytes; little endian
//	     4  4       stored: bytes that follow, 1 to raw
//	     8  stored  a whole deflate stream; the bytes as they are where stored is raw
//
// A frame begins at a place of a region if and only if the largest one would fit
// there. So writer and readers agree where a region ends without a mark for it,
// and the rest was never written to: it takes no room.
const (
	frameHead = 8
	frameMax  = frameHead + scratchBytes
)

// headAhead is what is read with a header: the next ones, where frames are small.
const headAhead = 4 << 10

var errFrame = errors.New("a command's compressed output was damaged in the temporary file")

// errNotSmaller ends the compression of what does not become smaller by it.
var errNotSmaller = errors.New("it does not become smaller")

// packer makes frames.
type packer struct {
	deflate *flate.Writer
	frame   []byte
	limit   int // the frame must be shorter
}

// packers and unpackers outlive the command: each has some hundred KiB of tables.
var packers = sync.Pool{New: func() any {
	p := &packer{frame: make([]byte, 0, frameMax)}
	p.deflate, _ = flate.NewWriter(p, flate.BestSpeed) // fails for unknown levels only
	return p
}}

// Write takes what comes out of the compression.
func (p *packer) Write(b []byte) (int, error) {
	if len(p.frame)+len(b) >= p.limit {
		return 0, errNotSmaller
	}
	p.frame = append(p.frame, b...)
	return len(b), nil
}

// pack makes a frame of raw, valid until the next call.
func (p *packer) pack(raw []byte) []byte {
	p.frame = p.frame[:frameHead]
	p.limit = frameHead + len(raw)
	p.deflate.Reset(p)
	_, err := p.deflate.Write(raw)
	if err == nil {
		err = p.deflate.Close()
	}
	if err != nil {
		p.frame = append(p.frame[:frameHead], raw...)
	}
	binary.LittleEndian.PutUint32(p.frame, uint32(len(raw)))
	binary.LittleEndian.PutUint32(p.frame[4:], uint32(len(p.frame)-frameHead))
	return p.frame
}

// frame is one that a header tells of.
type frame struct {
	raw, stored int64
}

// bytes is how many there are of the frame in the region.
func (f frame) bytes() int64 { return frameHead + f.stored }

// parseHead reads a header, which may be anything.
func parseHead(head []byte) (frame, error) {
	f := frame{int64(binary.LittleEndian.Uint32(head)), int64(binary.LittleEndian.Uint32(head[4:]))}
	if f.raw < 1 || f.raw > scratchBytes || f.stored < 1 || f.stored > f.raw {
		return frame{}, errFrame
	}
	return f, nil
}

// unpacker reads frames.
type unpacker struct {
	inflate io.Reader // a flate.Resetter too
	from    bytes.Reader
	raw     []byte
	beyond  [1]byte

	// window is what was read of the file last, at place. It serves for one call
	// only: later, more of it may have been written.
	window []byte
	place  int64
}

var unpackers = sync.Pool{New: func() any {
	u := &unpacker{raw: make([]byte, scratchBytes), window: make([]byte, 0, frameMax)}
	u.inflate = flate.NewReader(&u.from)
	return u
}}

// inFile gives n bytes of the file at off, and reads up to ahead where it does not
// have them.
func (u *unpacker) inFile(file io.ReaderAt, off int64, n, ahead int) ([]byte, error) {
	at := off - u.place
	if at < 0 || at > int64(len(u.window)-n) {
		k, err := file.ReadAt(u.window[:ahead], off)
		u.window, u.place, at = u.window[:k], off, 0
		if k < n {
			return nil, fmt.Errorf("read back output: %w", err)
		}
	}
	return u.window[at : at+int64(n)], nil
}

// head is the header of the frame at off.
func (u *unpacker) head(file io.ReaderAt, off int64) (frame, error) {
	head, err := u.inFile(file, off, frameHead, headAhead)
	if err != nil {
		return frame{}, err
	}
	return parseHead(head)
}

// unpack gives the bytes of the stream that are in frame f at off, valid until the
// next call.
func (u *unpacker) unpack(file io.ReaderAt, off int64, f frame) ([]byte, error) {
	whole, err := u.inFile(file, off, int(f.bytes()), frameMax)
	if err != nil {
		return nil, err
	}
	stored := whole[frameHead:]
	if f.stored == f.raw {
		return stored, nil
	}
	u.from.Reset(stored)
	if err := u.inflate.(flate.Resetter).Reset(&u.from, nil); err != nil {
		return nil, err
	}
	raw := u.raw[:f.raw]
	if _, err := io.ReadFull(u.inflate, raw); err != nil {
		return nil, fmt.Errorf("%w: %w", errFrame, err)
	}
	// It must end here, as must what is stored.
	if n, err := u.inflate.Read(u.beyond[:]); n != 0 || err != io.EOF || u.from.Len() != 0 {
		return nil, errFrame
	}
	return raw, nil
}
