package record

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
)

// separator is what stands between two records: what one ends with, followed by
// what the next begins with. The cut is between the two.
type separator struct {
	end, start, both []byte // if no regular expressions

	re     *regexp.Regexp // end as group 1, then start
	behind *regexp.Regexp // the same behind any one character, see next; nil: not needed
	first  *regexp.Regexp // start, at the beginning of a block
	final  *regexp.Regexp // end as group 1, at the end of a block
	begins bool           // start is not empty
	ends   bool           // end is not empty
}

// anywhere says that nothing separates records, so that any place will do.
func (s *separator) anywhere() bool { return s.re == nil && len(s.both) == 0 }

func newSeparator(spec Spec) (separator, error) {
	start, end := "", ""
	switch {
	case spec.Start == nil && spec.End == nil:
		end = "\n"
	default:
		if spec.Start != nil {
			start = *spec.Start
		}
		if spec.End != nil {
			end = *spec.End
		}
	}
	if !spec.Regexp || start == "" && end == "" {
		start, end = literal.Replace(start), literal.Replace(end)
		return separator{end: []byte(end), start: []byte(start), both: []byte(end + start)}, nil
	}
	if _, err := compile("--recstart", start); err != nil {
		return separator{}, err
	}
	if _, err := compile("--recend", end); err != nil {
		return separator{}, err
	}
	plainEnd, ok1 := plain(end)
	plainStart, ok2 := plain(start)
	if ok1 && ok2 && (start == "" || spec.Records == 0) {
		return separator{end: []byte(plainEnd), start: []byte(plainStart), both: []byte(plainEnd + plainStart)}, nil
	}
	s := separator{begins: start != "", ends: end != ""}
	text := "(" + end + ")(?:" + start + ")"
	var err error
	if s.re, err = compile("--recend and --recstart", text); err != nil {
		return separator{}, err
	}
	if looksBack(text) {
		if s.behind, err = compile("--recend and --recstart", "(?s:.)"+text); err != nil {
			return separator{}, err
		}
	}
	if s.first, err = regexp.Compile(`\A(?:` + start + ")"); err != nil {
		return separator{}, fmt.Errorf("--recstart %q: too complicated for a regular expression; give a simpler one", start)
	}
	if s.final, err = regexp.Compile("(" + end + `)\n?\z`); err != nil {
		return separator{}, fmt.Errorf("--recend %q: too complicated for a regular expression; give a simpler one", end)
	}
	return s, nil
}

// plain returns the bytes that text stands for if it is a regular expression
// that matches one string only, for which there are faster ways to search.
func plain(text string) (string, bool) {
	re, err := regexp.Compile(text)
	if err != nil {
		return "", false
	}
	return re.LiteralPrefix()
}

// compile is regexp.Compile with ^ and $ at every line, as the separators of
// GNU parallel have it, and with an error that says what to use instead.
func compile(option, text string) (*regexp.Regexp, error) {
	// On its own first: within the brackets a stray one would find its match.
	_, err := syntax.Parse(text, syntax.Perl)
	if err == nil {
		var re *regexp.Regexp
		if re, err = regexp.Compile("(?m:" + text + ")"); err == nil {
			return re, nil
		}
	}
	why := err.Error()
	instead := "write it with what https://golang.org/s/re2syntax lists"
	var se *syntax.Error
	if errors.As(err, &se) {
		why = fmt.Sprintf("%s: %q", se.Code, se.Expr)
		switch {
		case look(se) && strings.HasPrefix(option, "--rec"):
			instead = "look-ahead and look-behind are Perl's alone; give what goes before the cut as --recend and what comes after it as --recstart"
		case look(se):
			instead = "look-ahead and look-behind are Perl's alone; write out all that is to match"
		case se.Code == syntax.ErrInvalidEscape:
			instead = "back references and this escape are Perl's alone; spell out what it stands for"
		}
	}
	return nil, fmt.Errorf("%s %q: %s; %s", option, text, why, instead)
}

