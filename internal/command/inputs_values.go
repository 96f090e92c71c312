package command

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// blanks are Perl's white space, which is GNU parallel's.
const blanks = " \t\n\v\f\r"

// values gives what one source holds, after -E, -r, -L and --csv.
type values struct {
	spec  InputSpec
	from  SourceSpec
	lines *lines   // a File's
	args  []string // what is left of an Args source
	n     int64    // values of an Args source that were read
	ended bool
}

func openValues(spec InputSpec, s SourceSpec) (*values, error) {
	v := &values{spec: spec, from: s}
	if s.Kind == File {
		l, err := openLines(spec, s.File)
		v.lines = l
		return v, err
	}
	v.args = s.Args
	if spec.Delimiter != "" {
		v.args = nil
		for _, a := range s.Args {
			v.args = append(v.args, strings.Split(a, spec.Delimiter)...)
		}
	}
	return v, nil
}

// skipFirst passes over the first value where that is wanted.
func (v *values) skipFirst() error {
	if !v.spec.SkipFirst {
		return nil
	}
	_, _, err := v.raw()
	return err
}

// rereads tells whether the source can be opened again and has the same values.
func (v *values) rereads() bool { return v.lines != nil && v.lines.regular }

// reopen gives the source from its first value, behind a header, once more.
func (v *values) reopen() (*values, error) {
	again, err := openValues(v.spec, v.from)
	if err != nil {
		return nil, err
	}
	if err = again.skipFirst(); err == nil && v.spec.hasHeaderLine() {
		_, _, err = again.record()
	}
	if err != nil {
		return nil, errors.Join(err, again.close())
	}
	return again, nil
}

// place names the value read last, for errors.
func (v *values) place() string {
	if v.lines != nil {
		return v.lines.place()
	}
	return fmt.Sprintf("value %d of a source on the command line", v.n)
}

func (v *values) close() error {
	v.ended = true
	if v.lines == nil {
		return nil
	}
	return v.lines.close()
}

// raw gives the next value as the source has it.
func (v *values) raw() (string, bool, error) {
	if v.lines != nil {
		return v.lines.next()
	}
	if len(v.args) == 0 {
		return "", false, nil
	}
	value := v.args[0]
	v.args = v.args[1:]
	v.n++
	return value, true, nil
}

// record gives the next value, which with CSV goes on over newlines in quotes.
func (v *values) record() (string, bool, error) {
	value, ok, err := v.raw()
	if !v.spec.CSV || v.lines == nil || !ok || err != nil || !csvIsOpen(value) {
		return value, ok, err
	}
	place := v.place()
	whole := []string{value}
	size := len(value)
	for {
		value, ok, err = v.raw()
		if err != nil {
			return "", false, err
		}
		size += len(value) + len(v.lines.terminator)
		if !ok || size > JoinedBytesMax {
			return "", false, fmt.Errorf("%s: a quote that is not closed within %d bytes; close it, or write \"\" for a quote that is data", place, JoinedBytesMax)
		}
		whole = append(whole, value)
		if csvIsOpen(value) { // the quote that closes the first
			return strings.Join(whole, v.lines.terminator), true, nil
		}
	}
}

// next gives the next value; ok is false at the end.
func (v *values) next() (value string, ok bool, err error) {
	var before []byte // what a trailing blank continues
	continued := false
	for !v.ended {
		value, ok, err = v.record()
		if err != nil {
			return "", false, err
		}
		if !ok || v.spec.EOF != "" && value == v.spec.EOF {
			if err := v.close(); err != nil {
				return "", false, fmt.Errorf("%s: %w", v.place(), err)
			}
			break
		}
		last := value
		if continued && value == "" {
			last = string(before[len(before)-1:])
		}
		// Both looks at the whole stop early: what is continued begins with no
		// line of blanks alone where those are skipped.
		if v.spec.SkipBlank && strings.TrimLeft(value, blanks) == "" && len(bytes.TrimLeft(before, blanks)) == 0 {
			before, continued = nil, false
			continue
		}
		if v.spec.MaxLines > 0 && endsInBlank(last) {
			before, continued = append(before, value...), true
			if len(before) > JoinedBytesMax {
				return "", false, fmt.Errorf("%s: with the lines before, which end in a blank and go on, longer than %d bytes; is -n meant instead of -L?", v.place(), JoinedBytesMax)
			}
			continue
		}
		return string(before) + value, true, nil
	}
	return string(before), continued, nil
}

func endsInBlank(value string) bool {
	return value != "" && strings.IndexByte(blanks, value[len(value)-1]) >= 0
}
