package command

import (
	"strconv"
	"strings"
)

// closing gives the delimiter that ends what open begins.
func closing(open byte) byte {
	if i := strings.IndexByte("([{<", open); i >= 0 {
		return ")]}>"[i]
	}
	return open
}

// delimited takes what stands between the delimiter at p.at and its partner,
// backslashes included.
func (p *parser) delimited() string {
	open := p.src[p.at]
	p.at++
	return p.upTo(open, closing(open))
}

func (p *parser) upTo(open, end byte) string {
	start, level := p.at, 1
	for ; p.at < len(p.src); p.at++ {
		switch c := p.src[p.at]; {
		case c == '\\':
			p.at++
		case c == end:
			if level--; level == 0 {
				p.at++
				return p.src[start : p.at-1]
			}
		case c == open:
			level++
		}
	}
	p.at = start
	p.fail("the closing %c is missing", end)
	return ""
}

// twoParts takes the two parts of s/// and tr///.
func (p *parser) twoParts() (first, second string, delimiter byte) {
	open := p.src[p.at]
	if open == '\'' || open == '\\' || open >= 0x80 {
		p.fail("%q cannot be a delimiter here", open)
	}
	first = p.delimited()
	if closing(open) == open {
		return first, p.upTo(open, open), open
	}
	p.space()
	if p.at == len(p.src) {
		p.fail("the second part is missing")
	}
	return first, p.delimited(), open
}

// flags takes the letters behind the last delimiter.
func (p *parser) flags(known string) string {
	start := p.at
	for p.at < len(p.src) && isWordByte(p.src[p.at]) {
		if strings.IndexByte(known, p.src[p.at]) < 0 {
			p.fail("flag %c is not supported", p.src[p.at])
		}
		p.at++
	}
	return p.src[start:p.at]
}

