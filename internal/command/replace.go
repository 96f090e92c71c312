package command

import (
	"cmp"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"
)

// program turns the value in a frame into what a replacement string stands for.
type program func(f *frame) error

// frame is what a program works on: one value of one job.
type frame struct {
	value  string // $_: the input, and in the end the answer
	job    *Job
	slots  int      // the number of job slots, for {0%}; 0 is 1
	groups []string // $&, $1, $2, … of the last match
	skip   bool     // the job is not to be run
}

// part is a piece of a template: text, or a replacement string.
type part struct {
	text     string  // of a literal
	run      program // nil for a literal
	position int     // {2}: the value, from 1; below 0 from the end; 0 all of them
	once     bool    // stands for one word however many values there are: {#}
	unquoted bool    // gives shell code, so a shell is needed
	total    bool    // needs Job.Total
	short    bool    // a value, or a part of one, or a number
}

// nowhere is the position of a replacement string that stands for nothing.
const nowhere = math.MaxInt

// rule is one kind of replacement string, before it is found in a template.
type rule struct {
	tag        string // as it is written, a regular expression in parentheses included
	once       bool
	total      bool
	unquoted   bool
	short      bool   // it gives no more than a value, or a number
	noPosition bool   // {2…} does not exist of it
	nameTag    string // the tag that {name…} is made of where tag was renamed
	position   int    // a place that the program itself asks for
	// build gives the program; groups are what the tag's parentheses hold.
	build func(groups []string) (program, error)
}

// plain is a rule for a function of the value alone.
func plain(tag string, f func(string) string) rule {
	return fixed(rule{tag: tag, short: true}, func(fr *frame) error {
		fr.value = f(fr.value)
		return nil
	})
}

func fixed(r rule, p program) rule {
	r.build = func([]string) (program, error) { return p, nil }
	return r
}

// basicRules are the replacement strings that always exist.
func basicRules() []rule {
	perJob := func(tag string) rule { return rule{tag: tag, once: true, short: true, noPosition: true} }
	total := perJob("{##}")
	total.total = true
	return []rule{
		plain("{}", func(v string) string { return v }),
		plain("{.}", trimExt),
		plain("{/}", baseName),
		plain("{//}", dirName),
		plain("{/.}", func(v string) string { return trimExt(baseName(v)) }),
		fixed(perJob("{#}"), func(f *frame) error {
			f.value = strconv.FormatInt(f.job.Seq, 10)
			return nil
		}),
		fixed(perJob("{%}"), func(f *frame) error {
			f.value = slotText(0, 0)
			return nil
		}),
		fixed(total, totalJobs),
	}
}

func totalJobs(f *frame) error {
	if f.job.Total == 0 {
		return fmt.Errorf("job %d: the number of all jobs is not known here", f.job.Seq)
	}
	f.value = strconv.FormatInt(f.job.Total, 10)
	return nil
}

// matcher is a rule made ready to be found.
type matcher struct {
	rule
	re    func() *regexp.Regexp // anchored at its start
	start string                // what every match begins with
	what  int                   // the submatch that holds the position or name, 0 without one
}

// cutTag cuts a tag at its regular expression: {%(.*?)} is {%, (.*?) and }. It is false
// for a parenthesis that nothing closes.
func cutTag(tag string) (prefix, group, postfix string, ok bool) {
	first, last := strings.IndexByte(tag, '('), strings.LastIndexByte(tag, ')')
	if first < 0 {
		return tag, "", "", true
	}
	if last < first {
		return "", "", "", false
	}
	return tag[:first], tag[first : last+1], tag[last+1:], true
}

// lazily compiles an expression when it is first asked for. Most tags occur in no
// template, and a whole set of them takes longer than many a command.
func lazily(pattern string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(pattern) })
}

