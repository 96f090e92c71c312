package progress

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

// terminal is as much of a terminal as Painter needs. It fails the test on any
// escape that it does not know, and keeps what scrolled away.
type terminal struct {
	t             testing.TB
	width, height int
	rows          [][]rune // the screen, all of it; 0: the right half of a wide rune
	gone          []string // scrolled away
	row, column   int
	noWrap        bool
	bytes         int // written
}

func newTerminal(t testing.TB, width, height int) *terminal {
	m := &terminal{t: t, width: width, height: height}
	for range height {
		m.rows = append(m.rows, m.blank())
	}
	return m
}

func (m *terminal) blank() []rune { return []rune(strings.Repeat(" ", m.width)) }

func (m *terminal) Write(b []byte) (int, error) {
	m.bytes += len(b)
	for text := string(b); len(text) > 0; {
		r, n := utf8.DecodeRuneInString(text)
		switch {
		case r == 0x1b:
			n = m.escape(text)
		case r == '\r':
			m.column = 0
		case r == '\t':
			m.column = min((m.column/8+1)*8, m.width-1)
		case r == '\n': // as the line discipline passes it on
			m.column = 0
			m.down()
		case r < 0x20 || r == 0x7f:
			m.t.Fatalf("control character %q", r)
		default:
			m.put(r)
		}
		text = text[n:]
	}
	return len(b), nil
}

func (m *terminal) down() {
	if m.row++; m.row == m.height {
		m.row--
		m.gone = append(m.gone, strings.TrimRight(string(m.rows[0]), " "))
		m.rows = append(m.rows[1:], m.blank())
	}
}

func (m *terminal) put(r rune) {
	c := runeCells(r)
	if c == 0 {
		return
	}
	if m.column+c > m.width {
		if m.noWrap {
			return
		}
		m.column = 0
		m.down()
	}
	m.rows[m.row][m.column] = r
	if c == 2 {
		m.rows[m.row][m.column+1] = 0
	}
	m.column += c
}

func (m *terminal) escape(text string) int {
	var n int
	var final byte
	if _, err := fmt.Sscanf(text, "\x1b[%d%c", &n, &final); err != nil {
		n, final = 1, text[2]
	}
	size := escapeLen(text)
	switch seq := text[1:size]; {
	case seq == "[?7l" || seq == "[?7h":
		m.noWrap = seq == "[?7l"
	case seq == "[2K":
		m.rows[m.row] = m.blank()
	case seq == "[J":
		copy(m.rows[m.row][m.column:], m.blank())
		for i := m.row + 1; i < m.height; i++ {
			m.rows[i] = m.blank()
		}
	case final == 'A':
		m.row = max(m.row-n, 0)
	case final == 'B':
		m.row = min(m.row+n, m.height-1)
	case final == 'C':
		m.column = min(m.column+n, m.width-1)
	case strings.HasSuffix(seq, "m"):
	default:
		m.t.Fatalf("unknown escape %q", seq)
	}
	return size
}

// screen is what stands on the terminal; a | stands where the cursor is.
func (m *terminal) screen() string {
	var b strings.Builder
	for i, row := range m.rows {
		line := strings.TrimRight(string(row), " ")
		if i == m.row {
			line = string(row[:m.column]) + "|" + strings.TrimRight(string(row[m.column:]), " ")
		}
		b.WriteString(strings.ReplaceAll(line, "\x00", "") + "\n")
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}