// look says whether e is about Perl's (?= (?! (?<= (?<! or another (? of its own.
func look(e *syntax.Error) bool {
	return e.Code == syntax.ErrInvalidPerlOp || strings.HasPrefix(e.Expr, "(?<")
}

// looksBack says whether text contains what looks at the character before it.
func looksBack(text string) bool {
	re, err := syntax.Parse(text, syntax.Perl)
	return err != nil || hasLookBack(re)
}

func hasLookBack(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpBeginLine, syntax.OpBeginText, syntax.OpWordBoundary, syntax.OpNoWordBoundary:
		return true
	}
	for _, sub := range re.Sub {
		if hasLookBack(sub) {
			return true
		}
	}
	return false
}

// next returns where the first separator at or behind from begins, where the
// cut in it is, and where it ends; -1 if there is none. It sees what stands
// before from, as ^ and \b need.
func (s *separator) next(buf []byte, from int) (begin, cut, end int) {
	re, base := s.re, from
	if from > 0 && s.behind != nil {
		re, base = s.behind, from-1
		for base > 0 && from-base < 4 && buf[base]&0xc0 == 0x80 {
			base-- // to the start of the character, if it is one
		}
	}
	for {
		m := re.FindSubmatchIndex(buf[base:])
		switch {
		case m == nil:
			return -1, -1, -1
		case base+m[2] >= from:
			return base + m[2], base + m[3], base + m[1]
		}
		base++ // what looked like the start of a character was none
	}
}

// regexpEdges cuts between End and Start where they are regular expressions.
type regexpEdges struct {
	sep   separator
	from  int // nth: where to look on
	tried int // nth: how long the bytes were when there was no more to find
	edge  int // the last place found
	count int64
	begun bool // nth: the start of the stream has been looked at
}

func (e *regexpEdges) tail() bool { return false }

// tailBytes is where the search from the end begins; it doubles.
const tailBytes = 4096

// last finds the separator that begins last. A regular expression can only be
// searched forwards, so it takes the end of the window, then twice as much and
// so on: at most twice the window in all.
func (e *regexpEdges) last(window []byte) int {
	limit := len(window) + 1 // separators that begin at limit or behind it are known not to be there
	for size := tailBytes; ; size *= 2 {
		from := max(len(window)-size, 0)
		edge := 0
		for at := from; ; {
			begin, cut, _ := e.sep.next(window, at)
			if begin < 0 || begin >= limit {
				break
			}
			if cut > 0 {
				edge = cut
			}
			if at = begin + 1; at > len(window) {
				break
			}
		}
		if edge > 0 || from == 0 {
			return edge
		}
		limit = from
	}
}

// nth counts as GNU parallel does: what stands before the first Start is a
// block of its own, and a separator's Start belongs to the next record and is
// not looked at again for an End.
func (e *regexpEdges) nth(buf []byte, n int64, eof bool) int {
	if len(buf) == 0 || !eof && e.tried > 0 && !worthwhile(len(buf)-e.from, e.tried-e.from) {
		return 0
	}
	want := n
	if !e.begun && e.sep.begins && !e.sep.first.Match(buf) {
		want = 1
	}
	for e.count < want {
		begin, cut, end := e.sep.next(buf, e.from)
		if begin < 0 || end == len(buf) && !eof { // more bytes might make it longer
			e.tried = len(buf)
			return 0
		}
		if end > e.from {
			e.from = end
		} else if e.from++; e.from > len(buf) {
			return 0
		}
		if cut > e.edge && cut < len(buf) {
			e.edge = cut
			e.count++
		}
	}
	e.begun = true
	return e.edge
}

// worthwhile says whether so many more bytes have come that a search that found
// nothing may be repeated: always while it costs little, and otherwise so that
// all repetitions together cost a constant factor.
func worthwhile(now, tried int) bool { return now <= tailBytes || now >= tried+tried/8 }

func (e *regexpEdges) cut(n int) {
	e.from = max(e.from-n, 0)
	e.tried, e.edge, e.count = 0, 0, 0
	e.begun = true
}
