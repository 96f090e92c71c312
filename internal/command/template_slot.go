package command

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
)

// slotMark begins and ends what stands for the job slot until that is known. No
// value and no template can contain a NUL, so it cannot be mistaken for one of
// their bytes. Between the two stands nothing, or width and offset: {0%} of a
// run with 12 slots is "\x002.0\x00".
const slotMark = "\x00"

var slotMarks = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile("\x00(?:([0-9]+)\\.(-?[0-9]+))?\x00")
})

// slotText stands for the slot plus offset, filled up with zeros to width.
func slotText(width, offset int64) string {
	if width == 0 && offset == 0 {
		return slotMark + slotMark
	}
	return fmt.Sprintf("%s%d.%d%s", slotMark, width, offset, slotMark)
}

// SlotOpen reports whether a text that Expand or Render gave waits for its slot.
func SlotOpen(text string) bool { return strings.Contains(text, slotMark) }

// MayNeedSlot reports whether a text with replacement strings may name the job slot:
// {%} or one of its like, under any name that o gives it.
func (o Options) MayNeedSlot(text string) bool {
	if strings.Contains(text, "%}") || o.Replace.Slot != "" && strings.Contains(text, o.Replace.Slot) {
		return true
	}
	const name = "slot" // {slot} of --plus, slot() of --rpl
	return o.Plus && strings.Contains(text, name) || strings.Contains(strings.Join(o.Rpl, " "), name)
}

// FillSlot writes the job slot, from 1, into a text that Expand left open.
func FillSlot(text string, slot int) string {
	if !strings.Contains(text, slotMark) {
		return text
	}
	return slotMarks().ReplaceAllStringFunc(text, func(mark string) string {
		m := slotMarks().FindStringSubmatch(mark)
		width, _ := strconv.Atoi(m[1]) // both are absent, or digits of ours
		offset, _ := strconv.Atoi(m[2])
		return fmt.Sprintf("%0*d", width, slot+offset)
	})
}

// quoteMarked is Quote for a text that may hold slot marks: digits in the end,
// which need no quotes.
func quoteMarked(v string) string {
	if strings.Contains(v, slotMark) && isPlain(strings.ReplaceAll(v, slotMark, "")) {
		return v
	}
	return Quote(v)
}
