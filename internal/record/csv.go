package record

import "bytes"

// csvEdges cuts after a newline that has an even number of double quotes before
// it: RFC 4180 doubles a quote within quotes, so the count tells all.
type csvEdges struct {
	lines int64 // records that stay together (-L)
	seen  int   // how far quotes are counted
	odd   bool  // a quote is open there
	count int64 // records that end before seen
	edge  int   // where the last of them ended that a cut may follow
}

func (e *csvEdges) tail() bool { return true }

func (e *csvEdges) last(window []byte) int {
	if e.lines > 1 {
		for e.next(window) > 0 {
			if e.count%e.lines == 0 {
				e.edge = e.seen
			}
		}
		return e.edge
	}
	// From the end backwards: all quotes are counted, and one record looked at.
	start, odd := e.seen, e.odd
	quotes := bytes.Count(window[start:], quote)
	e.odd = odd != (quotes%2 == 1)
	e.seen = len(window)
	at, behind := len(window), 0
	for {
		i := bytes.LastIndexByte(window[start:at], '\n')
		if i < 0 {
			return 0
		}
		behind += bytes.Count(window[start+i:at], quote)
		at = start + i
		if odd == ((quotes-behind)%2 == 1) {
			e.edge = at + 1
			return e.edge
		}
	}
}

func (e *csvEdges) nth(buf []byte, n int64, _ bool) int {
	for e.count < n {
		if e.next(buf) == 0 {
			return 0
		}
	}
	e.edge = e.seen
	return e.seen
}

// next moves seen behind the next record, or to the end of buf with 0.
func (e *csvEdges) next(buf []byte) int {
	for {
		i := bytes.IndexByte(buf[e.seen:], '\n')
		line := buf[e.seen:]
		if i >= 0 {
			line = line[:i+1]
		}
		if bytes.Count(line, quote)%2 == 1 {
			e.odd = !e.odd
		}
		e.seen += len(line)
		if i < 0 {
			return 0
		}
		if !e.odd {
			e.count++
			return e.seen
		}
	}
}

func (e *csvEdges) cut(n int) {
	// No quote is open at a cut, so odd stays true to what lies behind it.
	if e.seen -= n; e.seen <= 0 {
		e.seen, e.odd = 0, false
	}
	if e.lines > 1 && e.edge == n {
		e.count %= e.lines
	} else {
		e.count = 0
	}
	e.edge = 0
}

var quote = []byte{'"'}

// csvField returns the column'th field of a CSV record, counted from 0, without
// its quotes, and whether there is such a field. buf is scratch memory.
func csvField(record []byte, sep byte, column int, buf []byte) ([]byte, bool) {
	for {
		var field []byte
		field, record = csvNext(record, sep, buf[:0])
		if column == 0 {
			return field, true
		}
		if record == nil {
			return nil, false
		}
		column--
	}
}

// csvNext takes the first field off record; rest is nil if it was the last. A
// quote in the middle of a field toggles as it does at its start.
func csvNext(record []byte, sep byte, buf []byte) (field, rest []byte) {
	quoted := false
	for i := 0; i < len(record); i++ {
		switch b := record[i]; {
		case b == '"' && quoted && i+1 < len(record) && record[i+1] == '"':
			buf = append(buf, '"')
			i++
		case b == '"':
			quoted = !quoted
		case b == sep && !quoted:
			return buf, record[i+1:]
		default:
			buf = append(buf, b)
		}
	}
	return buf, nil
}
