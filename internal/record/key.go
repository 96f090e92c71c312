package record

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"hash/fnv"
	"regexp"
	"strconv"
	"strings"
	"sync"
)

// key says by what lines are grouped or routed: a column, or the whole line,
// and what an expression makes of it.
type key struct {
	option string
	column int    // from 0; -1: the whole line
	name   string // of the column, until the header is known
	apply  func(string) string

	csv   bool
	comma byte           // csv: what separates columns
	plain []byte         // otherwise: what separates columns, if it is no regular expression
	re    *regexp.Regexp // otherwise

	scratch []byte
}

// leading is the number or name that a key may begin with, or our own {name} for
// names with other characters. Like theirs it takes an expression that begins
// with a word for a name.
var leading = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(?:(-?[0-9]+)|([A-Za-z0-9_]+)|\{([^{}]+)\})(?:\s+|$)`)
})

func newKey(option, text, sep string, spec Spec) (*key, error) {
	k := &key{option: option, column: -1, csv: spec.CSV}
	m := leading().FindStringSubmatch(text)
	if m != nil {
		text = text[len(m[0]):]
		switch {
		case m[1] != "":
			n, err := strconv.Atoi(m[1])
			if err != nil || n < 1 {
				return nil, fmt.Errorf("%s %s: columns count from 1; give a number from 1 or a column's name", option, m[1])
			}
			k.column = n - 1
		default:
			k.name = m[2] + m[3]
		}
	}
	if text = strings.TrimSpace(text); text != "" {
		if spec.Expression == nil {
			return nil, fmt.Errorf("%s %q: Perl expressions are not run here; give a column's number or name, and compute the value into a column of its own before (sed, awk)", option, text)
		}
		var err error
		if k.apply, err = spec.Expression(text); err != nil {
			return nil, fmt.Errorf("%s %q: %w", option, text, err)
		}
	} else if m == nil {
		return nil, fmt.Errorf("%s: no column given; give its number, or its name in the header", option)
	}
	return k, k.setSeparator(cmp.Or(spec.ColSep, sep), spec)
}

func (k *key) setSeparator(sep string, spec Spec) error {
	if k.csv {
		if spec.ColSep == "" {
			sep = ","
		}
		if len(sep) > 1 {
			sep = literal.Replace(sep)
		}
		if len(sep) != 1 || sep == `"` || sep == "\n" {
			return fmt.Errorf("--colsep %q: with --csv one character separates columns; give one, such as , or ; or \\t", spec.ColSep)
		}
		k.comma = sep[0]
		return nil
	}
	if text, ok := plain(sep); ok && text != "" {
		k.plain = []byte(text)
		return nil
	}
	re, err := compile("--colsep", sep)
	if err != nil {
		return err
	}
	if re.MatchString("") {
		return fmt.Errorf("--colsep %q: it also matches nothing at all, which is between any two characters; write \\| for a bar and + where there is a *", sep)
	}
	k.re = re
	return nil
}

// value returns the key of a line. What it returns is valid until the next call.
func (k *key) value(line []byte) []byte {
	line = chomp(line)
	if k.column >= 0 {
		line = k.field(line, k.column)
	}
	if k.apply != nil {
		return []byte(k.apply(string(line)))
	}
	return line
}

// chomp takes the line's end off, so that the last line may lack it.
func chomp(line []byte) []byte {
	return bytes.TrimSuffix(bytes.TrimSuffix(line, newline), []byte{'\r'})
}

// field returns a column, nothing if the line has less.
func (k *key) field(line []byte, column int) []byte {
	if k.csv {
		field, _ := csvField(line, k.comma, column, k.scratch)
		k.scratch = field
		return field
	}
	for ; ; column-- {
		from, to := k.separator(line)
		switch {
		case column == 0 && from < 0:
			return line
		case column == 0:
			return line[:from]
		case from < 0:
			return nil
		}
		line = line[to:]
	}
}

// separator finds the first separator in line; from is -1 if there is none.
func (k *key) separator(line []byte) (from, to int) {
	if k.re == nil {
		i := bytes.Index(line, k.plain)
		return i, i + len(k.plain)
	}
	at := 0
	for at <= len(line) {
		m := k.re.FindIndex(line[at:])
		if m == nil {
			break
		}
		if m[1] > m[0] {
			return at + m[0], at + m[1]
		}
		at += m[1] + 1 // what is empty separates nothing
	}
	return -1, -1
}

// resolve finds the column by its name in the header's first line.
func (k *key) resolve(header []byte) error {
	if k.name == "" {
		return nil
	}
	if !k.csv {
		if i := bytes.IndexByte(header, '\n'); i >= 0 {
			header = header[:i]
		}
	}
	var names []string
	for rest := chomp(header); rest != nil; {
		var name []byte
		if k.csv {
			name, rest = csvNext(rest, k.comma, nil)
		} else if from, to := k.separator(rest); from >= 0 {
			name, rest = rest[:from], rest[to:]
		} else {
			name, rest = rest, nil
		}
		names = append(names, string(name))
	}
	for _, same := range []func(string) bool{
		func(n string) bool { return n == k.name },
		func(n string) bool { return strings.TrimSpace(n) == k.name },
	} {
		for i, n := range names {
			if same(n) {
				k.column, k.name = i, ""
				return nil
			}
		}
	}
	return fmt.Errorf("%s: no column is called %q; the header has %q", k.option, k.name, names)
}

// errNoHeader is what a key by name meets in input that ends before its header.
var errNoHeader = errors.New("columns are named but there is no header; give --header : and input that begins with one")

// hashSlot is the slot, from 1, for a value: the same in every run, so that a
// failed run can be looked into.
func hashSlot(value []byte, slots int) int {
	h := fnv.New64a()
	h.Write(value)
	x := h.Sum64()
	x ^= x >> 32 // the low bits of FNV alone are poor
	x *= 0xd6e8feb86659fd93
	x ^= x >> 32
	return int(x%uint64(slots)) + 1
}

// number is what Perl takes for a number at the start of a value.
var number = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^\s*([+-]?)([0-9]*)((?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?)`)
})

// binSlot is the slot, from 1, for a value: its number, taken modulo the slots,
// where 0 is the last slot. What is no number counts as 0, as in GNU parallel.
func binSlot(value []byte, slots int) int {
	m := number().FindSubmatch(value)
	rest := 0
	if f, err := strconv.ParseFloat(string(m[2])+string(m[3]), 64); len(m[3]) > 1 && err == nil && f < 1<<62 {
		rest = int(int64(f) % int64(slots))
	} else {
		for _, d := range m[2] { // of any length
			rest = int((int64(rest)*10 + int64(d-'0')) % int64(slots))
		}
	}
	if string(m[1]) == "-" {
		rest = (slots - rest) % slots
	}
	if rest == 0 {
		return slots
	}
	return rest
}
