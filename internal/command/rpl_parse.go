package command

import (
	"fmt"
	"strings"
)

// The language of --rpl is a small piece of Perl, in which nothing can reach
// outside the value: no files, no processes, no loops. Statements are separated
// by ; and change $_, which is the value in the beginning and the answer in the
// end.
//
//	s/re/text/flags       flags g i s m e; the text knows $1 $& \1 \U \L \u \l \E
//	tr/a-z/A-Z/, y///     flags c d s
//	$_ = EXPR             also += -= *= /= %= .= ||= &&= ++ --
//	substr($_, 0, 2) = "" a piece of the value
//	if (EXPR) { … }       also: STATEMENT if EXPR, STATEMENT unless EXPR
//	EXPR                  numbers, "text $_", 'text', $_, $1, $arg[1], ?: || && !
//	                      and or not + - * / % . == != < > <= >= eq ne lt gt le ge
//	functions             uc lc ucfirst lcfirst length substr index sprintf int abs
//	                      basename dirname seq slot total_jobs Q uq skip
//
// $$1 is what the first parentheses of the tag hold. Regular expressions are
// RE2's and see bytes, as Perl's do.

// compiled is an expression made ready, and what running it takes.
type compiled struct {
	run      program
	total    bool // total_jobs() is called
	unquoted bool // uq() is called
}

// node computes a value.
type node func(f *frame) (scalar, error)

// depthMax bounds how deep an expression may be nested, and so the stack.
const depthMax = 100

type parser struct {
	src    string
	at     int
	groups []string // $$1, $$2, …
	depth  int
	out    compiled
}

// parseError stops the parser; only compile sees it.
type parseError struct{ message string }

// compile reads an expression. It refuses all that it does not know.
func compile(source string, groups []string) (c compiled, err error) {
	p := &parser{src: source, groups: groups}
	defer func() {
		if r := recover(); r != nil {
			e, ok := r.(parseError)
			if !ok {
				panic(r)
			}
			err = fmt.Errorf("%s, at character %d of %q", e.message, p.at+1, source)
		}
	}()
	body := p.statements(false)
	c = p.out
	c.run = func(f *frame) error {
		_, err := body(f)
		return err
	}
	return c, nil
}

func (p *parser) fail(format string, args ...any) {
	panic(parseError{fmt.Sprintf(format, args...)})
}

func (p *parser) space() {
	for p.at < len(p.src) && strings.IndexByte(" \t\n\v\f\r", p.src[p.at]) >= 0 {
		p.at++
	}
}

// accept takes an operator. A longer one that begins alike is another one.
func (p *parser) accept(op string) bool {
	p.space()
	rest := p.src[p.at:]
	if !strings.HasPrefix(rest, op) {
		return false
	}
	after := rest[len(op):]
	if isWordByte(op[0]) {
		if after != "" && isWordByte(after[0]) {
			return false
		}
	} else if after != "" && longerOperator(op, after[0]) {
		return false
	}
	p.at += len(op)
	return true
}

// longerOperator tells whether op and the byte behind it are one operator.
func longerOperator(op string, next byte) bool {
	switch op {
	case "=":
		return next == '=' || next == '~'
	case "<", ">", "!", ".", "*", "/", "%", "||", "&&":
		return next == '=' || op == "*" && next == '*' || op == "." && next == '.'
	case "+", "-":
		return next == '=' || next == op[0]
	}
	return false
}

func (p *parser) expect(op string) {
	if !p.accept(op) {
		p.fail("%s is missing", op)
	}
}

