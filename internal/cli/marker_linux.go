package cli

import (
	"bytes"

	"github.com/tutti-run/tutti/internal/command"
	"github.com/tutti-run/tutti/internal/proc"
	"github.com/tutti-run/tutti/internal/spool"
)

// markerBytes is what a marker reads at once: as much as a pipe holds at first,
// so that it is still in the caches when it is looked at.
const markerBytes = 64 << 10

// marker marks each line of a stream on its way to the spool. It is done here, by
// as many processes as there are workers, and not by the one that prints.
type marker struct {
	to            *spool.Writer
	before, after []byte
	buf           []byte
	mid           bool // within a line
	took          int64
}

// marked is what takes a stream: w itself where lines are not marked.
func marked(w *spool.Writer, m mark, slot int) proc.Sink {
	if m == (mark{}) {
		return w
	}
	return &marker{
		to: w, before: []byte(command.FillSlot(m.Before, slot)), after: []byte(m.After),
		buf: make([]byte, markerBytes),
	}
}

// Room is where the next bytes are to be put.
func (m *marker) Room() []byte { return m.buf }

// Took marks the n bytes that were put in Room.
func (m *marker) Took(n int) {
	m.took += int64(n)
	room := m.to.Room()
	k := 0 // bytes of room that are filled
	put := func(p []byte) {
		for len(p) > len(room)-k {
			c := copy(room[k:], p)
			m.to.Took(k + c)
			p, room, k = p[c:], m.to.Room(), 0
		}
		k += copy(room[k:], p)
	}
	for p := m.buf[:n]; len(p) > 0; {
		if !m.mid {
			put(m.before)
		}
		end := bytes.IndexByte(p, '\n')
		m.mid = end < 0
		if m.mid {
			put(p)
			break
		}
		put(p[:end])
		put(m.after)
		put(p[end : end+1])
		p = p[end+1:]
	}
	if k > 0 {
		m.to.Took(k)
	}
}

// end ends a last line without a newline.
func (m *marker) end() {
	if m.mid && len(m.after) > 0 {
		_, _ = m.to.Write(m.after) // never fails
	}
}
