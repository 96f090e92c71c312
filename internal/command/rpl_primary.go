package command

import (
	"strconv"
	"strings"
)

func constant(v scalar) node { return func(*frame) (scalar, error) { return v, nil } }

func (p *parser) primary() node {
	p.space()
	if p.at == len(p.src) {
		p.fail("something is missing at the end")
	}
	switch c := p.src[p.at]; {
	case c == '(':
		p.at++
		n := p.expression()
		p.expect(")")
		return n
	case c == '"':
		return p.interpolated(p.delimited())
	case c == '\'':
		return constant(text(unescapeSingle(p.delimited())))
	case c == '$':
		return p.variable()
	case '0' <= c && c <= '9' || c == '.':
		return p.number()
	case p.quoteOperator("s"):
		return p.substitution()
	case p.quoteOperator("tr"), p.quoteOperator("y"):
		return p.transliteration()
	case isWordByte(c):
		return p.call()
	}
	p.fail("%q is not understood", p.src[p.at:p.at+1])
	return nil
}

// quoteOperator takes the name of s///, tr/// or y/// where a delimiter follows.
func (p *parser) quoteOperator(name string) bool {
	rest, ok := strings.CutPrefix(p.src[p.at:], name)
	if !ok || rest == "" || isWordByte(rest[0]) || strings.IndexByte(" \t\n;)", rest[0]) >= 0 {
		return false
	}
	p.at += len(name)
	return true
}

func (p *parser) number() node {
	end := p.at
	for end < len(p.src) && (p.src[end] >= '0' && p.src[end] <= '9' || p.src[end] == '.') {
		end++
	}
	digits := p.src[p.at:end]
	v, err := number(digits)
	if err != nil || len(digits) > 1 && digits[0] == '0' && digits[1] != '.' {
		p.fail("%q is no decimal number", digits)
	}
	p.at = end
	return constant(v)
}

// variable reads what begins with a $, and what is done to $_ in its place.
func (p *parser) variable() node {
	switch {
	case p.accept("$_"):
		if p.accept("++") || p.accept("--") {
			return assign(p.src[p.at-1:p.at], constant(whole(1)))
		}
		if p.accept("=~") {
			p.space()
			if p.quoteOperator("s") {
				return p.substitution()
			}
			if p.quoteOperator("tr") || p.quoteOperator("y") {
				return p.transliteration()
			}
			p.fail("only s/// and tr/// can stand behind =~")
		}
		return func(f *frame) (scalar, error) { return text(f.value), nil }
	case p.accept("$job->seq"), p.accept("$job->slot"), p.accept("$job->total_jobs"), p.accept("$job->skip"):
		p.at = strings.LastIndex(p.src[:p.at], ">") + 1
		return p.call()
	case p.accept("$arg"):
		p.expect("[")
		i := p.expression()
		p.expect("]")
		return argument(i)
	}
	name, n := variableName(p.src[p.at:])
	v, ok := p.lookup(name)
	if !ok {
		p.fail("there is no variable %s", p.src[p.at:p.at+n])
	}
	p.at += n
	return v
}

func argument(index node) node {
	return func(f *frame) (scalar, error) {
		v, err := index(f)
		if err != nil {
			return v, err
		}
		i, err := strconv.Atoi(v.String())
		if err != nil || i < 1 || i > len(f.job.Args) {
			return text(""), nil // as in GNU, whose $arg[1] is the first
		}
		return text(f.job.Args[i-1]), nil
	}
}

// variableName finds the name at the start of s, which begins with $, and the
// length of its whole spelling.
func variableName(s string) (name string, n int) {
	rest, n := s[1:], 1
	if strings.HasPrefix(rest, "{") {
		if end := strings.IndexByte(rest, '}'); end > 0 {
			return rest[1:end], n + end + 1
		}
	}
	if strings.HasPrefix(rest, "$") { // $$1
		_, length := digitsOf(rest[1:])
		return rest[:1+length], n + 1 + length
	}
	if strings.HasPrefix(rest, "&") {
		return "&", 2
	}
	i := 0
	for i < len(rest) && isWordByte(rest[i]) {
		i++
	}
	return rest[:i], n + i
}

func digitsOf(s string) (digits string, n int) {
	for n < len(s) && '0' <= s[n] && s[n] <= '9' {
		n++
	}
	return s[:n], n
}

// lookup finds $_, $1, $& and $$1 by what follows the $.
func (p *parser) lookup(name string) (node, bool) {
	if name == "_" {
		return func(f *frame) (scalar, error) { return text(f.value), nil }, true
	}
	if digits, ok := strings.CutPrefix(name, "$"); ok {
		i, err := strconv.Atoi(digits)
		if err != nil || i < 1 || i > len(p.groups) {
			return nil, false
		}
		return constant(text(p.groups[i-1])), true
	}
	i, err := strconv.Atoi(name)
	if name != "&" && (err != nil || i < 1) {
		return nil, false
	}
	return func(f *frame) (scalar, error) {
		if i < len(f.groups) {
			return text(f.groups[i]), nil
		}
		return text(""), nil
	}, true
}
