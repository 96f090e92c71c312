package core

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// maxBytesText bounds the text of a size, and with it the depth of its
// parentheses.
const maxBytesText = 256

// byteUnits are the letters of sizes, each the next power.
const byteUnits = "KMGTP"

// ParseBytes reads the value of an option that is a size: a number with K, M, G,
// T or P for powers of 1024 or k, m, g, t or p for powers of 1000 (Ki and ki are
// both 1024), and as in GNU parallel an expression of such numbers with + - * /
// and parentheses, as in 1M-12*2.024*2k. The result is rounded to whole bytes.
func ParseBytes(option, s string) (int64, error) {
	bad := func(why string) (int64, error) {
		return 0, fmt.Errorf("%s %q: %s; say bytes, or use K M G T P (powers of 1024) or k m g t p (powers of 1000), as in 1.5G or 2*512M", option, s, why)
	}
	if len(s) > maxBytesText {
		return bad("too long")
	}
	p := bytesParser{text: s}
	value, ok := p.sum()
	p.blanks()
	switch {
	case !ok || p.at < len(s):
		return bad(p.fault())
	case math.IsNaN(value) || math.IsInf(value, 0):
		return bad("divides by zero or has no end")
	case value < 0:
		return bad("less than nothing")
	}
	if value = math.Round(value); value >= math.MaxInt64 {
		return bad("more than any machine has")
	}
	return int64(value), nil
}

// bytesParser reads an expression from left to right. A unit is a
// multiplication by a number of its own: 1/2k is (1/2)*1000, as GNU parallel
// reads it.
type bytesParser struct {
	text string
	at   int
}

func (p *bytesParser) blanks() {
	for p.at < len(p.text) && (p.text[p.at] == ' ' || p.text[p.at] == '\t') {
		p.at++
	}
}

// next returns the next character that is no blank, 0 at the end.
func (p *bytesParser) next() byte {
	p.blanks()
	if p.at == len(p.text) {
		return 0
	}
	return p.text[p.at]
}

// fault tells where the text stopped to make sense.
func (p *bytesParser) fault() string {
	if p.next() == 0 {
		return "not a size: it ends too early"
	}
	return fmt.Sprintf("not a size from %q on", p.text[p.at:])
}

// sum reads products with + and - between them.
func (p *bytesParser) sum() (float64, bool) {
	value, ok := p.product()
	for ok {
		sign := 1.0
		switch p.next() {
		case '-':
			sign = -1
		case '+':
		default:
			return value, true
		}
		p.at++
		var other float64
		other, ok = p.product()
		value += sign * other
	}
	return 0, false
}

// product reads factors with * and / between them, and units behind them.
func (p *bytesParser) product() (float64, bool) {
	value, ok := p.factor()
	for ok {
		switch c := p.next(); {
		case c == '*' || c == '/':
			p.at++
			var other float64
			if other, ok = p.factor(); c == '/' {
				other = 1 / other
			}
			value *= other
		case c != 0 && strings.IndexByte(byteUnits, c&^0x20) >= 0:
			value *= p.unit(c)
		default:
			return value, true
		}
	}
	return 0, false
}

// unit reads the unit that begins with letter and returns what it stands for.
func (p *bytesParser) unit(letter byte) float64 {
	p.at++
	base := 1024.0
	switch {
	case p.at < len(p.text) && (p.text[p.at] == 'i' || p.text[p.at] == 'I'):
		p.at++
	case letter&0x20 != 0:
		base = 1000
	}
	return math.Pow(base, float64(strings.IndexByte(byteUnits, letter&^0x20)+1))
}

// factor reads a number or an expression in parentheses, perhaps with signs.
func (p *bytesParser) factor() (float64, bool) {
	switch c := p.next(); c {
	case '-', '+':
		p.at++
		value, ok := p.factor()
		if c == '-' {
			value = -value
		}
		return value, ok
	case '(':
		p.at++
		value, ok := p.sum()
		if !ok || p.next() != ')' {
			return 0, false
		}
		p.at++
		return value, true
	}
	end := p.at
	for end < len(p.text) && (p.text[end] == '.' || p.text[end] >= '0' && p.text[end] <= '9') {
		end++
	}
	value, err := strconv.ParseFloat(p.text[p.at:end], 64)
	if err != nil {
		return 0, false
	}
	p.at = end
	return value, true
}

// bytesText writes a size for people, with the units that ParseBytes reads.
func bytesText(n int64) string {
	value, unit := float64(n), -1
	for value >= 1024 && unit < len(byteUnits)-1 {
		value, unit = value/1024, unit+1
	}
	text := strings.TrimSuffix(strconv.FormatFloat(value, 'f', 1, 64), ".0")
	if unit >= 0 {
		text += byteUnits[unit : unit+1]
	}
	return text
}
