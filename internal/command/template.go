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
//   - GNU's Perl expressions {= =} and linked sources :::+ are errors and not
//     passed on as text.
//
// Nothing here starts a process.
package command

import (
	"errors"
	"fmt"
	"strings"
)

// slotMark stands for {%} until the slot is known. No value and no template
// can contain a NUL, so it cannot be mistaken for one of their bytes.
const slotMark = "\x00"

// Job is one task's place in the run and its values.
type Job struct {
	Seq  int64    // place in the inputs, from 1
	Args []string // one value per input source, any bytes but NUL
}

// Template is a command line with replacement strings, parsed once for a run.
// It does not change and may be used by several goroutines.
type Template struct {
	parts []part   // the text, cut at its replacement strings
	words [][]part // the words of parts where no shell is needed, else nil
	path  string   // what is started: the command's executable, or the shell
	raw   bool     // values are shell code and not quoted
}

// Parse is ParseIn with DefaultEnv.
func Parse(words []string) (*Template, error) { return ParseIn(words, DefaultEnv()) }

// ParseIn reads the command part of a command line: one word that is a whole
// command ('gzip -9 {}') or several, which are joined with spaces. No words
// mean {}: each input is a command. A template without a replacement string
// gets " {}" at its end. env decides whether a shell is needed.
func ParseIn(words []string, env Env) (*Template, error) {
	if env.LookPath == nil {
		env.LookPath = lookPath
	}
	text := strings.Join(words, " ")
	if strings.Contains(text, slotMark) {
		return nil, errors.New("parse command: it contains a NUL byte")
	}
	if _, after, ok := strings.Cut(text, "{="); ok && strings.Contains(after, "=}") {
		return nil, errors.New("parse command: Perl expressions {= =} are not supported")
	}
	parts := splitParts(text)
	if !hasReplacement(parts) {
		if len(words) > 0 {
			text += " "
		}
		parts = splitParts(text + "{}")
	}
	t := &Template{parts: parts, raw: commandIsReplaced(parts)}
	if path, ok := env.executable(parts); ok {
		t.path, t.words = path, splitWords(parts)
		return t, nil
	}
	path, err := env.shellFor(parts, t.raw)
	if err != nil {
		return nil, fmt.Errorf("parse command: %w", err)
	}
	t.path = path
	return t, nil
}

// NeedsShell tells whether the commands are run by a shell.
func (t *Template) NeedsShell() bool { return t.words == nil }

// commandIsReplaced tells whether a replacement string is the command's name or
// a part of it. GNU's rule: nothing that ends a word and no = stands before it.
func commandIsReplaced(parts []part) bool {
	first := parts[0]
	return first.kind != literal || !strings.ContainsAny(first.text, " \t\n=") && len(parts) > 1
}

// Rendered is one command, ready to be started but for the slot it will run in.
// It is plain data and meant to travel. Its strings hold any bytes: a codec that
// carries them must not insist on UTF-8.
type Rendered struct {
	Path    string   // the executable to start, found once: the command's own or the shell
	Argv    []string // the words of the command where no shell is needed, else nil
	Shell   string   // else the text for the shell
	Display string   // the command as a shell would read it: what --dry-run prints
}

// Render fills the template with j's values. It fails only for what no system
// call could start: a NUL in a value, and a *SizeError.
func (t *Template) Render(j Job) (Rendered, error) {
	if len(j.Args) == 0 {
		j.Args = []string{""}
	}
	for _, v := range j.Args {
		if strings.Contains(v, slotMark) {
			return Rendered{}, fmt.Errorf("job %d: a value contains a NUL byte, which no argument can hold", j.Seq)
		}
	}
	r := Rendered{Path: t.path, Display: t.text(j)}
	if t.words == nil {
		r.Shell = r.Display
	} else {
		r.Argv = t.argv(j)
	}
	if err := r.checkSize(j.Seq); err != nil {
		return Rendered{}, err
	}
	return r, nil
}

func (t *Template) text(j Job) string {
	var b strings.Builder
	for _, p := range t.parts {
		if p.kind == literal {
			b.WriteString(p.text)
			continue
		}
		for i := range p.count(j) {
			if i > 0 {
				b.WriteByte(' ')
			}
			v := p.expand(j, i)
			// The slot is digits in the end and never needs quotes.
			if !t.raw && p.kind != slot {
				v = Quote(v)
			}
			b.WriteString(v)
		}
	}
	return b.String()
}

// argv gives the words that a shell would make of text(j). A word made only of
// replacement strings that stand for nothing ({3} of two sources) is no word.
func (t *Template) argv(j Job) []string {
	out := make([]string, 0, len(t.words)+len(j.Args))
	for _, word := range t.words {
		var cur string
		exists := false
		for _, p := range word {
			if p.kind == literal {
				cur, exists = cur+p.text, true
				continue
			}
			for i := range p.count(j) {
				if i > 0 {
					out, cur = append(out, cur), ""
				}
				cur, exists = cur+p.expand(j, i), true
			}
		}
		if exists {
			out = append(out, cur)
		}
	}
	return out
}

// WithSlot fills in the job slot, {%}; slots are counted from 1.
func (r Rendered) WithSlot(n int) Rendered { return r.replaceSlot(fmt.Sprint(n)) }

// Key names the task for the job log and for resume: the command as displayed,
// where {%} stays {%}, since the slot is chance and differs from run to run.
func (r Rendered) Key() string { return strings.ReplaceAll(r.Display, slotMark, "{%}") }

func (r Rendered) replaceSlot(s string) Rendered {
	if !strings.Contains(r.Display, slotMark) {
		return r
	}
	r.Display = strings.ReplaceAll(r.Display, slotMark, s)
	r.Shell = strings.ReplaceAll(r.Shell, slotMark, s)
	var argv []string
	for _, a := range r.Argv {
		argv = append(argv, strings.ReplaceAll(a, slotMark, s))
	}
	r.Argv = argv
	return r
}

// Exec gives what to start, executable and arguments, with or without a shell.
func (r Rendered) Exec() (path string, argv []string) {
	if r.Argv != nil {
		return r.Path, r.Argv
	}
	// A text that looks like an option would be taken for one.
	if strings.HasPrefix(r.Shell, "-") || strings.HasPrefix(r.Shell, "+") {
		return r.Path, []string{r.Path, "-c", "--", r.Shell}
	}
	return r.Path, []string{r.Path, "-c", r.Shell}
}
