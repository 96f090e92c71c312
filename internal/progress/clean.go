package progress

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// What commands write, and commands themselves, may hold anything. The filters
// here turn it into text of which each rune fills a known number of cells.
//
// Where terminals disagree about a rune's width the larger is assumed: a row that
// is shorter than was thought does no harm, one that is longer breaks the picture.
// So there are no grapheme clusters here, and no tables of them: a family of emoji
// counts as its members.

// Where a text comes from decides what becomes of what cannot be shown.
type origin int

const (
	fromOutput  origin = iota // escapes and control characters are left out
	fromCommand               // they are shown: ^[ for an escape, ^J for a newline
)

// Clean gives a command, or a name, in one line without anything that a terminal would
// obey.
func Clean(text string) string { return View{}.clean(text, fromCommand) }

// clean gives text in one line without anything that a terminal would obey.
func (v View) clean(text string, from origin) string {
	var b strings.Builder
	b.Grow(min(len(text), 512))
	marks := marksMax // none before the first base
	for len(text) > 0 {
		r, n := utf8.DecodeRuneInString(text)
		if from == fromOutput {
			if e := escapeLen(text); e > 0 {
				text = text[e:]
				continue
			}
			// A progress bar writes itself anew after each carriage return: the
			// last one counts.
			if r == '\r' && strings.Trim(text[1:], "\r\n") != "" {
				b.Reset()
				marks = marksMax
			}
		}
		text = text[n:]
		if cells := runeCells(r); cells == 0 {
			if marks >= marksMax || v.ASCII {
				continue
			}
			marks++
		} else if unicode.IsGraphic(r) && cells > 0 {
			marks = 0
		}
		shown := v.show(r, from)
		if b.Len() == 0 && shown == " " { // it is trimmed, and no mark may stand upon it
			marks = marksMax
			continue
		}
		b.WriteString(shown)
	}
	return strings.TrimSpace(b.String())
}

// marksMax is how many marks may stand upon one letter: more than any language has.
const marksMax = 4

// show gives what stands for a rune.
func (v View) show(r rune, from origin) string {
	switch {
	case from == fromCommand && (r < 0x20 || r == 0x7f):
		return "^" + string(r^0x40)
	case r == '\t', r == '\n', r == '\v', r == '\f', r == '\u0085', unicode.In(r, unicode.Z):
		return " "
	case r < 0x20 || r == 0x7f:
		return ""
	case unicode.Is(unicode.Variation_Selector, r):
		return "" // it would change the width of what stands before it
	case unicode.Is(unicode.C, r) && r != utf8.RuneError:
		// Among them what turns the direction of writing, and private letters, whose
		// width only their font knows.
		if from == fromOutput && unicode.In(r, unicode.Cc, unicode.Cf) {
			return ""
		}
		r = utf8.RuneError
	case !unicode.IsGraphic(r):
		r = utf8.RuneError
	}
	if v.ASCII && r >= utf8.RuneSelf {
		return "?"
	}
	return string(r)
}

// escapeLen is the length of the escape sequence that text begins with; 0 if it
// begins with something else. One that never ends reaches to the end.
func escapeLen(text string) int {
	kind, n := escapeStart(text)
	switch kind {
	case 0:
		return 0
	case '[': // parameters, then intermediate bytes, then one final byte
		for n < len(text) && text[n] >= 0x20 && text[n] <= 0x3f {
			n++
		}
		if n < len(text) && text[n] >= 0x40 && text[n] <= 0x7e {
			n++
		}
		return n
	case ']', 'P', 'X', '^', '_': // a string that ends with BEL or ST
		for n < len(text) {
			switch {
			case text[n] == '\a':
				return n + 1
			case strings.HasPrefix(text[n:], "\x1b\\"), strings.HasPrefix(text[n:], "\u009c"):
				return n + 2
			}
			n++
		}
		return n
	}
	// ESC, intermediate bytes, and one final byte.
	n = 1
	for n < len(text) && text[n] >= 0x20 && text[n] <= 0x2f {
		n++
	}
	if n < len(text) && text[n] >= 0x30 && text[n] <= 0x7e {
		n++
	}
	return n
}

// escapeStart tells the kind of an escape sequence by the letter that follows ESC
// in its 7-bit form, and the length of what opens it. A kind of 0 is none.
func escapeStart(text string) (kind byte, n int) {
	switch {
	case text[0] == 0x1b && len(text) == 1:
		return ' ', 1
	case text[0] == 0x1b:
		return text[1], 2
	case len(text) >= 2 && text[0] == 0xc2: // C1 controls, in UTF-8
		if k := text[1] - 0x40; strings.IndexByte("[]PX^_", k) >= 0 {
			return k, 2
		}
	}
	return 0, 0
}

