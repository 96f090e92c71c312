package command

import (
	"fmt"
	"strings"
)

// Rendered is one command, ready to be started but for the slot it will run in.
// It is plain data and meant to travel. Its strings hold any bytes: a codec that
// carries them must not insist on UTF-8.
type Rendered struct {
	Path    string   // the executable to start, found once: the command's own or the shell
	Argv    []string // the words of the command where no shell is needed, else nil
	Shell   string   // else the text for the shell
	Display string   // the command as a shell would read it: what --dry-run prints
}

// NeedsShell tells whether the commands are run by a shell.
func (t *Template) NeedsShell() bool { return t.direct == nil }

// Executable is the program that every job starts, where no shell is needed for it and
// no value is part of its name; else "".
func (t *Template) Executable() string {
	if t.direct == nil {
		return ""
	}
	return t.path
}

// NeedsTotal tells whether Job.Total must be known before a job is rendered.
func (t *Template) NeedsTotal() bool { return t.total }

// Render fills the template with j's values. It fails for what no system call
// could start: a NUL in a value, and a *SizeError; where an expression of --rpl
// does; and with ErrSkip for a job that is not to be run.
func (t *Template) Render(j Job) (Rendered, error) {
	j, err := j.checked()
	if err != nil {
		return Rendered{}, err
	}
	r := Rendered{Path: t.path}
	style := quoteValues
	switch {
	case t.quote:
		style = quoteWords
	case t.raw:
		style = quoteNothing
	}
	if r.Display, err = t.text(j, style); err != nil {
		return Rendered{}, err
	}
	if t.direct == nil {
		r.Shell = r.Display
	} else {
		r.Argv, err = t.argv(j)
		if err != nil {
			return Rendered{}, err
		}
	}
	if err := r.checkSize(j.Seq); err != nil {
		return Rendered{}, err
	}
	return r, nil
}

// checked refuses what no argument can hold.
func (j Job) checked() (Job, error) {
	for _, v := range j.Args {
		if strings.Contains(v, slotMark) {
			return j, fmt.Errorf("job %d: a value contains a NUL byte, which no argument can hold", j.Seq)
		}
	}
	return j, nil
}

// style says what is quoted.
type style int

const (
	quoteValues  style = iota // each value where it is inserted
	quoteNothing              // the values are shell code
	quoteWords                // -q: each whole word
)

// word is a word under construction. Values that follow each other in it begin
// new words.
type word struct {
	done    []string
	current []byte
	exists  bool // something was put into current, if only an empty value
}

func (w *word) end() {
	w.done = append(w.done, string(w.current))
	w.current, w.exists = w.current[:0], false
}

func (t *Template) text(j Job, s style) (string, error) {
	var w word
	for _, chunks := range t.words {
		for _, c := range chunks {
			if err := t.put(&w, c, j, s == quoteValues); err != nil {
				return "", err
			}
		}
		w.end()
	}
	if s == quoteWords {
		for i, v := range w.done {
			w.done[i] = quoteMarked(v)
		}
	}
	return strings.Join(w.done, " "), nil
}

// argv gives the words that a shell would make of text(j). A word made only of
// replacement strings that stand for nothing ({3} of two sources) is no word,
// unless it was quoted as a whole.
func (t *Template) argv(j Job) ([]string, error) {
	w := word{done: make([]string, 0, len(t.direct)+len(j.Args))}
	for _, chunks := range t.direct {
		for _, c := range chunks {
			if err := t.put(&w, c, j, false); err != nil {
				return nil, err
			}
		}
		if w.exists || t.quote {
			w.end()
		}
	}
	return w.done, nil
}

// put adds a chunk, as often as it has to stand there.
func (t *Template) put(w *word, c chunk, j Job, quote bool) error {
	times := 1
	if c.perValue {
		times = len(j.Args)
	}
	for i := range times {
		if i > 0 {
			w.end()
		}
		if err := t.putOnce(w, c, j, i, quote); err != nil {
			return err
		}
	}
	return nil
}

// putOnce adds a chunk as it is for the i-th value.
func (t *Template) putOnce(w *word, c chunk, j Job, i int, quote bool) error {
	for _, p := range c.parts {
		if p.run == nil {
			w.current, w.exists = append(w.current, p.text...), true
			continue
		}
		v, ok, err := p.expand(&j, i, t.slots)
		if err != nil {
			return err
		}
		if ok {
			if quote && !p.unquoted {
				v = quoteMarked(v)
			}
			w.current, w.exists = append(w.current, v...), true
		}
	}
	return nil
}

// expand gives what p stands for at the i-th value, not quoted; ok is false where
// it stands for nothing.
func (p part) expand(j *Job, i, slots int) (v string, ok bool, err error) {
	switch {
	case p.once:
		i = 0
	case p.position != 0:
		i = p.index(len(j.Args))
	}
	f := frame{job: j, slots: slots}
	switch {
	case i >= 0 && i < len(j.Args):
		f.value = j.Args[i]
	case !p.once: // which needs no value
		return "", false, nil
	}
	if err := p.run(&f); err != nil {
		return "", false, fmt.Errorf("job %d: %w", j.Seq, err)
	}
	if f.skip {
		return "", false, ErrSkip
	}
	return f.value, true, nil
}

// WithSlot fills in the job slot, {%}; slots are counted from 1.
func (r Rendered) WithSlot(n int) Rendered {
	if !strings.Contains(r.Display, slotMark) {
		return r
	}
	r.Display, r.Shell = FillSlot(r.Display, n), FillSlot(r.Shell, n)
	var argv []string
	for _, a := range r.Argv {
		argv = append(argv, FillSlot(a, n))
	}
	r.Argv = argv
	return r
}

// Text is the command as displayed, with the job slot filled in; where that is not
// known, 0, {%} stays {%}.
func (r Rendered) Text(slot int) string {
	if slot > 0 {
		return FillSlot(r.Display, slot)
	}
	return slotMarks().ReplaceAllLiteralString(r.Display, "{%}")
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
