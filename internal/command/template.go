// Package command tells what a task of the command line is made of: a template
// and one value from each input source become one command line, and every byte
// of a value arrives in the command as it was.
//
// Syntax and quoting are GNU parallel's, so that people's fingers and scripts
// keep working; the places where this package differs are listed here, each
// because GNU loses data or runs something else there.
//
//   - A value is quoted for the shell as it is inserted, wherever it stands.
//     Quotes that the template already has around a replacement string are NOT
//     looked at: 'echo "{}"' with the value a b runs echo "'a b'", as in GNU.
//     Write replacement strings outside quotes.
//   - Where the command itself is a replacement string ('{}', 'a{}', no command
//     at all), values are inserted raw and the shell reads them as code, as in
//     GNU: each input is a whole command line then.
//   - {/} of a path with a newline in a directory is the true base name (GNU
//     matches line by line there and returns a name that does not exist).
//   - A value after ::: may contain newlines (GNU splits it into several).
//   - A NUL byte in an input line is an error (GNU writes backslash and 0).
//   - GNU's Perl expressions {= =} are errors that say what to write instead:
//     --rpl, whose expressions are a small piece of Perl (rpl_parse.go).
//   - {##} works without --plus, {name} takes every ending that {1} takes, and
//     works beside -I.
//   - {:-x} of --plus gives x for an empty value, as GNU's manual says, and not
//     for a 0. {#re} and {%re} count no parentheses of re as theirs.
//   - {1#} and {1%} are text: a job's number has no position (GNU: nothing).
//   - Arithmetic on what is no number is an error (Perl: 0).
//   - {uniq} and {choose_k} skip with --dry-run, too.
//   - {slot} is {%}.
//
// Nothing here starts a process.
package command

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Job is one task's place in the run and its values.
type Job struct {
	Seq   int64    // place in the inputs, from 1
	Total int64    // jobs of the whole run, 0 while that is unknown; {##} wants it
	Args  []string // any bytes but NUL: one value per source or column, of several records one after the other
}

// Options say what else than the words decides about a command's template. The
// zero value is GNU parallel's default behaviour.
type Options struct {
	Env      Env      // the shell, executables and functions; zero: DefaultEnv
	Names    []string // the columns' names, from --header; "" is no name
	Plus     bool     // --plus: more replacement strings
	Rpl      []string // --rpl: a tag, white space and an expression each
	Replace  Replace  // tags that were renamed
	Parens   string   // --parens: what GNU puts around Perl; "" is {==}
	Quote    bool     // -q: the words are the command's words, not shell code
	Context  bool     // -X: the word around a replacement string is repeated, too
	NoAppend bool     // a command without a replacement string stays one (--pipe)
	Slots    int      // the number of job slots: how wide {0%} is
}

// Replace holds other tags for the basic replacement strings; "" keeps the usual.
type Replace struct {
	Value     string // -I, -i, --replace: for {}
	NoExt     string // --er, --extensionreplace: for {.}
	Base      string // --bnr, --basenamereplace: for {/}
	Dir       string // --dnr, --dirnamereplace: for {//}
	BaseNoExt string // --bner, --basenameextensionreplace: for {/.}
	Seq       string // --seqreplace: for {#}
	Slot      string // --slotreplace: for {%}
}

// ErrSkip says that the template itself asks not to run a job: {uniq},
// {choose_k} and skip().
var ErrSkip = errors.New("the job is skipped by a replacement string")

// Template is a command line with replacement strings, parsed once for a run.
// It does not change and may be used by several goroutines.
type Template struct {
	words  [][]chunk // as the user wrote them, one a word
	direct [][]chunk // the words that a shell would see, where none is needed, else nil
	path   string    // what is started: the command's executable, or the shell
	raw    bool      // values are shell code and not quoted
	quote  bool      // whole words are quoted, and not values
	slots  int
	total  bool
}

// Parse is ParseIn with DefaultEnv.
func Parse(words []string) (*Template, error) { return ParseWith(words, Options{}) }

// ParseIn is ParseWith in another environment.
func ParseIn(words []string, env Env) (*Template, error) {
	return ParseWith(words, Options{Env: env})
}

