package command

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// matchers gives all replacement strings that o asks for.
func (o Options) matchers() ([]matcher, error) {
	byTag := map[string]rule{}
	for _, r := range basicRules() {
		byTag[r.tag] = r
	}
	if o.Plus {
		for _, r := range plusRules() {
			byTag[r.tag] = r
		}
	}
	for _, renamed := range [][2]string{
		{"{}", o.Replace.Value}, {"{.}", o.Replace.NoExt}, {"{/}", o.Replace.Base}, {"{//}", o.Replace.Dir},
		{"{/.}", o.Replace.BaseNoExt}, {"{#}", o.Replace.Seq}, {"{%}", o.Replace.Slot},
	} {
		old, tag := renamed[0], renamed[1]
		if tag == "" || tag == old {
			continue
		}
		if strings.ContainsAny(tag, "()") {
			return nil, fmt.Errorf("replacement string %q: parentheses stand for a regular expression, which this option takes none of", tag)
		}
		r := byTag[old]
		delete(byTag, old)
		r.tag, r.nameTag = tag, old
		byTag[tag] = r
	}
	for _, text := range o.Rpl {
		r, err := parseRpl(text)
		if err != nil {
			return nil, err
		}
		byTag[r.tag] = r
	}
	var rules []rule
	for _, r := range byTag {
		rules = append(rules, r)
	}
	return matchers(rules, o.Names)
}

// parseRpl reads a value of --rpl: a tag, one white space, an expression.
func parseRpl(text string) (rule, error) {
	if strings.Contains(text, slotMark) {
		return rule{}, fmt.Errorf("--rpl: it contains a NUL byte")
	}
	end := strings.IndexAny(text, " \t\n\v\f\r")
	if end < 0 {
		return rule{}, fmt.Errorf("--rpl %q: no expression follows the tag; write --rpl '%s s/old/new/'", text, text)
	}
	if end == 0 {
		return rule{}, fmt.Errorf("--rpl %q: it begins with white space where the tag should be", text)
	}
	r := rule{tag: text[:end]}
	source := text[end+1:]
	// GNU: a number in front is the position of the value that is worked on.
	if digits := leadingNumber(source); digits != "" {
		r.position, r.noPosition = parsePosition(digits), true
		source = source[len(digits):]
	}
	fail := func(err error) error { return fmt.Errorf("--rpl %s: %w", Quote(r.tag), err) }
	r.build = func(groups []string) (program, error) {
		c, err := compile(source, groups)
		return c.run, err
	}
	// A tag with parentheses gets its groups where it is used; until then a
	// letter for each shows what is wrong with the expression itself.
	dummies := slices.Repeat([]string{"a"}, strings.Count(r.tag, "("))
	c, err := compile(source, dummies)
	if err != nil {
		return rule{}, fail(err)
	}
	// What no job can do is said now and not once for each of them.
	probe := frame{value: "1", job: &Job{Seq: 1, Total: 1, Args: []string{"1"}}}
	if err := c.run(&probe); errors.Is(err, errSlot) {
		return rule{}, fail(err)
	}
	r.total, r.unquoted = c.total, c.unquoted
	return r, nil
}

func leadingNumber(s string) string {
	i := 0
	if strings.HasPrefix(s, "-") {
		i = 1
	}
	digits := i
	for i < len(s) && '0' <= s[i] && s[i] <= '9' {
		i++
	}
	if i == digits || i == len(s) || s[i] != ' ' {
		return ""
	}
	return s[:i]
}

// refusePerl says what to write instead of {= perl expression =}.
func (o Options) refusePerl(words []string) error {
	parens := cmp.Or(o.Parens, "{==}")
	left, right := parens[:len(parens)/2], parens[len(parens)/2:]
	if left == "" {
		return fmt.Errorf("--parens %q: it is the left and the right parenthesis in one, like {==}", o.Parens)
	}
	_, rest, found := strings.Cut(strings.Join(words, " "), left)
	source, _, closed := strings.Cut(rest, right)
	if !found || !closed {
		return nil
	}
	whole, source := left+source+right, strings.TrimSpace(source)
	tag := "{x}"
	name := source[:len(source)-len(strings.TrimLeft(source, "-0123456789"))]
	for _, n := range o.Names {
		if n != "" && strings.HasPrefix(source, n+" ") {
			name = n
		}
	}
	if name != "" {
		tag, source = "{"+name+"x}", strings.TrimSpace(source[len(name):])
	}
	return fmt.Errorf("%s: Perl is not run here; %s", whole, equivalent(source, tag))
}

// ready are the expressions that a replacement string exists for already.
var ready = map[string]string{
	"": "{}", "s:.*/::": "{/}", "s/.*\\///": "{/}", `s:\.[^/.]+$::`: "{.}", `s:\.[^/.]*$::`: "{.}", `s:\.[^.]+$::`: "{.}",
	`s/\.[^.]+$//`: "{.}", `s/\.[^.]*$//`: "{.}", `s:.*/::; s:\.[^/.]+$::`: "{/.}", "$_=dirname($_)": "{//}",
	"$_=$job->seq()": "{#}", "$_=seq()": "{#}", "$_=$job->slot()": "{%}", "$_=slot()": "{%}", "$_=total_jobs()": "{##}",
	`s:\.[^.]+$::;s:\.[^.]+$::`: "--plus and {..}", `s:\.[^/.]+\.[^/.]+$::`: "--plus and {..}",
	"$_=uc($_)": "--plus and {^^.}", "$_=lc($_)": "--plus and {,,.}", "$_=uc": "--plus and {^^.}", "$_=lc": "--plus and {,,.}",
}

func equivalent(source, tag string) string {
	key := strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(source), ";"))
	if r, ok := ready[key]; ok && tag == "{x}" {
		return "write " + r + " instead"
	}
	shown := "--rpl " + Quote("{x} "+source)
	if _, err := compile(source, nil); err != nil {
		return fmt.Sprintf("the language of --rpl '{x} s/old/new/' has most of it, but: %v", err)
	}
	return fmt.Sprintf("write %s among the options and %s in the command", shown, tag)
}
