package options

import (
	"fmt"
	"strings"

	"github.com/tutti-run/tutti/internal/nearest"
)

// scanned is what the options in front of a command line say.
type scanned struct {
	flags []string // each option once, by its canonical name, its value behind "="
	rest  []string // the words from the first that is no option
}

// scan reads options as Getopt::Long does where letters bundle and options end
// at the first word that is none.
func scan(argv []string) (s scanned, err error) {
	for len(argv) > 0 {
		word := argv[0]
		if word == "--" {
			argv = argv[1:]
			break
		}
		if len(word) < 2 || word[0] != '-' {
			break
		}
		if strings.HasPrefix(word, "--") {
			argv, err = s.long(word[2:], argv[1:])
		} else {
			argv, err = s.letters(word[1:], argv[1:])
		}
		if err != nil {
			return s, err
		}
	}
	s.rest = argv
	return s, nil
}

// long reads the option in --text, and its value from the next words if it has
// one there. It returns the words that are left.
func (s *scanned) long(text string, next []string) ([]string, error) {
	name, joined, hasJoined := strings.Cut(text, "=")
	o, several := find(name)
	if o == nil {
		return nil, unknown(name, several)
	}
	if o.Name == "group" { // GNU parallel's switch, unless workers of a kind follow it
		switch group := index().byName["worker-group"]; {
		case hasJoined:
			return next, s.add(group, joined, true)
		case len(next) > 0 && namesWorkers(next[0]):
			return next[1:], s.add(group, next[0], true)
		}
	}
	if o.Arg == Switch || o.Arg == Counted {
		if hasJoined {
			return nil, fmt.Errorf("option --%s takes no value, and %q was given; leave it out", name, joined)
		}
		return next, s.add(o, "", false)
	}
	if hasJoined {
		if o.Arg == OptionalNumber && leadingNumber(joined) != joined {
			return nil, fmt.Errorf("option --%s takes a number, and %q was given", name, joined)
		}
		return next, s.add(o, joined, true)
	}
	return s.fromNext(o, "--"+name, next)
}

// namesWorkers reports whether a word is what --worker-group takes: a name and a number
// behind a colon, as no command begins.
func namesWorkers(word string) bool {
	name, rest, ok := strings.Cut(word, ":")
	count, _, _ := strings.Cut(rest, ":")
	return ok && name != "" && count != "" && strings.Trim(count, "0123456789") == ""
}

// letters reads options of one letter, joined as in -kj4.
func (s *scanned) letters(text string, next []string) ([]string, error) {
	for i := 0; i < len(text); i++ {
		o := index().byChar[text[i]]
		if o == nil {
			return nil, unknownLetter(text, i)
		}
		if o.Arg == Switch || o.Arg == Counted {
			if err := s.add(o, "", false); err != nil {
				return nil, err
			}
			continue
		}
		joined := text[i+1:]
		if joined == "" {
			return s.fromNext(o, "-"+text[i:i+1], next)
		}
		if o.Arg == OptionalNumber { // what follows the number is letters again
			number := leadingNumber(joined)
			if err := s.add(o, number, number != ""); err != nil {
				return nil, err
			}
			i += len(number)
			continue
		}
		return next, s.add(o, joined, true)
	}
	return next, nil
}

// fromNext takes the value of an option from the next word, if it may.
func (s *scanned) fromNext(o *Option, as string, next []string) ([]string, error) {
	switch {
	case o.Arg == Required && len(next) == 0 && o.State == Refused:
		return nil, s.add(o, "", false)
	case o.Arg == Required && len(next) == 0:
		return nil, fmt.Errorf("option %s needs a value: %s", as, o.sample())
	case len(next) == 0:
		return next, s.add(o, "", false)
	}
	word := next[0]
	switch {
	case o.Arg == OptionalText && len(word) > 1 && (word[0] == '-' || word[0] == '+'):
		return next, s.add(o, "", false)
	case o.Arg == OptionalNumber && word == "-0": // both the number and --null
		null := index().byName["null"]
		if err := s.add(null, "", false); err != nil {
			return nil, err
		}
		return next[1:], s.add(o, "", false)
	case o.Arg == OptionalNumber && (word == "" || leadingNumber(word) != word):
		return next, s.add(o, "", false)
	}
	return next[1:], s.add(o, word, true)
}

// sample shows how the option is given: -j N, --jobs N.
func (o *Option) sample() string {
	value := o.Value
	if value == "" {
		value = "VALUE"
	}
	return o.Spelling() + " " + value
}

// add appends an option in its plain form.
func (s *scanned) add(o *Option, text string, given bool) error {
	if o.State == Refused && o.field == nil {
		if o.only != "" && text == o.only {
			return nil
		}
		return o.refusal()
	}
	flag := "--" + o.Name
	if given {
		flag += "=" + text
	}
	s.flags = append(s.flags, flag)
	return nil
}

// leadingNumber returns the decimal number that s begins with, perhaps with a
// sign, a fraction and an exponent; "" if there is none.
func leadingNumber(s string) string {
	n := skipSign(s, 0)
	whole := skipDigits(s, n)
	digits := whole - n
	n = whole
	if n < len(s) && s[n] == '.' {
		fraction := skipDigits(s, n+1)
		digits += fraction - n - 1
		n = fraction
	}
	if digits == 0 {
		return ""
	}
	if n < len(s) && (s[n] == 'e' || s[n] == 'E') {
		begin := skipSign(s, n+1)
		if end := skipDigits(s, begin); end > begin {
			n = end
		}
	}
	return s[:n]
}

func skipSign(s string, i int) int {
	if i < len(s) && (s[i] == '-' || s[i] == '+') {
		i++
	}
	return i
}

func skipDigits(s string, i int) int {
	for i < len(s) && s[i] >= '0' && s[i] <= '9' {
		i++
	}
	return i
}

// unknown is the error for a long name that means no option, or several.
func unknown(name string, several []string) error {
	if len(several) > 0 {
		return fmt.Errorf("option --%s could be %s; write a letter more", clean(name), alternatives(several))
	}
	var names []string
	for _, o := range All() {
		if o.State != Refused {
			names = append(names, o.names()...)
		}
	}
	if near := nearest.Of(strings.ToLower(name), names); near != "" {
		return fmt.Errorf("there is no option --%s; did you mean %s? --help lists them", clean(name), dashed(near))
	}
	return fmt.Errorf("there is no option --%s; --help lists them", clean(name))
}

// unknownLetter is the error for the letter at i of -text.
func unknownLetter(text string, i int) error {
	if i == 0 && len(text) == 1 {
		return fmt.Errorf("there is no option -%s; --help lists them", clean(text))
	}
	if o := index().byName[strings.ToLower(text)]; o != nil {
		return fmt.Errorf("there is no option -%s in -%s; did you mean %s?", clean(text[i:i+1]), clean(text), o.Spelling())
	}
	return fmt.Errorf("there is no option -%s in -%s; --help lists them, and names of several letters have two hyphens", clean(text[i:i+1]), clean(text))
}

// clean makes text from a command line fit for one line of an error.
func clean(s string) string {
	q := fmt.Sprintf("%q", s)
	return strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`)
}
