package record

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
)

// Extent is a part of a file.
type Extent struct {
	Offset int64
	Size   int64
}

// windowBytes is what is read of a file at first, to find a record's end.
const windowBytes = 4 << 10

// windowBytesMax is the most that is read at once, but for regular expressions
// and keys, which must see a whole record.
const windowBytesMax = 1 << 20

// Parts cuts a file into extents of whole records (--pipe-part), of Block bytes
// and up to the end of the record there. It starts at from, where the header
// ends, and reads a few KiB about each cut only. After an error it stops.
//
// A group (--group-by) is searched for in steps, so lines with the same value
// must stand together for the parts to be near to Block; that no group is cut
// in two holds always.
func (c *Cutter) Parts(r io.ReaderAt, from, size int64) iter.Seq2[Extent, error] {
	return func(yield func(Extent, error) bool) {
		if err := c.checkParts(); err != nil {
			yield(Extent{}, err)
			return
		}
		block := c.spec.Block
		if block == 0 {
			block = BlockBytesDefault
		}
		w := &window{r: r, size: size}
		start := from
		for size-start > block {
			cut, err := c.findCut(w, start+block)
			if err != nil {
				yield(Extent{}, err)
				return
			}
			if cut == 0 {
				break
			}
			if !yield(Extent{start, cut - start}, nil) {
				return
			}
			start = cut
		}
		if start < size {
			yield(Extent{start, size - start}, nil)
		}
	}
}

// checkParts refuses what needs to know all that stands before a cut.
func (c *Cutter) checkParts() error {
	switch {
	case c.spec.Records > 0 || c.spec.Lines > 0:
		return errors.New("--pipe-part looks at a file near the cuts only and cannot count records or lines; leave out -N, -n and -L, or use --pipe")
	case c.spec.CSV:
		return errors.New("--pipe-part cannot tell in the middle of a file whether a newline stands between quotes; use --pipe for --csv")
	}
	return nil
}

// findCut returns the first good place to cut at or behind pos, 0 if there is none.
func (c *Cutter) findCut(w *window, pos int64) (int64, error) {
	switch {
	case c.group != nil:
		return c.findGroup(w, pos)
	case c.sep.anywhere():
		return pos, nil
	case c.sep.re != nil:
		return c.findRegexp(w, pos)
	}
	both := c.sep.both
	for n := int64(windowBytes); pos < w.size; n = min(4*n, windowBytesMax) {
		n = max(n, int64(2*len(both)))
		buf, err := w.at(pos, n)
		if err != nil {
			return 0, err
		}
		if i := bytes.Index(buf, both); i >= 0 {
			return pos + int64(i+len(c.sep.end)), nil
		}
		if pos+int64(len(buf)) >= w.size {
			break
		}
		pos += int64(len(buf) - len(both) + 1)
	}
	return 0, nil
}

// matchBytes is the window in which GNU parallel looks for a regular expression.
const matchBytes = 128 << 10

// findRegexp takes, as GNU parallel does, the last match of the first windowful
// that has one; a longer record adds as much to the window.
func (c *Cutter) findRegexp(w *window, pos int64) (int64, error) {
	for n := int64(matchBytes); ; n *= 2 {
		buf, err := w.at(pos, n)
		if err != nil {
			return 0, err
		}
		if begin, cut, end := c.sep.next(buf, 0); begin >= 0 {
			e := regexpEdges{sep: c.sep}
			all := min(max(end+matchBytes-1, matchBytes)/matchBytes*matchBytes, len(buf))
			return pos + int64(max(e.last(buf[:all]), cut)), nil
		}
		if pos+int64(len(buf)) >= w.size {
			return 0, nil
		}
	}
}

// groupBytes is how near a change of the key must be before lines are read one
// after the other, and how far the first step goes.
const groupBytes = 64 << 10

// findGroup returns where the key changes first behind the line at pos. Steps
// that double find a line with another key, halves lead back to the change.
func (c *Cutter) findGroup(w *window, pos int64) (int64, error) {
	lo, line, err := w.line(pos)
	if err != nil || line == nil {
		return 0, err
	}
	value := bytes.Clone(c.group.value(line))
	same := func(at int64) (int64, bool, error) {
		start, line, err := w.line(at)
		return start, line != nil && bytes.Equal(c.group.value(line), value), err
	}
	hi := w.size
	for step := int64(groupBytes); lo+step < w.size; step *= 2 {
		at, ok, err := same(lo + step)
		if err != nil {
			return 0, err
		}
		if !ok {
			hi = lo + step
			break
		}
		lo = at
	}
	for hi-lo > groupBytes {
		mid := lo + (hi-lo)/2
		at, ok, err := same(mid)
		switch {
		case err != nil:
			return 0, err
		case ok && at < hi:
			lo = at
		default:
			hi = mid
		}
	}
	w.ahead = groupBytes
	defer func() { w.ahead = 0 }()
	for {
		start, line, err := w.line(lo)
		if err != nil || line == nil {
			return 0, err
		}
		if !bytes.Equal(c.group.value(line), value) {
			return start, nil
		}
		lo = start + int64(len(line))
	}
}

// window reads pieces of a file and keeps the last one.
type window struct {
	r    io.ReaderAt
	size int64 // of the file
	off  int64
	buf  []byte

	ahead int64 // the least to read at once
}

// at returns n bytes at pos, fewer at the file's end. They are valid until the
// next call.
func (w *window) at(pos, n int64) ([]byte, error) {
	n = min(n, w.size-pos)
	if pos >= w.off && pos+n <= w.off+int64(len(w.buf)) {
		return w.buf[pos-w.off:][:n], nil
	}
	all := min(max(n, w.ahead), w.size-pos)
	if int64(cap(w.buf)) < all {
		w.buf = make([]byte, all)
	}
	w.buf = w.buf[:all]
	w.off = pos
	got, err := w.r.ReadAt(w.buf, pos)
	if int64(got) < all {
		w.buf = w.buf[:0]
		if err == nil || errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("the file has become shorter while it was read: %w", io.ErrUnexpectedEOF)
		}
		return nil, err
	}
	return w.buf[:n], nil
}

// line returns the first line that begins at pos or behind it, and where; nil if
// there is none.
func (w *window) line(pos int64) (int64, []byte, error) {
	from := max(pos-1, 0) // a newline right before pos tells that a line begins there
	for n := int64(windowBytes); ; n *= 2 {
		buf, err := w.at(from, n)
		if err != nil {
			return 0, nil, err
		}
		start := 0
		if pos > 0 {
			start = bytes.IndexByte(buf, '\n') + 1
		}
		atEnd := from+int64(len(buf)) >= w.size
		if pos == 0 || start > 0 {
			end := bytes.IndexByte(buf[start:], '\n') + 1
			if end == 0 && atEnd {
				end = len(buf) - start
			}
			if end > 0 {
				return from + int64(start), buf[start : start+end], nil
			}
		}
		if atEnd {
			return w.size, nil, nil
		}
	}
}
