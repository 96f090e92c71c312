package command

import (
	"math"
	"regexp"
	"strconv"
	"strings"
)

// kind is what a part of a template stands for.
type kind int

const (
	literal   kind = iota // the user's text
	value                 // {}   the value
	noExt                 // {.}  without its extension
	base                  // {/}  without its directory
	dir                   // {//} its directory
	baseNoExt             // {/.} without either
	seq                   // {#}  the job's number
	slot                  // {%}  the number of the slot it runs in
)

var kinds = map[string]kind{
	"": value, ".": noExt, "/": base, "//": dir, "/.": baseNoExt, "#": seq, "%": slot,
}

// part is a piece of a template: text, or a replacement string.
type part struct {
	kind     kind
	text     string // of a literal
	position int    // {2}: the source, from 1; below 0 from the end; 0 all of them
}

// nowhere is the position of a replacement string that stands for nothing.
const nowhere = math.MaxInt

// GNU allows white space behind a position: {1 /}.
var replacement = regexp.MustCompile(`\{(?:(-?[0-9]+)[ \t\n\v\f\r]*)?(\.|/\.|//|/|)\}|\{([#%])\}`)

// splitParts cuts a template's text at its replacement strings.
func splitParts(text string) []part {
	var parts []part
	done := 0
	for _, m := range replacement.FindAllStringSubmatchIndex(text, -1) {
		if m[0] > done {
			parts = append(parts, part{text: text[done:m[0]]})
		}
		done = m[1]
		if m[6] >= 0 {
			parts = append(parts, part{kind: kinds[text[m[6]:m[7]]]})
			continue
		}
		p := part{kind: kinds[text[m[4]:m[5]]]}
		if m[2] >= 0 {
			p.position = parsePosition(text[m[2]:m[3]])
		}
		parts = append(parts, p)
	}
	if done < len(text) {
		parts = append(parts, part{text: text[done:]})
	}
	return parts
}

// parsePosition reads the number in {2}. {0} is {} in GNU, but {00} and {-0} are
// no source, and neither is what no int can hold.
func parsePosition(digits string) int {
	n, err := strconv.Atoi(digits)
	if err != nil || n == 0 && digits != "0" {
		return nowhere
	}
	return n
}

func hasReplacement(parts []part) bool {
	for _, p := range parts {
		if p.kind != literal {
			return true
		}
	}
	return false
}

// splitWords cuts parts into words at the blanks of their text.
func splitWords(parts []part) [][]part {
	var words [][]part
	var cur []part
	flush := func() {
		if cur != nil {
			words, cur = append(words, cur), nil
		}
	}
	for _, p := range parts {
		if p.kind != literal {
			cur = append(cur, p)
			continue
		}
		for rest := p.text; rest != ""; {
			end := strings.IndexAny(rest, " \t")
			switch end {
			case 0:
				flush()
				rest = rest[1:]
				continue
			case -1:
				end = len(rest)
			}
			cur = append(cur, part{text: rest[:end]})
			rest = rest[end:]
		}
	}
	flush()
	return words
}

// index finds the value that p's position means among n, or -1. Positions count
// twice around from the end, {-3} of two sources being the last, as in GNU.
func (p part) index(n int) int {
	if p.position > 0 {
		if p.position > n {
			return -1
		}
		return p.position - 1
	}
	if i := p.position + n; i >= 0 {
		return i
	} else if i >= -n {
		return i + n
	}
	return -1
}

// count is how many words p becomes: all values for {}, one or none for {2}.
func (p part) count(j Job) int {
	switch {
	case p.kind == seq || p.kind == slot:
		return 1
	case p.position == 0:
		return len(j.Args)
	case p.index(len(j.Args)) < 0:
		return 0
	}
	return 1
}

// expand gives the i-th of p's words, not quoted.
func (p part) expand(j Job, i int) string {
	switch p.kind {
	case seq:
		return strconv.FormatInt(j.Seq, 10)
	case slot:
		return slotMark
	}
	if p.position != 0 {
		i = p.index(len(j.Args))
	}
	v := j.Args[i]
	switch p.kind {
	case noExt:
		return trimExt(v)
	case base:
		return baseName(v)
	case dir:
		return dirName(v)
	case baseNoExt:
		return trimExt(baseName(v))
	}
	return v
}

// trimExt removes the last extension of the last component: a.b/c.tar.gz
// becomes a.b/c.tar, and .bashrc nothing at all, as in GNU.
func trimExt(v string) string {
	if i := strings.LastIndexByte(v, '.'); i > strings.LastIndexByte(v, '/') {
		return v[:i]
	}
	return v
}

// baseName is what follows the last slash; of a path that ends in one, nothing.
func baseName(v string) string { return v[strings.LastIndexByte(v, '/')+1:] }

// dirName is dirname(1)'s answer, which differs from path.Dir: nothing is
// cleaned, so that a/../b has the directory a/.. and a symlink keeps its sense.
func dirName(v string) string {
	if trimmed := strings.TrimRight(v, "/"); trimmed != "" {
		v = trimmed
	} else if v != "" {
		return "/"
	}
	i := strings.LastIndexByte(v, '/')
	if i < 0 {
		return "."
	}
	if d := strings.TrimRight(v[:i], "/"); d != "" {
		return d
	}
	return "/"
}