func unescapeSingle(s string) string {
	return strings.NewReplacer(`\\`, `\`, `\'`, `'`).Replace(s)
}

// piece is a part of a text in double quotes: a value, or a change of case.
type piece struct {
	value  node
	change byte // U, L, u, l or E; 0 for a value
}

// interpolated reads the inside of double quotes, or the right side of s///.
func (p *parser) interpolated(raw string) node {
	var pieces []piece
	var literal []byte
	flush := func() {
		if literal != nil {
			pieces = append(pieces, piece{value: constant(text(string(literal)))})
			literal = nil
		}
	}
	for i := 0; i < len(raw); {
		switch c := raw[i]; {
		case c == '\\' && i+1 < len(raw):
			if strings.IndexByte("ULulE", raw[i+1]) >= 0 {
				flush()
				pieces = append(pieces, piece{change: raw[i+1]})
				i += 2
				continue
			}
			if '1' <= raw[i+1] && raw[i+1] <= '9' { // \1 is $1, as sed has it
				flush()
				digits, n := digitsOf(raw[i+1:])
				v, _ := p.lookup(digits)
				pieces, i = append(pieces, piece{value: v}), i+1+n
				continue
			}
			b, n := p.escape(raw[i+1:])
			literal, i = append(literal, b), i+1+n
		case c == '$' && i+1 < len(raw):
			flush()
			name, n := variableName(raw[i:])
			v, ok := p.lookup(name)
			if !ok {
				p.fail("there is no variable %s; write \\$ for a dollar sign", raw[i:i+n])
			}
			pieces, i = append(pieces, piece{value: v}), i+n
		case c == '@' && i+1 < len(raw) && isWordByte(raw[i+1]):
			p.fail("there are no arrays; write \\@ for an @")
		default:
			literal, i = append(literal, c), i+1
		}
	}
	flush()
	return func(f *frame) (scalar, error) { return join(f, pieces) }
}

// escape reads what follows a backslash, and how much of it.
func (p *parser) escape(s string) (b byte, n int) {
	if i := strings.IndexByte("ntrfae", s[0]); i >= 0 {
		return "\n\t\r\f\a\x1b"[i], 1
	}
	if s[0] == 'x' {
		digits := strings.TrimPrefix(s[1:min(len(s), 4)], "{")
		digits = digits[:min(len(digits), 2)]
		v, err := strconv.ParseUint(digits, 16, 8)
		if err != nil || len(digits) != 2 || s[1] == '{' && (len(s) < 5 || s[4] != '}') || v == 0 {
			p.fail(`\x takes two hexadecimal digits, and not 00`)
		}
		if s[1] == '{' {
			return byte(v), 5
		}
		return byte(v), 3
	}
	if s[0] == '0' {
		end := 1
		for end < len(s) && end < 4 && '0' <= s[end] && s[end] <= '7' {
			end++
		}
		v, err := strconv.ParseUint(s[:end], 8, 8)
		if err != nil || v == 0 {
			p.fail(`\%s is no byte that an argument can hold`, s[:end])
		}
		return byte(v), end
	}
	if isWordByte(s[0]) {
		p.fail(`\%c is not supported`, s[0])
	}
	return s[0], 1
}

// join puts pieces together and changes the case where they say so.
func join(f *frame, pieces []piece) (scalar, error) {
	var b strings.Builder
	var all, next byte
	for _, p := range pieces {
		switch p.change {
		case 'U', 'L':
			all = p.change
		case 'u', 'l':
			next = p.change
		case 'E':
			all = 0
		case 0:
			v, err := p.value(f)
			if err != nil {
				return v, err
			}
			s := v.String()
			if all != 0 {
				s = changeCase(s, all)
			}
			if next != 0 && s != "" {
				s, next = changeCase(s[:1], next)+s[1:], 0
			}
			b.WriteString(s)
		}
	}
	return text(b.String()), nil
}

// changeCase knows the letters of ASCII and no others, as GNU parallel does:
// names are bytes, and what they mean depends on a locale.
func changeCase(s string, to byte) string {
	out := []byte(s)
	for i, c := range out {
		switch {
		case (to == 'U' || to == 'u') && 'a' <= c && c <= 'z':
			out[i] = c - 'a' + 'A'
		case (to == 'L' || to == 'l') && 'A' <= c && c <= 'Z':
			out[i] = c - 'A' + 'a'
		}
	}
	return string(out)
}

// transliteration reads tr/// behind its name.
func (p *parser) transliteration() node {
	from, to, _ := p.twoParts()
	flags := p.flags("cds")
	search, replace := p.byteList(from), p.byteList(to)
	if strings.Contains(flags, "c") {
		var rest []byte
		for c := 1; c < 256; c++ {
			if strings.IndexByte(string(search), byte(c)) < 0 {
				rest = append(rest, byte(c))
			}
		}
		search = rest
	}
	remove, squeeze := strings.Contains(flags, "d"), strings.Contains(flags, "s")
	const keep, drop = -1, -2
	var table [256]int
	for i := range table {
		table[i] = keep
	}
	for i, c := range search {
		switch {
		case table[c] != keep: // the first one counts
		case i < len(replace):
			table[c] = int(replace[i])
		case remove:
			table[c] = drop
		case len(replace) > 0:
			table[c] = int(replace[len(replace)-1])
		default:
			table[c] = int(c)
		}
	}
	return func(f *frame) (scalar, error) {
		v, err := text(f.value).known()
		if err != nil {
			return scalar{}, err
		}
		var out []byte
		count, last := int64(0), keep
		for i := range len(v) {
			to := table[v[i]]
			if to == keep {
				out, last = append(out, v[i]), keep
				continue
			}
			count++
			if to != drop && !(squeeze && to == last) {
				out, last = append(out, byte(to)), to
			}
		}
		f.value = string(out)
		return whole(count), nil
	}
}

// byteList reads a side of tr///: bytes, escapes, ranges.
func (p *parser) byteList(s string) []byte {
	var list []byte
	ranged := false
	for i := 0; i < len(s); {
		c, n := s[i], 1
		if c == '\\' && i+1 < len(s) {
			c, n = p.escape(s[i+1:])
			n++
		} else if c == '-' && i > 0 && i+1 < len(s) && !ranged && len(list) > 0 {
			ranged = true
			i++
			continue
		}
		i += n
		if ranged {
			first := list[len(list)-1]
			if c < first {
				p.fail("the range %q goes backwards", []byte{first, '-', c})
			}
			for b := int(first) + 1; b <= int(c); b++ {
				list = append(list, byte(b))
			}
			ranged = false
			continue
		}
		list = append(list, c)
	}
	return list
}
