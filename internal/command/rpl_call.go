package command

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// function is one that a --rpl expression can call.
type function struct {
	min, max int  // arguments
	implied  bool // without any it takes $_
	call     func(f *frame, args []scalar) (scalar, error)
}

// onText makes a function of a function of text.
func onText(f func(string) scalar) function {
	return function{1, 1, true, func(_ *frame, args []scalar) (scalar, error) {
		s, err := args[0].known()
		return f(s), err
	}}
}

func toCase(to byte, first bool) function {
	return onText(func(s string) scalar {
		if first && s != "" {
			return text(changeCase(s[:1], to) + s[1:])
		}
		return text(changeCase(s, to))
	})
}

var functions = map[string]function{
	"uc":       toCase('U', false),
	"lc":       toCase('L', false),
	"ucfirst":  toCase('U', true),
	"lcfirst":  toCase('L', true),
	"length":   onText(func(s string) scalar { return whole(int64(len(s))) }),
	"basename": onText(func(s string) scalar { return text(fileBaseName(s)) }),
	"dirname":  onText(func(s string) scalar { return text(dirName(s)) }),
	"Q":        onText(func(s string) scalar { return text(Quote(s)) }),
	"substr":   {2, 3, false, func(_ *frame, args []scalar) (scalar, error) { return substr(args) }},
	"index":    {2, 2, false, indexOf},
	"sprintf":  {1, math.MaxInt, false, func(_ *frame, args []scalar) (scalar, error) { return sprintf(args) }},
	"int":      {1, 1, true, func(_ *frame, args []scalar) (scalar, error) { return toWhole(args[0]) }},
	"abs":      {1, 1, true, absolute},
	"seq":      {0, 0, false, func(f *frame, _ []scalar) (scalar, error) { return whole(f.job.Seq), nil }},
	"slot":     {0, 0, false, func(*frame, []scalar) (scalar, error) { return slotPlus(0), nil }},
	"uq":       {0, 0, false, func(*frame, []scalar) (scalar, error) { return text(""), nil }},
	"skip": {0, 0, false, func(f *frame, _ []scalar) (scalar, error) {
		f.skip = true
		return text(""), nil
	}},
	"total_jobs": {0, 0, false, func(f *frame, _ []scalar) (scalar, error) {
		saved := f.value
		err := totalJobs(f)
		total := f.value
		f.value = saved
		v, _ := number(total)
		return v, err
	}},
}

// fileBaseName is basename(1)'s and Perl's answer: of a path that ends in a slash
// the last name before it.
func fileBaseName(v string) string {
	trimmed := strings.TrimRight(v, "/")
	if trimmed == "" && v != "" {
		return "/"
	}
	return baseName(trimmed)
}

// call reads a function's name and its arguments.
func (p *parser) call() node {
	name := firstWord(p.src[p.at:])
	fn, ok := functions[name]
	if !ok {
		var names []string
		for n := range functions {
			names = append(names, n)
		}
		slices.Sort(names)
		p.fail("there is no %q here; there are s/// tr/// if and the functions %s", name, strings.Join(names, " "))
	}
	p.at += len(name)
	p.out.total = p.out.total || name == "total_jobs"
	p.out.unquoted = p.out.unquoted || name == "uq"
	args, onValue := p.arguments(fn)
	if len(args) == 0 && fn.implied {
		args = []node{func(f *frame) (scalar, error) { return text(f.value), nil }}
	}
	if len(args) < fn.min || len(args) > fn.max {
		p.fail("%s does not take %d arguments", name, len(args))
	}
	if name == "substr" && p.accept("=") {
		if !onValue {
			p.fail("only substr($_, …) can be assigned to")
		}
		return assignSubstr(args, p.assignment())
	}
	return func(f *frame) (scalar, error) {
		values, err := evaluate(f, args)
		if err != nil {
			return scalar{}, err
		}
		return fn.call(f, values)
	}
}

