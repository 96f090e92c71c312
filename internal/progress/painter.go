package progress

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// Painter keeps a block of lines at the bottom of a terminal, and takes it away
// where something else is to be written. Its zero value with a W is ready. It is
// not safe for several goroutines.
//
// The block begins at the begin of a line and the cursor rests at its end. Who
// writes anything else to the same terminal calls Clear before and Wrote after.
// If what was written does not end with a newline, its line is not overwritten:
// where the column is known the block stands below, and Clear goes back to that
// column; where it is not, nothing is drawn until the line ends.
type Painter struct {
	W io.Writer // the terminal

	shown  []string // what stands on the screen; none: nothing does
	width  int      // of the terminal when that was drawn
	below  bool     // the block stands below an unfinished line
	column int      // of that line's end; 0: at the begin of a line
	lost   bool     // the column is not known
}

// The escapes that Painter uses. Lines do not wrap while it draws: should a
// terminal show a letter wider than was counted, the block keeps its height.
const (
	noWrap    = "\x1b[?7l"
	wrap      = "\x1b[?7h"
	emptyLine = "\r\x1b[2K"
	emptyRest = "\x1b[J" // from the cursor to the end of the screen
	lineUp    = "\x1b[A"
	lineDown  = "\x1b[B"
)

// Draw makes the block consist of lines, none of which may be wider than the
// terminal. Only what changed is written, in one write. After a change of the
// terminal's width the old block may leave lines behind, since terminals differ in
// how they fold what they show: never is anything erased that is not the block's.
func (p *Painter) Draw(lines []string, width int) error {
	if len(p.shown) == 0 && (p.lost || p.column >= width) {
		return nil
	}
	var b strings.Builder
	if len(lines) == 0 || width != p.width && len(p.shown) > 0 {
		p.erase(&b)
	}
	p.width = width
	if len(lines) > 0 {
		p.change(&b, lines)
	}
	return p.write(b.String())
}

// change writes what makes the shown lines into others.
func (p *Painter) change(b *strings.Builder, lines []string) {
	if slices.Equal(p.shown, lines) {
		return
	}
	b.WriteString(noWrap)
	if len(p.shown) == 0 && p.column > 0 {
		b.WriteString("\r\n")
		p.below = true
	}
	up(b, len(p.shown)-1)
	atEnd := false // the cursor is at the end of the line
	for i, line := range lines {
		if i > 0 && i < len(p.shown) {
			b.WriteString(lineDown)
		} else if i > 0 {
			b.WriteString("\r\n") // makes room at the bottom of the screen
		}
		if atEnd = i >= len(p.shown) || p.shown[i] != line; atEnd {
			b.WriteString(emptyLine + line)
		}
	}
	if len(lines) < len(p.shown) {
		b.WriteString(lineDown + "\r" + emptyRest + lineUp)
		atEnd = false
	}
	if n := cells(lines[len(lines)-1]); !atEnd {
		b.WriteString("\r")
		if n > 0 {
			fmt.Fprintf(b, "\x1b[%dC", n)
		}
	}
	b.WriteString(wrap)
	p.shown = append(p.shown[:0], lines...)
}

// Clear takes the block away and puts the cursor where it was before.
func (p *Painter) Clear() error {
	var b strings.Builder
	p.erase(&b)
	return p.write(b.String())
}

func (p *Painter) erase(b *strings.Builder) {
	if len(p.shown) == 0 {
		return
	}
	up(b, len(p.shown)-1)
	b.WriteString("\r" + emptyRest)
	if p.below {
		fmt.Fprintf(b, "%s\x1b[%dC", lineUp, p.column)
	}
	p.shown, p.below = p.shown[:0], false
}

// Wrote tells of what somebody else wrote to the terminal, where the block had been
// cleared.
func (p *Painter) Wrote(text []byte) {
	p.shown, p.below = p.shown[:0], false // written over, had it not been cleared
	for i := len(text) - 1; i >= 0; i-- {
		if text[i] == '\n' {
			p.column, p.lost = 0, false
			text = text[i+1:]
			break
		}
	}
	for _, c := range text {
		switch {
		case c >= 0x20 && c < 0x7f:
			p.column++
		case c == '\t':
			p.column = (p.column/8 + 1) * 8
		default: // escapes, letters whose width is a matter of opinion
			p.lost = true
			return
		}
	}
}

// Echoed tells that the terminal itself has shown a key that was pressed, such as ^C,
// at the cursor. It is taken away with the block, or from a line that is empty but
// for it.
func (p *Painter) Echoed() error {
	if len(p.shown) == 0 && p.column == 0 && !p.lost {
		return p.write("\r" + emptyRest)
	}
	return p.Clear()
}

func (p *Painter) write(text string) error {
	if text == "" {
		return nil
	}
	_, err := io.WriteString(p.W, text)
	return err
}

func up(b *strings.Builder, lines int) {
	if lines > 0 {
		fmt.Fprintf(b, "\x1b[%dA", lines)
	}
}
