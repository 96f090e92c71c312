package options

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Man writes the man page of a command. It is made here and not by the command
// library's own generator, which goes through Markdown, brings two more modules,
// and knows neither groups nor other spellings of an option.
func Man(cmd *cobra.Command, w io.Writer) error {
	p := page{bufio.NewWriter(w)}
	name := strings.ReplaceAll(cmd.CommandPath(), " ", "-")
	p.line(`.\" Made from the program's table of options; do not edit.`)
	p.line(fmt.Sprintf(`.TH "%s" "1" "" "%s" "User Commands"`, strings.ToUpper(roff(name)), roff(cmd.Root().Name())))
	p.line(".nh") // no hyphenation: options are to be found by searching
	p.heading("NAME")
	p.line(roff(name) + ` \- ` + roff(lowerFirst(cmd.Short)))
	p.heading("SYNOPSIS")
	isSem := semaphoreManual(cmd)
	isRun := runManual(cmd)
	isMap := !isSem && !isRun && mapOptions(cmd.LocalNonPersistentFlags())
	switch {
	case isMap:
		p.text("  " + strings.ReplaceAll(Usage, "\n", "\n  "))
	case isSem:
		p.text("  " + strings.ReplaceAll(SemUsage, "\n", "\n  "))
	case isRun:
		p.text("  " + RunUsage)
	default:
		p.text("  " + cmd.UseLine())
	}
	p.heading("DESCRIPTION")
	p.text(firstOf(cmd.Long, cmd.Short))
	switch {
	case isMap:
		p.mapOptions()
		p.heading("EXIT STATUS AND SIGNALS")
		p.text(After)
	case isSem:
		p.list(semOptions())
		p.heading("EXIT STATUS")
		p.text(SemAfter)
	case isRun:
		p.list(runOptions())
		p.heading("EXIT STATUS AND SIGNALS")
		p.text(RunAfter)
	default:
		p.flags(cmd)
	}
	if cmd.Example != "" {
		p.heading("EXAMPLES")
		p.text(cmd.Example)
	}
	p.seeAlso(cmd)
	return p.Flush()
}

// mapOptions reports whether fs holds the table of this package.
func mapOptions(fs *pflag.FlagSet) bool {
	f := fs.Lookup("jobs")
	if f == nil {
		return false
	}
	_, ok := f.Value.(*value)
	return ok
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func lowerFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}

// page is a man page that is being written. Errors wait for Flush.
type page struct{ *bufio.Writer }

func (p page) line(s string) { _, _ = p.WriteString(s + "\n") }

func (p page) heading(s string) { p.line(".SH " + s) }

// text writes paragraphs; indented lines stay as they are.
func (p page) text(s string) {
	verbatim := false
	for line := range strings.Lines(s) {
		line = strings.TrimSuffix(line, "\n")
		indented := strings.HasPrefix(line, "  ")
		switch {
		case indented && !verbatim:
			p.line(".sp\n.nf\n.in 2n") // so that 80 columns hold them
		case !indented && verbatim:
			p.line(".in\n.fi")
		}
		verbatim = indented
		switch {
		case strings.TrimSpace(line) == "":
			p.line(".PP")
		default:
			p.line(roff(strings.TrimPrefix(line, "  ")))
		}
	}
	if verbatim {
		p.line(".in\n.fi")
	}
}

// mapOptions writes the table: every option that works, in all its spellings.
func (p page) mapOptions() {
	p.heading("OPTIONS")
	for g := range groups {
		title := false
		for _, o := range All() {
			if o.Group != g || !o.shown() {
				continue
			}
			if !title {
				p.line(".SS " + roff(g.String()))
				title = true
			}
			p.option(o.spellings(), o.argument(), o.helpText())
		}
	}
}

// argument is what follows the option's name in the page, with its brackets.
func (o *Option) argument() string {
	switch o.Arg {
	case Required:
		return " " + o.Value
	case OptionalText, OptionalNumber:
		return "[=" + o.Value + "]"
	}
	return ""
}

// list writes options without their groups.
func (p page) list(all []*Option) {
	p.heading("OPTIONS")
	for _, o := range all {
		p.option(o.spellings(), o.argument(), o.helpText())
	}
}

func (p page) option(spellings []string, argument, text string) {
	p.line(".TP")
	for i, s := range spellings {
		spellings[i] = `\fB` + roff(s) + `\fR`
	}
	line := strings.Join(spellings, ", ")
	if argument != "" {
		line += strings.Replace(roff(argument), strings.Trim(argument, " []="), `\fI`+strings.Trim(argument, " []=")+`\fR`, 1)
	}
	p.line(line)
	p.line(roff(text))
}

// flags writes the options of a command that is not map.
func (p page) flags(cmd *cobra.Command) {
	title := false
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		if !title {
			p.heading("OPTIONS")
			title = true
		}
		value, text := pflag.UnquoteUsage(f)
		spellings := []string{"--" + f.Name}
		if f.Shorthand != "" {
			spellings = append([]string{"-" + f.Shorthand}, spellings...)
		}
		if value != "" {
			value = " " + value
		}
		p.option(spellings, value, text)
	})
}

// seeAlso names the pages beside this one.
func (p page) seeAlso(cmd *cobra.Command) {
	var pages []string
	add := func(c *cobra.Command) {
		pages = append(pages, `\fB`+roff(strings.ReplaceAll(c.CommandPath(), " ", "-"))+`\fR(1)`)
	}
	if cmd.HasParent() {
		add(cmd.Parent())
	}
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			add(c)
		}
	}
	if len(pages) > 0 {
		p.heading("SEE ALSO")
		p.line(strings.Join(pages, ", "))
	}
}

// roff makes a line mean itself.
func roff(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "~", `\(ti`, "^", `\(ha`, "…", `...`).Replace(s)
	if strings.HasPrefix(s, ".") {
		s = `\&` + s
	}
	return s
}