// arguments reads (a, b), or one without parentheses: lc $_. onValue says that
// the first is $_ itself.
func (p *parser) arguments(fn function) (args []node, onValue bool) {
	if !p.accept("(") {
		p.space()
		if fn.max == 1 && p.at < len(p.src) && strings.IndexByte(`$"'(`, p.src[p.at]) >= 0 {
			return []node{p.unary()}, false
		}
		if fn.min > 0 && !fn.implied {
			p.fail("its arguments need parentheses")
		}
		return nil, false
	}
	p.space()
	first := strings.TrimPrefix(p.src[p.at:], "$_")
	onValue = len(first) < len(p.src[p.at:]) && strings.HasPrefix(strings.TrimLeft(first, " "), ",")
	for !p.accept(")") {
		if len(args) > 0 {
			p.expect(",")
		}
		args = append(args, p.assignment())
	}
	return args, onValue
}

func evaluate(f *frame, args []node) ([]scalar, error) {
	values := make([]scalar, len(args))
	for i, a := range args {
		v, err := a(f)
		if err != nil {
			return nil, err
		}
		values[i] = v
	}
	return values, nil
}

// substrBounds finds the bytes that Perl's substr means; ok is false outside.
func substrBounds(args []scalar) (s string, from, to int, ok bool, err error) {
	if s, err = args[0].known(); err != nil {
		return
	}
	var numbers [2]int
	for i, a := range args[1:] {
		v, err := toWhole(a)
		if err != nil {
			return s, 0, 0, false, err
		}
		numbers[i] = int(max(min(v.whole, math.MaxInt32), math.MinInt32))
	}
	from, to = numbers[0], len(s)
	if from < 0 {
		from += len(s)
	}
	if from > len(s) {
		return s, 0, 0, false, nil
	}
	if len(args) == 3 {
		if to = from + numbers[1]; numbers[1] < 0 {
			to = len(s) + numbers[1]
		}
	}
	if from < 0 && to < 0 {
		return s, 0, 0, false, nil
	}
	from = max(from, 0)
	return s, from, max(min(to, len(s)), from), true, nil
}

func substr(args []scalar) (scalar, error) {
	s, from, to, ok, err := substrBounds(args)
	if err != nil || !ok {
		return text(""), err
	}
	return text(s[from:to]), nil
}

func assignSubstr(args []node, value node) node {
	return func(f *frame) (scalar, error) {
		values, err := evaluate(f, args)
		if err != nil {
			return scalar{}, err
		}
		v, err := value(f)
		if err != nil {
			return v, err
		}
		s, from, to, ok, err := substrBounds(values)
		if err != nil {
			return v, err
		}
		if !ok {
			return v, fmt.Errorf("substr is outside of %q", s)
		}
		f.value = s[:from] + v.String() + s[to:]
		return v, nil
	}
}

func indexOf(_ *frame, args []scalar) (scalar, error) {
	s, err := args[0].known()
	if err != nil {
		return scalar{}, err
	}
	what, err := args[1].known()
	return whole(int64(strings.Index(s, what))), err
}

func toWhole(v scalar) (scalar, error) {
	v, err := v.numeric()
	switch {
	case err != nil || v.kind == isWhole:
		return v, err
	case v.kind == isSlot:
		return v, errSlot
	case math.Abs(v.real) >= math.MaxInt64:
		return v, fmt.Errorf("%s is too large for a whole number", v)
	}
	return whole(int64(v.real)), nil
}

func absolute(_ *frame, args []scalar) (scalar, error) {
	v, err := args[0].numeric()
	switch {
	case err != nil:
		return v, err
	case v.kind == isSlot:
		return v, errSlot
	case v.kind == isReal:
		return real(math.Abs(v.real)), nil
	case v.whole < 0:
		return operate("-", whole(0), v)
	}
	return v, nil
}

// widthMax bounds what sprintf may make of a few bytes.
const widthMax = 4096

