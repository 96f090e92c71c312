package record

import (
	"bytes"
	"fmt"
	"io"
	"regexp"
	"strconv"
)

// header is what --header describes: so many lines, or what a regular
// expression matches at the start.
type header struct {
	lines int
	re    *regexp.Regexp
	names bool // a key's column goes by its name in the header
	lost  bool // the header is for us alone

	csv   csvEdges
	seen  int
	count int
	tried int
}

func newHeader(spec Spec) (header, error) {
	switch {
	case spec.Header == "":
		return header{}, nil
	case spec.Header == ":":
		return header{lines: 1}, nil
	case isNumber(spec.Header):
		n, err := strconv.ParseInt(spec.Header, 10, 32)
		if err != nil {
			return header{}, fmt.Errorf("--header %s: so many lines are no header; give a smaller number", spec.Header)
		}
		return header{lines: int(n)}, nil
	}
	if _, err := compile("--header", spec.Header); err != nil {
		return header{}, err
	}
	re, err := regexp.Compile(`\A(?:` + spec.Header + ")")
	if err != nil {
		return header{}, fmt.Errorf("--header %q: too complicated for a regular expression; give a simpler one", spec.Header)
	}
	return header{re: re}, nil
}

func isNumber(s string) bool {
	for _, r := range s {
		if r < '0' || r > '9' {
			return false
		}
	}
	return s != ""
}

// nameHeader makes the first line a header where a key names a column and no
// header is asked for. With --group-by every block gets it, with --shard and
// --bin none does; both as in GNU parallel.
func (c *Cutter) nameHeader() {
	c.header.names = c.group != nil && c.group.name != "" || c.route != nil && c.route.name != ""
	if c.header.names && c.spec.Header == "" {
		c.header.lines = 1
		c.header.lost = c.route != nil
	}
}

// RepeatsHeader says whether the header that Header finds is to be put before
// every block.
func (c *Cutter) RepeatsHeader() bool { return !c.header.lost }

// Header returns the length of the header at the start of the stream, 0 if there
// is none; ok is false while it needs more bytes. The caller takes it off and
// begins to Cut behind it. An input that ends before its header ends has none:
// all of it is data. err names a column that the header does not have.
func (c *Cutter) Header(buf []byte, eof bool) (n int, ok bool, err error) {
	h := &c.header
	switch {
	case h.re != nil:
		n, ok = h.match(buf, eof, c.block)
	case h.lines > 0:
		n, ok = h.countLines(buf, c.spec.CSV)
		if !ok && eof && h.names && c.spec.Header == "" {
			n = len(buf)
		}
		ok = ok || eof
	default:
		ok = true
	}
	if !ok || !h.names || len(buf) == 0 {
		return n, ok, nil
	}
	if n == 0 {
		return 0, true, errNoHeader
	}
	for _, k := range []*key{c.group, c.route} {
		if k != nil {
			if err := k.resolve(buf[:n]); err != nil {
				return 0, true, err
			}
		}
	}
	return n, true, nil
}

// match looks once a block's worth of bytes is there, and again when there is
// twice as much.
func (h *header) match(buf []byte, eof bool, block int64) (int, bool) {
	if !eof && (int64(len(buf)) < block || len(buf) < 2*h.tried) {
		return 0, false
	}
	h.tried = len(buf)
	m := h.re.FindIndex(buf)
	if m == nil {
		return 0, eof
	}
	return m[1], true
}

func (h *header) countLines(buf []byte, csv bool) (int, bool) {
	for h.count < h.lines {
		n := 0
		if csv {
			n = h.csv.next(buf)
		} else if i := bytes.IndexByte(buf[h.seen:], '\n'); i >= 0 {
			n = h.seen + i + 1
		}
		if n == 0 {
			if !csv {
				h.seen = len(buf)
			}
			return 0, false
		}
		h.seen = n
		h.count++
	}
	return h.seen, true
}

// HeaderAt reads the header of a file of so many bytes.
func (c *Cutter) HeaderAt(r io.ReaderAt, size int64) ([]byte, error) {
	w := window{r: r, size: size}
	for n := int64(windowBytes); ; n *= 2 {
		buf, err := w.at(0, min(n, size))
		if err != nil {
			return nil, err
		}
		end, ok, err := c.Header(buf, n >= size)
		if ok || err != nil {
			return bytes.Clone(buf[:end]), err
		}
	}
}