// ParseWith reads the command part of a command line: one word that is a whole
// command ('gzip -9 {}') or several, which are joined with spaces. No words
// mean {}: each input is a command. A template without a replacement string
// gets the word {} at its end. The environment decides whether a shell is needed.
func ParseWith(words []string, o Options) (*Template, error) {
	env := o.env()
	ms, err := o.matchers()
	if err != nil {
		return nil, err
	}
	cut, err := o.splitWords(words, ms)
	if err != nil {
		return nil, fmt.Errorf("parse command: %w", err)
	}
	if len(cut) == 0 || !o.NoAppend && !slices.ContainsFunc(cut, hasReplacement) {
		whole := part{run: func(*frame) error { return nil }, short: true}
		cut = append(cut, []part{whole})
	}
	t := &Template{quote: o.Quote, slots: o.Slots, raw: !o.Quote && commandIsReplaced(cut)}
	for _, word := range cut {
		t.words = append(t.words, chunks(word, o.Context))
		t.total = t.total || slices.ContainsFunc(word, func(p part) bool { return p.total })
	}
	shellWords := cut
	if !o.Quote {
		shellWords = splitWords(joinWords(cut))
	}
	if path, ok := env.executable(shellWords, o.Quote); ok {
		t.path = path
		for _, word := range shellWords {
			t.direct = append(t.direct, chunks(word, o.Context))
		}
		return t, nil
	}
	path, err := env.shellFor(joinWords(cut), t.raw)
	if err != nil {
		return nil, fmt.Errorf("parse command: %w", err)
	}
	t.path = path
	return t, nil
}

func (o Options) env() Env {
	env := o.Env
	if env.Shell == "" && env.LookPath == nil && env.Functions == nil && !env.Startup {
		return DefaultEnv()
	}
	if env.LookPath == nil {
		env.LookPath = lookPath
	}
	return env
}

// splitWords cuts each word at its replacement strings.
func (o Options) splitWords(words []string, ms []matcher) ([][]part, error) {
	if err := o.refusePerl(words); err != nil {
		return nil, err
	}
	var cut [][]part
	for _, word := range words {
		if strings.Contains(word, slotMark) {
			return nil, errors.New("it contains a NUL byte, which no argument can hold")
		}
		parts, err := splitParts(word, ms, o.Names)
		if err != nil {
			return nil, err
		}
		cut = append(cut, parts)
	}
	return cut, nil
}

func hasReplacement(parts []part) bool {
	return slices.ContainsFunc(parts, func(p part) bool { return p.run != nil })
}

// commandIsReplaced tells whether a replacement string is the command's name or
// a part of it. GNU's rule: nothing that ends a word and no = stands before it.
func commandIsReplaced(words [][]part) bool {
	for _, p := range words[0] {
		if p.run != nil {
			return true
		}
		if strings.ContainsAny(p.text, " \t\n=") {
			return false
		}
	}
	return false
}

// joinWords makes one text of words: what a shell would be given.
func joinWords(words [][]part) []part {
	var all []part
	for i, word := range words {
		if i > 0 {
			all = append(all, part{text: " "})
		}
		all = append(all, word...)
	}
	return all
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
		if p.run != nil {
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

// chunk is what is repeated for every value: a replacement string alone, or with
// -X the text around it as well.
type chunk struct {
	parts    []part
	perValue bool // false: it stands there once
}

// chunks cuts a word. With context a blank ends a chunk, and a tab stays with
// the chunk behind it, as in GNU.
func chunks(word []part, context bool) []chunk {
	var out []chunk
	var cur []part
	flush := func() {
		if cur != nil {
			out = append(out, chunk{cur, slices.ContainsFunc(cur, part.perValue)})
			cur = nil
		}
	}
	for _, p := range word {
		if !context {
			cur = []part{p}
			flush()
			continue
		}
		for p.run == nil {
			i := strings.IndexAny(p.text, " \t")
			if i < 0 {
				break
			}
			if i > 0 {
				cur = append(cur, part{text: p.text[:i]})
			}
			flush()
			if p.text[i] == ' ' {
				cur = []part{{text: " "}}
				flush()
			} else {
				cur = []part{{text: "\t"}}
			}
			p.text = p.text[i+1:]
		}
		if p.run != nil || p.text != "" {
			cur = append(cur, p)
		}
	}
	flush()
	return out
}
