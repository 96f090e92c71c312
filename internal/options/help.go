package options

import (
	"strings"
	"unicode/utf8"
)

const (
	helpWidth  = 80
	helpColumn = 26 // where the texts begin
)

// Help returns the text of --help: what map does, ten examples, the options in
// groups.
func Help() string {
	var b strings.Builder
	b.WriteString(Long)
	b.WriteString("\n\nUsage:\n")
	for line := range strings.Lines(Usage) {
		b.WriteString("  " + line)
	}
	b.WriteString("\n\nExamples:\n" + Example + "\n")
	for g := range groups {
		title := false
		for _, o := range All() {
			if o.Group != g || !o.shown() {
				continue
			}
			if !title {
				b.WriteString("\n" + g.String() + ":\n")
				title = true
			}
			o.writeHelp(&b)
		}
	}
	b.WriteString("\n" + After + "\n")
	return b.String()
}

// shown reports whether --help has a line for the option.
func (o *Option) shown() bool { return o.Help != "" && o.State != Refused }

// heading is how --help writes the option: -j, --jobs N.
func (o *Option) heading() string {
	text := "    "
	if o.Short != "" {
		text = "-" + o.Short[:1] + ", "
	}
	if len(o.Name) > 1 {
		text += "--" + o.Name
	} else {
		text = "-" + o.Name
	}
	switch {
	case o.Arg == Required:
		text += " " + o.Value
	case o.Arg == OptionalText, o.Arg == OptionalNumber:
		text += "[=" + o.Value + "]"
	}
	return text
}

func (o *Option) writeHelp(b *strings.Builder) {
	head := "  " + o.heading()
	b.WriteString(head)
	column := utf8.RuneCountInString(head)
	if column > helpColumn-2 {
		b.WriteString("\n")
		column = 0
	}
	for _, line := range wrap(o.helpText(), helpWidth-helpColumn) {
		b.WriteString(strings.Repeat(" ", helpColumn-column) + line + "\n")
		column = 0
	}
}

// helpText is the help with the default, where that says something.
func (o *Option) helpText() string {
	silent := o.Default == "" || o.Default == absent || o.Default == "0"
	if silent || strings.Contains(o.Help, o.Default) {
		return o.Help
	}
	return o.Help + " (" + o.Default + ")"
}

// wrap cuts text into lines of at most so many letters, between words.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}
