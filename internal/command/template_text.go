package command

import "strings"

// Text is a text with replacement strings that is no command: a tag, a folder's
// name. It does not change and may be used by several goroutines.
type Text struct {
	t Template
}

// ParseText reads the text of an option such as --tagstring, --wd or --results.
// Of o only what concerns replacement strings is looked at.
func ParseText(text string, o Options) (*Text, error) {
	ms, err := o.matchers()
	if err != nil {
		return nil, err
	}
	words, err := o.splitWords([]string{text}, ms)
	if err != nil {
		return nil, err
	}
	x := &Text{Template{slots: o.Slots, words: [][]chunk{chunks(words[0], o.Context)}}}
	for _, p := range words[0] {
		x.t.total = x.t.total || p.total
	}
	return x, nil
}

// NeedsTotal tells whether Job.Total must be known before Expand is called.
func (x *Text) NeedsTotal() bool { return x.t.total }

// HasReplacement tells whether the text can differ from job to job.
func (x *Text) HasReplacement() bool {
	for _, c := range x.t.words[0] {
		if hasReplacement(c.parts) {
			return true
		}
	}
	return false
}

// Expand fills in j's values as they are, not quoted. Slot 0 is one that is not
// known yet: FillSlot writes it later.
func (x *Text) Expand(j Job, slot int) (string, error) {
	j, err := j.checked()
	if err != nil {
		return "", err
	}
	text, err := x.t.text(j, quoteNothing)
	if err != nil || slot == 0 || !strings.Contains(text, slotMark) {
		return text, err
	}
	return FillSlot(text, slot), nil
}