// wide holds the runes that fill two cells: East Asian Width W and F of Unicode,
// exactly among the symbols that are used with Latin text, and as whole blocks
// elsewhere.
var wide = &unicode.RangeTable{
	R16: []unicode.Range16{
		{0x1100, 0x115f, 1}, {0x231a, 0x231b, 1}, {0x2329, 0x232a, 1}, {0x23e9, 0x23f3, 1},
		{0x25fd, 0x25fe, 1}, {0x2614, 0x2615, 1}, {0x2648, 0x2653, 1}, {0x267f, 0x267f, 1},
		{0x2693, 0x2693, 1}, {0x26a1, 0x26a1, 1}, {0x26aa, 0x26ab, 1}, {0x26bd, 0x26be, 1},
		{0x26c4, 0x26c5, 1}, {0x26ce, 0x26ce, 1}, {0x26d4, 0x26d4, 1}, {0x26ea, 0x26ea, 1},
		{0x26f2, 0x26fd, 1}, {0x2705, 0x2705, 1}, {0x270a, 0x270b, 1}, {0x2728, 0x2728, 1},
		{0x274c, 0x274c, 1}, {0x274e, 0x274e, 1}, {0x2753, 0x2757, 1}, {0x2795, 0x2797, 1},
		{0x27b0, 0x27b0, 1}, {0x27bf, 0x27bf, 1}, {0x2b1b, 0x2b1c, 1}, {0x2b50, 0x2b50, 1},
		{0x2b55, 0x2b55, 1}, {0x2e80, 0xa4cf, 1}, {0xa960, 0xa97f, 1}, {0xac00, 0xd7ff, 1},
		{0xf900, 0xfaff, 1}, {0xfe10, 0xfe19, 1}, {0xfe30, 0xfe6f, 1}, {0xff00, 0xff60, 1},
		{0xffe0, 0xffe6, 1},
	},
	R32: []unicode.Range32{{0x16fe0, 0x1b2ff, 1}, {0x1d300, 0x1d37f, 1}, {0x1f000, 0x1faff, 1}, {0x20000, 0x3ffff, 1}},
}

// runeCells is how many cells of a terminal a rune fills; 0 for a mark that stands
// upon the one before. It is for what show lets through.
func runeCells(r rune) int {
	switch {
	case r < 0x300:
		return 1
	case unicode.In(r, unicode.Mn, unicode.Me):
		return 0
	case unicode.Is(wide, r):
		return 2
	}
	return 1
}

// cells is how many cells a text fills, colours aside.
func cells(text string) int {
	n := 0
	for len(text) > 0 {
		if e := escapeLen(text); e > 0 {
			text = text[e:]
			continue
		}
		r, size := utf8.DecodeRuneInString(text)
		n += runeCells(r)
		text = text[size:]
	}
	return n
}

// front is the longest begin of text that fits into width cells.
func front(text string, width int) string {
	used := 0
	for i, r := range text {
		if used += runeCells(r); used > width {
			return text[:i]
		}
	}
	return text
}

// back is the longest end of text that fits into width cells.
func back(text string, width int) string {
	used, begin := 0, len(text)
	for i := len(text); i > 0; {
		r, n := utf8.DecodeLastRuneInString(text[:i])
		i -= n
		c := runeCells(r)
		if used += c; used > width {
			break
		}
		if c > 0 { // a mark alone is nothing to begin with
			begin = i
		}
	}
	return text[begin:]
}

// cut shortens a clean text to width cells.
func (v View) cut(text string, width int) string {
	if cells(text) <= width {
		return text
	}
	mark := front(v.mark(), width)
	return front(text, width-cells(mark)) + mark
}

// cutMiddle shortens a clean text to width cells and keeps both ends: of commands
// it is the begin that says what they do, and the end that says with what.
func (v View) cutMiddle(text string, width int) string {
	if cells(text) <= width {
		return text
	}
	mark := front(v.mark(), width)
	room := width - cells(mark)
	return front(text, room/3) + mark + back(text, room-room/3)
}

// heldMax is how many bytes of a text are looked at for each cell that it may fill:
// a command may be megabytes long, and is drawn several times a second.
const heldMax = 16

// command gives a command in at most width cells; width below 0 is any.
func (v View) command(text string, width int) string {
	if width < 0 {
		return v.clean(text, fromCommand)
	}
	if held := heldMax * (width + 1); len(text) > 2*held {
		text = text[:held] + text[len(text)-held:]
	}
	return v.cutMiddle(v.clean(text, fromCommand), width)
}

// output gives a line of output in at most width cells.
func (v View) output(text string, width int) string {
	if held := 64 * heldMax * (width + 1); len(text) > held {
		text = text[len(text)-held:] // the end, since there the last state stands
	}
	return v.cut(v.clean(text, fromOutput), width)
}
