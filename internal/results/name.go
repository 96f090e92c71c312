package results

import (
	"crypto/sha256"
	"encoding/hex"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// nameMax is how long a name may be in the file systems of Linux. A longer one is
// cut, and told from others by its hash.
const nameMax = 255

var escapes = strings.NewReplacer("\\", "\\\\", "\t", "\\t", "\x00", "\\0", "/", "\\_")

// escape makes a value the name of a folder: one that is never empty, "." or "..",
// has no slash, and is no other value's. Where GNU parallel's name does, it is
// that. No value's own backslash stands alone, so that \e (empty), \. and \.. and
// the \# before a hash are nobody else's.
func escape(value string) string {
	switch value {
	case "":
		return `\e`
	case ".", "..":
		return `\` + value
	}
	name := escapes.Replace(value)
	if len(name) <= nameMax {
		return name
	}
	sum := sha256.Sum256([]byte(value))
	tail := `\#` + hex.EncodeToString(sum[:16])
	cut := nameMax - len(tail)
	for cut > 0 && !utf8.RuneStart(name[cut]) && nameMax-len(tail)-cut < utf8.UTFMax {
		cut--
	}
	// A backslash at the end would take that of the tail for its second half.
	return strings.TrimRight(name[:cut], `\`) + tail
}

// folder is where below the root the results of a job are: name/value for each of
// its values, as with GNU parallel.
//
// GNU's folders for lists with empty values lack a component, and may be those of
// another list: of ("", "2") and ("2", "") both are 1/2/2. They are used where no
// value is a name, so that it is plain which values are missing; otherwise an empty
// value is \e. So no two lists of one length share a folder.
func folder(j *Job, names []string, columns int) string {
	if len(j.Args) == 0 {
		return strconv.FormatInt(j.Seq, 10)
	}
	var full, short []string
	known := map[string]bool{}
	clear := true // it is, which components are names and which are values
	for _, p := range pairs(j.Args, names, columns) {
		name := escape(p.name)
		known[name] = true
		full = append(full, name, escape(p.value))
		short = append(short, name)
		if p.value != "" {
			short = append(short, escape(p.value))
		}
	}
	for i := 1; i < len(full); i += 2 {
		clear = clear && !known[full[i]]
	}
	if clear {
		full = short
	}
	return strings.Join(full, "/")
}

// pair is a value and its column's name.
type pair struct {
	order float64
	name  string
	value string
}

// pairs gives the values in the order of GNU parallel's folders: record by record,
// and in a record by the number that a name begins with and then by name.
func pairs(args, names []string, columns int) []pair {
	if columns <= 0 {
		columns = len(args)
	}
	all := make([]pair, 0, len(args))
	for len(args) > 0 {
		record := args[:min(columns, len(args))]
		args = args[len(record):]
		first := len(all)
		for i, v := range record {
			name := strconv.Itoa(i + 1)
			if i < len(names) {
				name = names[i]
			}
			all = append(all, pair{leadingNumber(name), name, v})
		}
		if names != nil {
			slices.SortStableFunc(all[first:], comparePairs)
		}
	}
	return all
}

func comparePairs(a, b pair) int {
	switch {
	case a.order < b.order:
		return -1
	case a.order > b.order:
		return 1
	}
	return strings.Compare(a.name, b.name)
}

// leadingNumber is the number that s begins with, 0 without one.
func leadingNumber(s string) float64 {
	s = strings.TrimLeft(s, " \t\n\r\f\v")
	end := 0
	digits := func() {
		for end < len(s) && s[end] >= '0' && s[end] <= '9' {
			end++
		}
	}
	if end < len(s) && (s[end] == '-' || s[end] == '+') {
		end++
	}
	if len(s)-end >= 3 && strings.EqualFold(s[end:end+3], "inf") { // Perl has it so: "info" is infinite
		return math.Inf(map[bool]int{true: -1, false: 1}[s[0] == '-'])
	}
	digits()
	if end < len(s) && s[end] == '.' {
		end++
		digits()
	}
	if mantissa := end; end < len(s) && (s[end] == 'e' || s[end] == 'E') {
		end++
		if end < len(s) && (s[end] == '-' || s[end] == '+') {
			end++
		}
		before := end
		if digits(); end == before {
			end = mantissa
		}
	}
	n, err := strconv.ParseFloat(s[:end], 64)
	if err != nil && !math.IsInf(n, 0) {
		return 0
	}
	return n
}
