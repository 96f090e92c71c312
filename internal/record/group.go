package record

import (
	"bytes"
	"iter"
)

// groupEdges cuts where the key of a line differs from that of the line before.
// A line must be whole for its key to be known, so a group that fills a block
// but for less than the line that follows makes the block grow.
type groupEdges struct {
	key   *key
	value []byte // the key of the last line that was looked at
	some  bool   // value is set
	seen  int    // the end of that line
	edge  int    // last: the last place where the key changed
	count int64  // nth: how often it did
	csv   csvEdges
}

func (e *groupEdges) tail() bool { return false }

func (e *groupEdges) last(window []byte) int {
	for {
		at, ok := e.next(window)
		if !ok {
			return e.edge
		}
		if at > 0 {
			e.edge = at
		}
	}
}

func (e *groupEdges) nth(buf []byte, n int64, eof bool) int {
	for {
		at, ok := e.next(buf)
		if !ok && eof && e.seen < len(buf) {
			at, ok = e.line(buf[e.seen:]), true // the last line, without a newline
		}
		if !ok {
			return 0
		}
		if at > 0 {
			if e.count++; e.count == n {
				return at
			}
		}
	}
}

// next looks at the next whole line; at is where it begins if its key is
// another than the one before, else 0.
func (e *groupEdges) next(buf []byte) (at int, ok bool) {
	var n int
	if e.key.csv {
		n = e.csv.next(buf)
		n -= min(n, e.seen)
	} else {
		n = bytes.IndexByte(buf[e.seen:], '\n') + 1
	}
	if n <= 0 {
		return 0, false
	}
	return e.line(buf[e.seen : e.seen+n]), true
}

// line looks at the line at seen.
func (e *groupEdges) line(line []byte) (at int) {
	v := e.key.value(line)
	if !e.some || !bytes.Equal(v, e.value) {
		at = e.seen
		e.value = append(e.value[:0], v...)
		e.some = true
	}
	e.seen += len(line)
	return at
}

func (e *groupEdges) cut(n int) {
	e.seen = max(e.seen-n, 0)
	e.csv.cut(n)
	e.edge, e.count = 0, 0
}

// Route says which job slot, from 1, gets which lines of a block (--shard,
// --bin). Neighbouring lines for the same slot come together. The block must
// be of whole records, as Cut makes them, and a header must have been seen if
// the column goes by name.
func (c *Cutter) Route(block []byte) iter.Seq2[int, []byte] {
	return func(yield func(int, []byte) bool) {
		start, slot, end := 0, 0, 0
		for end < len(block) {
			n := c.lineLen(block[end:])
			s := c.slot(block[end : end+n])
			if s != slot && slot != 0 {
				if !yield(slot, block[start:end]) {
					return
				}
				start = end
			}
			slot = s
			end += n
		}
		if start < end {
			yield(slot, block[start:end])
		}
	}
}

// lineLen is the length of the first line, or CSV record, of b.
func (c *Cutter) lineLen(b []byte) int {
	n := 0
	if c.spec.CSV {
		var e csvEdges
		n = e.next(b)
	} else {
		n = bytes.IndexByte(b, '\n') + 1
	}
	if n == 0 {
		return len(b)
	}
	return n
}

func (c *Cutter) slot(line []byte) int {
	if c.route == nil {
		return 1
	}
	v := c.route.value(line)
	if c.spec.Bin != "" {
		return binSlot(v, c.spec.Slots)
	}
	return hashSlot(v, c.spec.Slots)
}