func isWordByte(c byte) bool {
	return c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// statements reads up to the end, or of a block up to its }.
func (p *parser) statements(block bool) node {
	var list []node
	for {
		for p.accept(";") {
		}
		p.space()
		if p.at == len(p.src) {
			if block {
				p.fail("} is missing")
			}
			break
		}
		if block && p.accept("}") {
			break
		}
		s, ended := p.statement()
		list = append(list, s)
		p.space()
		if !ended && p.at < len(p.src) && p.src[p.at] != ';' && !(block && p.src[p.at] == '}') {
			p.fail("%q is not understood", firstWord(p.src[p.at:]))
		}
	}
	return func(f *frame) (v scalar, err error) {
		for _, s := range list {
			if v, err = s(f); err != nil {
				return v, err
			}
		}
		return v, nil
	}
}

func firstWord(s string) string {
	i := 1
	for i < len(s) && isWordByte(s[0]) && isWordByte(s[i]) {
		i++
	}
	return s[:i]
}

// statement tells too whether it ended itself, as a block does.
func (p *parser) statement() (s node, ended bool) {
	defer p.nest()()
	if p.accept("if") || p.accept("unless") {
		negate := strings.HasSuffix(p.src[:p.at], "unless")
		p.expect("(")
		cond := p.expression()
		p.expect(")")
		p.expect("{")
		then := p.statements(true)
		other := node(func(*frame) (scalar, error) { return text(""), nil })
		if p.accept("else") {
			p.expect("{")
			other = p.statements(true)
		}
		if negate {
			then, other = other, then
		}
		return choose(cond, then, other), true
	}
	s = p.expression()
	switch {
	case p.accept("if"):
		return choose(p.expression(), s, nothing), false
	case p.accept("unless"):
		return choose(p.expression(), nothing, s), false
	}
	return s, false
}

func nothing(*frame) (scalar, error) { return text(""), nil }

func choose(cond, then, other node) node {
	return func(f *frame) (scalar, error) {
		c, err := cond(f)
		if err != nil {
			return c, err
		}
		if c.isTrue() {
			return then(f)
		}
		return other(f)
	}
}

// nest counts a level; the function it returns leaves it.
func (p *parser) nest() func() {
	if p.depth++; p.depth > depthMax {
		p.fail("it is nested too deeply")
	}
	return func() { p.depth-- }
}

// expression reads the operators that bind least: or, and, not.
func (p *parser) expression() node {
	left := p.conjunction()
	for p.accept("or") {
		left = either(left, p.conjunction())
	}
	return left
}

func (p *parser) conjunction() node {
	left := p.negation()
	for p.accept("and") {
		left = both(left, p.negation())
	}
	return left
}

func (p *parser) negation() node {
	if p.accept("not") {
		defer p.nest()()
		return not(p.negation())
	}
	return p.assignment()
}

func either(a, b node) node {
	return func(f *frame) (scalar, error) {
		if v, err := a(f); err != nil || v.isTrue() {
			return v, err
		}
		return b(f)
	}
}

func both(a, b node) node {
	return func(f *frame) (scalar, error) {
		if v, err := a(f); err != nil || !v.isTrue() {
			return v, err
		}
		return b(f)
	}
}

func not(a node) node {
	return func(f *frame) (scalar, error) {
		v, err := a(f)
		return truth(!v.isTrue()), err
	}
}

// assignment reads $_ = …, or an expression without one.
func (p *parser) assignment() node {
	defer p.nest()()
	start := p.at
	if p.accept("$_") {
		if op, ok := p.assignOperator(); ok {
			return assign(op, p.assignment())
		}
		p.at = start
	}
	n := p.ternary()
	if p.accept("=") {
		p.at--
		p.fail("only $_ and substr($_, …) can be assigned to")
	}
	return n
}

func (p *parser) assignOperator() (op string, ok bool) {
	for _, op := range []string{"=", "+=", "-=", "*=", "/=", "%=", ".=", "||=", "&&="} {
		if p.accept(op) {
			return strings.TrimSuffix(op, "="), true
		}
	}
	return "", false
}

func assign(op string, value node) node {
	return func(f *frame) (scalar, error) {
		old := text(f.value)
		if op == "||" && old.isTrue() || op == "&&" && !old.isTrue() {
			return old, nil
		}
		v, err := value(f)
		if err == nil && op != "" && op != "||" && op != "&&" {
			v, err = operate(op, old, v)
		}
		f.value = v.String()
		return v, err
	}
}

func (p *parser) ternary() node {
	cond := p.binaryLevel(0)
	if !p.accept("?") {
		return cond
	}
	then := p.assignment()
	p.expect(":")
	return choose(cond, then, p.assignment())
}

// levels holds the binary operators, those that bind least first.
var levels = [][]string{
	{"||"}, {"&&"}, {"==", "!=", "eq", "ne"}, {"<=", ">=", "<", ">", "lt", "gt", "le", "ge"}, {"+", "-", "."}, {"*", "/", "%"},
}

func (p *parser) binaryLevel(level int) node {
	if level == len(levels) {
		return p.unary()
	}
	left := p.binaryLevel(level + 1)
	for {
		op := ""
		for _, o := range levels[level] {
			if p.accept(o) {
				op = o
				break
			}
		}
		switch op {
		case "":
			return left
		case "||":
			left = either(left, p.binaryLevel(level+1))
		case "&&":
			left = both(left, p.binaryLevel(level+1))
		default:
			a, b := left, p.binaryLevel(level+1)
			left = func(f *frame) (scalar, error) {
				x, err := a(f)
				if err != nil {
					return x, err
				}
				y, err := b(f)
				if err != nil {
					return y, err
				}
				return operate(op, x, y)
			}
		}
	}
}

func (p *parser) unary() node {
	defer p.nest()()
	switch {
	case p.accept("!"):
		return not(p.unary())
	case p.accept("++"), p.accept("--"):
		op := p.src[p.at-1 : p.at]
		p.expect("$_")
		return assign(op, constant(whole(1)))
	case p.accept("-"):
		return p.minus(p.unary())
	}
	n := p.primary()
	if p.accept("++") || p.accept("--") {
		p.fail("%s stands behind $_ as a statement of its own only", p.src[p.at-2:p.at])
	}
	return n
}

func (p *parser) minus(n node) node {
	return func(f *frame) (scalar, error) {
		v, err := n(f)
		if err != nil {
			return v, err
		}
		return operate("-", whole(0), v)
	}
}
