package command

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// columns cuts values into columns and trims them.
type columns struct {
	separator string         // of CSV, or of columns where no pattern is needed
	pattern   *regexp.Regexp // else what separates columns
	csv       bool
	whole     bool // values are not cut
	trim      func(string) string
}

func newColumns(spec InputSpec) (*columns, error) {
	c := &columns{csv: spec.CSV, whole: spec.ColSep == "" && !spec.CSV && spec.Header == ""}
	var err error
	if c.trim, err = trimmer(spec); err != nil {
		return nil, err
	}
	switch {
	case spec.CSV:
		c.separator = ","
		if spec.ColSep == "" {
			break
		}
		if c.separator, err = ParseDelimiter(spec.ColSep); err != nil {
			return nil, err
		}
		if strings.ContainsAny(c.separator, "\"\r\n") {
			return nil, fmt.Errorf("read column separator %q: with --csv it cannot hold a quote or a newline; use another character", spec.ColSep)
		}
	case spec.ColSep == "":
		c.separator = "\t"
	case spec.ColSep == `\t`:
		c.separator = "\t"
	case regexp.QuoteMeta(spec.ColSep) == spec.ColSep:
		c.separator = spec.ColSep
	default:
		c.pattern, err = compileColSep(spec.ColSep)
	}
	return c, err
}

// compileColSep compiles a Perl regular expression as far as RE2 has it.
func compileColSep(text string) (*regexp.Regexp, error) {
	p, err := regexp.Compile(perlClasses(text))
	if err == nil {
		return p, nil
	}
	why := err
	var syntax interface{ Unwrap() error }
	if errors.As(err, &syntax) {
		why = syntax.Unwrap()
	}
	return nil, fmt.Errorf("read column separator %q: it is not a regular expression as RE2 has them (%v); "+
		"look-around, back references and possessive repetition do not exist there, and a character with a meaning is taken literally with a backslash before it", text, why)
}

// perlClasses replaces what Perl writes shorter: \h is a blank, and \s takes the
// vertical tab as well.
func perlClasses(text string) string {
	var b strings.Builder
	inClass := false
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' || i+1 == len(text) {
			switch {
			case text[i] == '[' && !inClass:
				inClass = true
			case text[i] == ']':
				inClass = false
			}
			b.WriteByte(text[i])
			continue
		}
		i++
		set := map[byte]string{'h': `\t `, 's': `\t\n\v\f\r `}[text[i]]
		switch {
		case set == "":
			b.WriteString(text[i-1 : i+1])
		case inClass:
			b.WriteString(set)
		default:
			b.WriteString("[" + set + "]")
		}
	}
	return b.String()
}

// split cuts each value of a record and trims what comes out.
func (c *columns) split(record []string) ([]string, error) {
	if !c.whole {
		cut := make([]string, 0, len(record))
		for _, v := range record {
			fields, err := c.fields(v)
			if err != nil {
				return nil, fmt.Errorf("%q: %w", shortened(v), err)
			}
			cut = append(cut, fields...)
		}
		record = cut
	}
	if c.trim != nil {
		for i := range record {
			record[i] = c.trim(record[i])
		}
	}
	return record, nil
}

// cut is split for the one value of a header.
func (c *columns) cut(value string) ([]string, error) {
	return c.split([]string{strings.TrimSuffix(value, "\r")})
}

func (c *columns) fields(value string) ([]string, error) {
	switch {
	case c.csv:
		return splitCSV(value, c.separator)
	case value == "":
		return []string{""}, nil
	case c.pattern == nil:
		return strings.Split(value, c.separator), nil
	}
	return perlSplit(c.pattern, value), nil
}

// perlSplit cuts as Perl does: what groups in the pattern match is a column too,
// and a match of nothing at the start cuts nothing off.
func perlSplit(p *regexp.Regexp, value string) []string {
	var fields []string
	from := 0
	for _, m := range p.FindAllStringSubmatchIndex(value, -1) {
		if m[1] == 0 {
			continue
		}
		fields = append(fields, value[from:m[0]])
		from = m[1]
		for g := 2; g < len(m); g += 2 {
			group := ""
			if m[g] >= 0 {
				group = value[m[g]:m[g+1]]
			}
			fields = append(fields, group)
		}
	}
	return append(fields, value[from:])
}

// trimmer gives what --trim does to a value, nil for nothing.
func trimmer(spec InputSpec) (func(string) string, error) {
	how := spec.Trim
	if how == "" && spec.ColSep != "" {
		how = "lr"
	}
	switch how {
	case "", "n":
		return nil, nil
	case "l":
		return func(v string) string { return strings.TrimLeft(v, blanks) }, nil
	case "r":
		return func(v string) string { return strings.TrimRight(v, blanks) }, nil
	case "lr", "rl":
		return func(v string) string { return strings.Trim(v, blanks) }, nil
	}
	return nil, fmt.Errorf("read --trim %q: there is no such way to trim; use n, l, r, lr or rl", how)
}

// shortened is the beginning of a value, for errors.
func shortened(v string) string {
	const most = 50
	if len(v) > most {
		return v[:most] + "..."
	}
	return v
}