// matchers gives the order in which rules are looked for: columns' names win,
// and a longer tag comes before a shorter one, which it may contain.
func matchers(rules []rule, names []string) ([]matcher, error) {
	rules = slices.Clone(rules)
	slices.SortStableFunc(rules, func(a, b rule) int {
		return cmp.Or(cmp.Compare(len(b.tag), len(a.tag)), cmp.Compare(a.tag, b.tag))
	})
	var named, others []matcher
	columns := namesPattern(names)
	for _, r := range rules {
		literal, group, postfix, ok := cutTag(r.tag)
		if !ok || r.tag == "" {
			return nil, fmt.Errorf("replacement string %q: its parentheses do not match", r.tag)
		}
		prefix, postfix := regexp.QuoteMeta(literal), regexp.QuoteMeta(postfix)
		add := func(list *[]matcher, start string, what int, before, pattern string) error {
			expression := `\A(?s:` + before + pattern + group + postfix + ")"
			if group != "" || !utf8.ValidString(expression) { // what may be wrong is said at once
				if _, err := regexp.Compile(expression); err != nil {
					return fmt.Errorf("replacement string %q: %w", r.tag, err)
				}
			}
			*list = append(*list, matcher{r, lazily(expression), start, what})
			return nil
		}
		err := add(&others, literal, 0, "", prefix)
		if rest, ok := strings.CutPrefix(literal, "{"); ok && err == nil && !r.noPosition {
			err = add(&others, "{", 1, `\{(-?[0-9]+)[ \t\n\v\f\r]*`, regexp.QuoteMeta(rest))
			if columns != "" && err == nil {
				err = add(&named, "{", 1, `\{(`+columns+`)`, regexp.QuoteMeta(rest))
			}
		} else if r.nameTag != "" && columns != "" && err == nil {
			prefix, postfix = "", ""
			err = add(&named, "{", 1, `\{(`+columns+`)`, regexp.QuoteMeta(strings.TrimPrefix(r.nameTag, "{")))
		}
		if err != nil {
			return nil, err
		}
	}
	return append(named, others...), nil
}

// namesPattern matches any column's name, a longer one first.
func namesPattern(names []string) string {
	var quoted []string
	for _, n := range names {
		if n != "" {
			quoted = append(quoted, regexp.QuoteMeta(n))
		}
	}
	slices.SortStableFunc(quoted, func(a, b string) int { return len(b) - len(a) })
	return strings.Join(quoted, "|")
}

// splitParts cuts a word at its replacement strings.
func splitParts(text string, ms []matcher, names []string) ([]part, error) {
	if text == "" {
		return nil, nil
	}
	parts := []part{{text: text}}
	for _, m := range ms {
		var next []part
		for _, p := range parts {
			if p.run != nil || !strings.Contains(p.text, m.start) {
				next = append(next, p)
				continue
			}
			cut, err := m.split(p.text, names)
			if err != nil {
				return nil, err
			}
			next = append(next, cut...)
		}
		parts = next
	}
	return parts, nil
}

// find gives the last match in text, nil without one. GNU looks from the right,
// which matters for a tag whose expression could begin at an earlier brace.
func (m matcher) find(text string) []int {
	for at := len(text); ; at-- {
		if at = strings.LastIndex(text[:min(at+len(m.start), len(text))], m.start); at < 0 {
			return nil
		}
		found := m.re().FindStringSubmatchIndex(text[at:])
		if found == nil || found[1] == 0 { // a tag that matches nothing at all is none
			if at == 0 {
				return nil
			}
			continue
		}
		for i := range found {
			if found[i] >= 0 {
				found[i] += at
			}
		}
		return found
	}
}

func (m matcher) split(text string, names []string) ([]part, error) {
	var parts []part // from the last to the first
	for {
		at := m.find(text)
		if at == nil {
			break
		}
		var groups []string
		for i := m.what + 1; i < len(at)/2; i++ {
			group := ""
			if at[2*i] >= 0 {
				group = text[at[2*i]:at[2*i+1]]
			}
			groups = append(groups, group)
		}
		run, err := m.build(groups)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", text[at[0]:at[1]], err)
		}
		p := part{run: run, position: m.position, once: m.once, unquoted: m.unquoted, total: m.total, short: m.short}
		if m.what > 0 {
			p.position = placeOf(text[at[2]:at[3]], names)
		}
		if at[1] < len(text) {
			parts = append(parts, part{text: text[at[1]:]})
		}
		parts, text = append(parts, p), text[:at[0]]
	}
	if text != "" {
		parts = append(parts, part{text: text})
	}
	slices.Reverse(parts)
	return parts, nil
}

// placeOf gives the position that a column's name or a number means.
func placeOf(what string, names []string) int {
	if i := slices.Index(names, what); i >= 0 {
		return i + 1
	}
	return parsePosition(what)
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

// perValue tells whether p is repeated for every value.
func (p part) perValue() bool { return p.run != nil && !p.once && p.position == 0 }

// trimExt removes the last extension of the last component: a.b/c.tar.gz
// becomes a.b/c.tar, and .bashrc nothing at all, as in GNU.
func trimExt(v string) string { return trimExts(v, 1) }

// trimExts removes the last n extensions, or nothing where there are fewer.
func trimExts(v string, n int) string {
	end := len(v)
	for range n {
		i := strings.LastIndexByte(v[:end], '.')
		if i <= strings.LastIndexByte(v, '/') {
			return v
		}
		end = i
	}
	return v[:end]
}

// lastExts is what trimExts removes, less the first dot.
func lastExts(v string, n int) string {
	if rest := trimExts(v, n); len(rest) < len(v) {
		return v[len(rest)+1:]
	}
	return ""
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
