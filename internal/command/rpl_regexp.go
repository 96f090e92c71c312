package command

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Regular expressions see bytes, as Perl's do where no encoding is declared, so
// that they work alike on names in any encoding and in none. RE2 sees runes:
// each byte above 127 is shown to it as a rune of its own, from wideBase on, that
// no letter's case or class touches.
const wideBase = 0xE000

// widen writes bytes above 127 as runes.
func widen(s string) string {
	if isASCII(s) {
		return s
	}
	var b strings.Builder
	for i := range len(s) {
		if s[i] < 0x80 {
			b.WriteByte(s[i])
		} else {
			b.WriteRune(wideBase + rune(s[i]))
		}
	}
	return b.String()
}

// narrow is widen's inverse.
func narrow(s string) string {
	if isASCII(s) {
		return s
	}
	out := make([]byte, 0, len(s))
	for _, r := range s {
		if r >= wideBase {
			r -= wideBase
		}
		out = append(out, byte(r))
	}
	return string(out)
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// pattern is a regular expression of the language.
type pattern struct {
	re      *regexp.Regexp
	ends    []int // submatches that hold a final newline that $ stepped over
	numbers []int // the submatches that $1, $2, … are
}

// endName begins the names of the submatches in pattern.ends.
const endName = "end__"

// pattern makes RE2 of a Perl expression. Its variables can only be $$1.
func (p *parser) pattern(raw, flags string) *pattern {
	t := translation{p: p, multi: strings.Contains(flags, "m")}
	t.translate(raw, true)
	mode := ""
	for _, f := range "ims" {
		if strings.ContainsRune(flags, f) {
			mode += string(f)
		}
	}
	source := t.out.String()
	if mode != "" {
		source = "(?" + mode + ")" + source
	}
	re, err := regexp.Compile(source)
	if err != nil {
		p.fail("regular expression %q: %s (RE2 has no look-around and no back references)", raw,
			narrow(strings.TrimPrefix(err.Error(), "error parsing regexp: ")))
	}
	x := &pattern{re: re}
	for i, name := range re.SubexpNames() {
		switch {
		case i == 0:
		case strings.HasPrefix(name, endName):
			x.ends = append(x.ends, i)
		default:
			x.numbers = append(x.numbers, i)
		}
	}
	return x
}

// translation is a regular expression being rewritten for RE2.
type translation struct {
	p     *parser
	out   strings.Builder
	class bool // inside [ ]
	multi bool
	ends  int
}

func (t *translation) translate(raw string, variables bool) {
	for i := 0; i < len(raw); {
		switch c := raw[i]; {
		case c == '\\' && i+1 < len(raw):
			i += 1 + t.escape(raw[i+1:])
		case c == '[' && t.class && (strings.HasPrefix(raw[i:], "[:")):
			end := strings.Index(raw[i:], ":]")
			if end < 0 {
				t.p.fail("regular expression %q: [: without :]", raw)
			}
			t.out.WriteString(raw[i : i+end+2])
			i += end + 2
		case c == '[' && !t.class:
			t.class = true
			t.out.WriteByte('[')
			i++
			if strings.HasPrefix(raw[i:], "^") {
				t.out.WriteByte('^')
				i++
			}
			if strings.HasPrefix(raw[i:], "]") { // the first one is a member
				t.out.WriteString(`\]`)
				i++
			}
		case c == ']' && t.class:
			t.class = false
			t.out.WriteByte(']')
			i++
		case c == '$' && variables && strings.HasPrefix(raw[i:], "$$"):
			i += t.group(raw[i:])
		case c == '$' && variables && t.isVariable(raw[i+1:]):
			_, n := variableName(raw[i:])
			t.p.fail(`regular expression %q: a variable (%s) cannot stand in it; write \$ for a dollar sign`, raw, raw[i:i+n])
		case c == '@' && variables && i+1 < len(raw) && isWordByte(raw[i+1]):
			t.p.fail(`regular expression %q: there are no arrays; write \@ for an @`, raw)
		case c == '$' && !t.class:
			t.end()
			i++
		case c >= 0x80:
			t.out.WriteRune(wideBase + rune(c))
			i++
		default:
			t.out.WriteByte(c)
			i++
		}
	}
}

func (t *translation) isVariable(after string) bool {
	return after != "" && (isWordByte(after[0]) || after[0] == '{' || after[0] == '&')
}

// group inserts what the tag's parentheses hold: it is an expression, too.
func (t *translation) group(raw string) int {
	digits, n := digitsOf(raw[2:])
	i, err := strconv.Atoi(digits)
	if err != nil || i < 1 || i > len(t.p.groups) {
		t.p.fail("there is no %s: the tag has %d pairs of parentheses", raw[:2+n], len(t.p.groups))
	}
	t.translate(t.p.groups[i-1], false)
	return 2 + n
}

// end is Perl's $, which also matches before a newline at the very end. RE2 has
// no look-ahead: the newline is matched, and taken off again in replaceIn.
func (t *translation) end() {
	if t.multi {
		t.out.WriteByte('$')
		return
	}
	fmt.Fprintf(&t.out, `(?:(?P<%s%d>\n??)\z)`, endName, t.ends)
	t.ends++
}

// escape rewrites what follows a backslash and says how much of it.
func (t *translation) escape(s string) int {
	inside := func(whole, member string) {
		if t.class {
			t.out.WriteString(member)
		} else {
			t.out.WriteString(whole)
		}
	}
	switch c := s[0]; {
	case c == 's': // RE2's lacks \v
		inside(`[\t\n\v\f\r ]`, `\t\n\v\f\r `)
	case c == 'h':
		inside(`[\t ]`, `\t `)
	case c == 'S' && !t.class:
		t.out.WriteString(`[^\t\n\v\f\r ]`)
	case c == 'Z' && !t.class:
		multi := t.multi
		t.multi = false
		t.end()
		t.multi = multi
	case c == 'x' || c == 'e' || c == '0':
		b, n := t.p.escape(s)
		if b < 0x80 {
			fmt.Fprintf(&t.out, `\x%02x`, b)
		} else {
			t.out.WriteRune(wideBase + rune(b))
		}
		return n
	case isWordByte(c) && strings.IndexByte("dDwWbBAznrtfav", c) < 0 || t.class && strings.IndexByte("bBAzv", c) >= 0:
		t.p.fail(`\%c in a regular expression is not supported`, c)
	case c >= 0x80:
		t.out.WriteRune(wideBase + rune(c))
	case c > ' ' && c < 0x7f: // a class, or punctuation that means itself
		t.out.WriteByte('\\')
		t.out.WriteByte(c)
	default:
		t.out.WriteByte(c)
	}
	return 1
}

// substitution reads s/// behind its s.
func (p *parser) substitution() node {
	raw, with, _ := p.twoParts()
	withAt := p.at
	flags := p.flags("gismeo")
	global := strings.Contains(flags, "g")
	if raw == "" {
		p.fail("the regular expression is empty, which Perl takes for the one before")
	}
	x := p.pattern(raw, flags)
	var replacement node
	if strings.Contains(flags, "e") {
		inner := &parser{src: with, groups: p.groups, depth: p.depth + 1}
		defer func() {
			if r := recover(); r != nil {
				p.at = withAt // inner's places are not this text's
				panic(r)
			}
		}()
		replacement = inner.statements(false)
		p.out.total = p.out.total || inner.out.total
		p.out.unquoted = p.out.unquoted || inner.out.unquoted
	} else {
		replacement = p.interpolated(with)
	}
	if global && with != "" && x.re.MatchString("") && !strings.ContainsAny(raw, "^$") {
		p.fail("regular expression %q matches nothing at all, too, which with flag g would put the text everywhere; use + and not *", raw)
	}
	return func(f *frame) (scalar, error) { return x.replaceIn(f, replacement, global) }
}

// replaceIn does s/// on the frame's value and gives the number of matches.
func (x *pattern) replaceIn(f *frame, replacement node, global bool) (scalar, error) {
	v, err := text(f.value).known()
	if err != nil {
		return scalar{}, err
	}
	subject := widen(v)
	limit := 1
	if global {
		limit = -1
	}
	matches := x.re.FindAllStringSubmatchIndex(subject, limit)
	if matches == nil {
		return text(""), nil
	}
	var out strings.Builder
	done := 0
	for _, m := range matches {
		end := m[1]
		for _, i := range x.ends {
			if m[2*i] >= 0 {
				end = min(end, m[2*i])
			}
		}
		piece := func(i int) string {
			if m[2*i] < 0 {
				return ""
			}
			return narrow(subject[min(m[2*i], end):min(m[2*i+1], end)])
		}
		f.groups = append(f.groups[:0], narrow(subject[m[0]:end]))
		for _, i := range x.numbers {
			f.groups = append(f.groups, piece(i))
		}
		with, err := replacement(f)
		if err != nil {
			return with, err
		}
		out.WriteString(narrow(subject[done:m[0]]))
		out.WriteString(with.String())
		done = end
	}
	out.WriteString(narrow(subject[done:]))
	f.value = out.String()
	return whole(int64(len(matches))), nil
}