// sprintf knows C's formats for numbers and texts.
func sprintf(args []scalar) (scalar, error) {
	format, err := args[0].known()
	if err != nil {
		return scalar{}, err
	}
	args = args[1:]
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(format, "%")
		b.WriteString(before)
		if !found {
			return text(b.String()), nil
		}
		end := strings.IndexFunc(rest, func(r rune) bool { return !strings.ContainsRune("-+ 0#.123456789", r) })
		if end < 0 {
			return scalar{}, fmt.Errorf("sprintf: %%%s is not ended by a letter", rest)
		}
		verb := rest[end]
		spec := rest[:end]
		format = rest[end+1:]
		if verb == '%' {
			b.WriteByte('%')
			continue
		}
		if len(args) == 0 {
			return scalar{}, fmt.Errorf("sprintf: there is no value for %%%s%c", spec, verb)
		}
		s, err := formatOne(spec, verb, args[0])
		if err != nil {
			return scalar{}, err
		}
		b.WriteString(s)
		args = args[1:]
	}
}

func formatOne(spec string, verb byte, v scalar) (string, error) {
	width, precision, _ := strings.Cut(strings.TrimLeft(spec, "-+ 0#"), ".")
	for _, digits := range []string{width, precision} {
		if n, err := strconv.Atoi(digits); digits != "" && (err != nil || n > widthMax) {
			return "", fmt.Errorf("sprintf: %%%s%c is wider than %d", spec, verb, widthMax)
		}
	}
	if v.kind == isSlot && (verb == 'd' || verb == 's') {
		if w, ok := strings.CutPrefix(spec, "0"); ok && verb == 'd' {
			if n, err := strconv.ParseInt(w, 10, 64); err == nil {
				return slotText(n, v.whole), nil
			}
		}
		if spec == "" {
			return v.String(), nil
		}
		return "", errSlot
	}
	switch verb {
	case 's':
		if precision == "" && width == "" {
			return v.String(), nil
		}
		s, err := v.known()
		return formatText(spec, width, precision, s), err
	case 'd', 'i', 'u', 'x', 'X', 'o', 'b', 'c':
		n, err := toWhole(v)
		if err != nil {
			return "", fmt.Errorf("sprintf: %w", err)
		}
		if verb == 'c' || n.whole < 0 && verb != 'd' && verb != 'i' || precision != "" {
			return "", fmt.Errorf("sprintf: %%%s%c of %s is not supported", spec, verb, n)
		}
		if verb == 'i' || verb == 'u' {
			verb = 'd'
		}
		return fmt.Sprintf("%"+spec+string(verb), n.whole), nil
	case 'f', 'e', 'E', 'g', 'G':
		n, err := v.numeric()
		if err != nil {
			return "", fmt.Errorf("sprintf: %w", err)
		}
		if verb == 'g' || verb == 'G' {
			if strings.Trim(spec, ".0123456789") != "" || strings.HasPrefix(spec, "0") || width != "" || verb == 'G' {
				return "", fmt.Errorf("sprintf: %%%s%c is not supported", spec, verb)
			}
			digits, err := strconv.Atoi(precision)
			if err != nil {
				digits = 6
			}
			return formatG(n.float(), max(digits, 1)), nil
		}
		return fmt.Sprintf("%"+spec+string(verb), n.float()), nil
	}
	return "", fmt.Errorf("sprintf: %%%s%c is not supported", spec, verb)
}

// formatText counts bytes, where Go's %s counts runes.
func formatText(spec, width, precision, s string) string {
	if n, err := strconv.Atoi(precision); err == nil && n < len(s) {
		s = s[:n]
	}
	n, err := strconv.Atoi(width)
	if err != nil || n <= len(s) {
		return s
	}
	fill := strings.Repeat(" ", n-len(s))
	flags := spec[:len(spec)-len(strings.TrimLeft(spec, "-+ 0#"))]
	switch {
	case strings.Contains(flags, "-"):
		return s + fill
	case strings.Contains(flags, "0"):
		return strings.Repeat("0", n-len(s)) + s
	}
	return fill + s
}
