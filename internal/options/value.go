package options

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// count is a number of things: digits, and perhaps a unit as in 2k.
type count struct{ to *int64 }

// lines is a count that is 1 where it was left out.
type lines struct{ to *int64 }

// value is an option as the flag library sets it.
type value struct {
	m *Map
	o *Option
}

// Set reads a value into its field.
func (v *value) Set(s string) error {
	if v.o.State == Refused && v.o.field == nil {
		return v.o.refusal()
	}
	if s == bare {
		s = ""
	}
	v.m.given[v.o.Name] = true
	if v.o.field == nil {
		return nil
	}
	return v.o.read(v.o.field(v.m), s)
}

// refusal is the error for an option that is not there. Notes are Markdown.
func (o *Option) refusal() error {
	return fmt.Errorf("option %s %s", o.Spelling(), strings.ReplaceAll(o.Note, "`", ""))
}

// read stores s, which stood behind the option, where to points.
func (o *Option) read(to any, s string) (err error) {
	switch to := to.(type) {
	case *bool:
		if *to, err = strconv.ParseBool(s); err != nil {
			return fmt.Errorf("option %s takes no value, and %q was given; leave it out", o.Spelling(), s)
		}
	case *string:
		if len(o.Words) > 0 && o.closed() && !contains(o.Words, s) {
			return fmt.Errorf("%s %q: not known; say %s", o.Spelling(), s, alternatives(o.Words))
		}
		*to = s
	case *[]string:
		*to = append(*to, s)
	case *int:
		return o.readInt(to, s)
	case *uint64:
		if *to, err = strconv.ParseUint(s, 10, 64); err != nil {
			return fmt.Errorf("%s %q: not a whole number; say one from 0 on", o.Spelling(), s)
		}
	case count:
		return o.readCount(to.to, s)
	case lines:
		if s == "" || strings.Trim(s, "-+0.") == "" {
			s = "1"
		}
		return o.readCount(to.to, s)
	}
	return nil
}

// closed reports whether Words are all that the value can be.
func (o *Option) closed() bool {
	return o.Name == "strays" || o.Name == "arch" || o.Name == "jobserver" || o.Name == "trim" || o.Name == "framing" || o.Name == "order"
}

func (o *Option) readInt(to *int, s string) error {
	if o.Arg == Counted {
		*to++
		return nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < -20 || n > 19 {
		return fmt.Errorf("%s %q: not a niceness; say a whole number from -20 (first) to 19 (last)", o.Spelling(), s)
	}
	*to = n
	return nil
}

// units are GNU parallel's.
var units = map[string]float64{
	"": 1, "k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12, "p": 1e15,
	"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40, "P": 1 << 50,
	"ki": 1 << 10, "mi": 1 << 20, "gi": 1 << 30, "ti": 1 << 40, "pi": 1 << 50,
	"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40, "Pi": 1 << 50,
}

func (o *Option) readCount(to *int64, s string) error {
	number := strings.TrimRight(s, "kmgtpKMGTPi")
	unit, known := units[s[len(number):]]
	f, err := strconv.ParseFloat(number, 64)
	f *= unit
	if err != nil || !known || strings.ContainsAny(number, "xXpP_") || !(f >= 0 && f <= math.MaxInt32*1024) || f != math.Trunc(f) {
		return fmt.Errorf("%s %q: not a number of things; say a whole number such as 10 or 2k", o.Spelling(), s)
	}
	*to = int64(f)
	return nil
}

func contains(words []string, s string) bool {
	for _, w := range words {
		if w == s {
			return true
		}
	}
	return false
}

// alternatives says "a, b or c".
func alternatives(words []string) string {
	if len(words) == 1 {
		return words[0]
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}

// String returns the value as it stands, for the flag library.
func (v *value) String() string {
	if v == nil || v.m == nil || v.o.field == nil {
		return ""
	}
	switch to := v.o.field(v.m).(type) {
	case *bool:
		return strconv.FormatBool(*to)
	case *string:
		return *to
	case *int:
		return strconv.Itoa(*to)
	}
	return ""
}

// Type names the value's type, for the flag library.
func (v *value) Type() string {
	switch v.o.Arg {
	case Switch:
		return "bool"
	case Counted:
		return "count"
	}
	return "string"
}
