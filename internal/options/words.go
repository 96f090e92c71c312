package options

import (
	"errors"
	"strings"
)

// splitWords splits a line into words as GNU parallel does with lines of its
// configuration files and with $PARALLEL: blanks separate, a backslash keeps the
// next letter, also between double quotes whatever that letter is; between single
// quotes all stays as it is, but \' does not end them. Nothing is expanded.
func splitWords(line string) ([]string, error) {
	const blanks = " \t\n\r\f\v"
	var words []string
	var word strings.Builder
	inWord := false
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case strings.IndexByte(blanks, c) >= 0:
			if inWord {
				words = append(words, word.String())
				word.Reset()
			}
			inWord = false
		case c == '\\':
			if i+1 == len(line) {
				return nil, errors.New("it ends with a backslash; write \\\\ for one")
			}
			i++
			word.WriteByte(line[i])
			inWord = true
		case c == '"' || c == '\'':
			n := quoted(line[i:], &word)
			if n == 0 {
				return nil, errors.New("a quote is not closed; write \\" + string(c) + " for a quote that is only a letter")
			}
			i += n - 1
			inWord = true
		default:
			word.WriteByte(c)
			inWord = true
		}
	}
	if inWord {
		words = append(words, word.String())
	}
	return words, nil
}

// quoted appends to word what stands between the quotes that s begins with, and
// returns how long it is with them; 0: they are not closed.
func quoted(s string, word *strings.Builder) int {
	quote := s[0]
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == quote:
			return i + 1
		case s[i] == '\\' && i+1 < len(s):
			if quote == '\'' {
				word.WriteByte(s[i])
			}
			i++
			word.WriteByte(s[i])
		default:
			word.WriteByte(s[i])
		}
	}
	return 0
}
