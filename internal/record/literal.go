package record

import "bytes"

// anywhere cuts between any two bytes (--recend ""): each byte is a record.
type anywhere struct{}

func (anywhere) last(window []byte) int { return len(window) }

func (anywhere) nth(buf []byte, n int64, _ bool) int {
	if int64(len(buf)) < n {
		return 0
	}
	return int(n)
}

func (anywhere) cut(int)    {}
func (anywhere) tail() bool { return false }

// literalEdges cuts between End and Start where both are plain bytes.
type literalEdges struct {
	sep   separator
	clear int // last: no cut in what was looked at, so far
	from  int // nth: where to look on
	count int64
}

func (e *literalEdges) tail() bool { return false }

// last searches backwards: in a block of lines it looks at one line.
func (e *literalEdges) last(window []byte) int {
	both, end := e.sep.both, len(e.sep.end)
	// A separator may begin in what was looked at and end behind it.
	base := max(e.clear-len(both)+1, 0)
	at := -1
	if len(both) == 1 {
		at = bytes.LastIndexByte(window[base:], both[0])
	} else {
		at = bytes.LastIndex(window[base:], both)
	}
	if at < 0 || base+at+end == 0 { // the first record's own start is no end
		e.clear = len(window)
		return 0
	}
	e.clear = len(window) // nothing ends behind the cut: cut takes off the rest
	return base + at + end
}

// nth counts separators that do not overlap, as they would be split. GNU
// parallel begins one byte late, so that an empty record at the start of a
// block is not counted and the block has one more than -N says.
func (e *literalEdges) nth(buf []byte, n int64, _ bool) int {
	if len(e.sep.both) == 1 && len(e.sep.end) == 1 {
		return e.nthByte(buf, n)
	}
	both, end := e.sep.both, len(e.sep.end)
	for {
		at := bytes.Index(buf[e.from:], both)
		if at < 0 {
			e.from = max(e.from, len(buf)-len(both)+1)
			return 0
		}
		edge := e.from + at + end
		e.from += at + len(both)
		if edge == 0 {
			continue
		}
		if e.count++; e.count == n {
			return edge
		}
	}
}

// countBytes is how much is counted at once: enough to pay the call, and little
// enough that looking for the nth within it costs nothing.
const countBytes = 1024

// nthByte counts in pieces, which is several times faster than going from one
// newline to the next.
func (e *literalEdges) nthByte(buf []byte, n int64) int {
	b := e.sep.end
	for e.from < len(buf) {
		piece := buf[e.from:min(e.from+countBytes, len(buf))]
		if k := int64(bytes.Count(piece, b)); e.count+k < n {
			e.count += k
			e.from += len(piece)
			continue
		}
		for ; e.count < n; e.count++ {
			e.from += bytes.IndexByte(buf[e.from:], b[0]) + 1
		}
		return e.from
	}
	return 0
}

func (e *literalEdges) cut(n int) {
	e.clear = max(e.clear-n, 0)
	e.from = max(e.from-n, 0)
	e.count = 0
}

// lineEdges cuts after a multiple of so many newlines (-L).
type lineEdges struct {
	lines int
	seen  int // how far newlines are counted
	count int
	cutAt int // newlines before the last cut found
}

func (e *lineEdges) tail() bool { return true }

func (e *lineEdges) last(window []byte) int {
	e.count += bytes.Count(window[e.seen:], newline)
	e.seen = len(window)
	if e.count < e.lines {
		return 0
	}
	at := len(window)
	over := e.count % e.lines
	for range over + 1 {
		at = bytes.LastIndexByte(window[:at], '\n')
	}
	e.cutAt = e.count - over
	return at + 1
}

// nth is not used: -L with -N counts ends of records, and so does literalEdges.
func (e *lineEdges) nth([]byte, int64, bool) int { return 0 }

func (e *lineEdges) cut(n int) {
	e.seen = max(e.seen-n, 0)
	e.count = max(e.count-e.cutAt, 0)
	e.cutAt = 0
	if e.seen == 0 {
		e.count = 0
	}
}

var newline = []byte{'\n'}
