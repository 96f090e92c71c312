package command

import "strings"

// Quote writes v as one word for a shell of the Bourne family, byte for byte as
// GNU parallel does: plain names stay as they are, all else goes into single
// quotes, inside which no byte but the quote itself means anything to any of
// these shells.
func Quote(v string) string {
	if v == "" {
		return "''"
	}
	if isPlain(v) {
		return v
	}
	q := "'" + strings.ReplaceAll(v, "'", `'"'"'`) + "'"
	// Quotes around nothing at either end are left off.
	return strings.TrimSuffix(strings.TrimPrefix(q, "''"), "''")
}

// isPlain tells whether no shell sees anything but itself in v.
func isPlain(v string) bool {
	for i := range len(v) {
		switch c := v[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case c == '-', c == '_', c == '.', c == '+', c == '/':
		default:
			return false
		}
	}
	return true
}

// ShellQuote quotes a value for --shellquote, once.
func ShellQuote(v string) string { return Quote(v) }
