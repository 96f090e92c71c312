package command

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// plusRules are the replacement strings of --plus.
func plusRules() []rule {
	rules := []rule{
		plain("{..}", func(v string) string { return trimExts(v, 2) }),
		plain("{...}", func(v string) string { return trimExts(v, 3) }),
		plain("{/..}", func(v string) string { return trimExts(baseName(v), 2) }),
		plain("{/...}", func(v string) string { return trimExts(baseName(v), 3) }),
		plain("{+/}", parentDir),
		plain("{+.}", lastExt),
		plain("{+..}", func(v string) string { return lastExts(v, 2) }),
		plain("{+...}", func(v string) string { return lastExts(v, 3) }),
		fixed(rule{tag: "{choose_k}"}, func(f *frame) error {
			for i := 1; i < len(f.job.Args); i++ {
				f.skip = f.skip || f.job.Args[i-1] >= f.job.Args[i]
			}
			return nil
		}),
		fixed(rule{tag: "{uniq}"}, func(f *frame) error {
			seen := map[string]bool{}
			for _, v := range f.job.Args {
				f.skip = f.skip || seen[v]
				seen[v] = true
			}
			return nil
		}),
		fixed(rule{tag: "{slot}", once: true, noPosition: true}, func(f *frame) error {
			f.value = slotText(0, 0)
			return nil
		}),
		fixed(rule{tag: "{0%}", once: true, noPosition: true}, func(f *frame) error {
			f.value = slotText(int64(len(strconv.Itoa(max(f.slots, 1)))), 0)
			return nil
		}),
		fixed(rule{tag: "{0#}", once: true, noPosition: true, total: true}, func(f *frame) error {
			if err := totalJobs(f); err != nil {
				return err
			}
			f.value = fmt.Sprintf("%0*d", len(f.value), f.job.Seq)
			return nil
		}),
	}
	for name, value := range map[string]string{"host": ":", "sshlogin": ":", "hgrp": "", "agrp": ""} { // of this computer
		rules = append(rules, fixed(rule{tag: "{" + name + "}", once: true, noPosition: true}, func(f *frame) error {
			f.value = value
			return nil
		}))
	}
	for _, d := range []struct{ tag, source string }{
		{`{##([^#}][^}]*?)}`, `s/^$$1//`},
		{`{%%([^}]+?)}`, `s/$$1$//`},
		{`{/([^#%}/]+?)/([^}]*?)}`, `s/$$1/$$2/`},
		{`{/#([^}]+?)/([^}]*?)}`, `s/^$$1/$$2/g`},
		{`{/%([^}]+?)/([^}]*?)}`, `s/$$1$/$$2/g`},
		{`{//([^}]+?)/([^}]*?)}`, `s/$$1/$$2/g`},
		{`{^([^}]+?)}`, `s/^($$1)/uc($1)/e`},
		{`{^^([^}]+?)}`, `s/($$1)/uc($1)/eg`},
		{`{,([^}]+?)}`, `s/^($$1)/lc($1)/e`},
		{`{,,([^}]+?)}`, `s/($$1)/lc($1)/eg`},
	} {
		rules = append(rules, rule{tag: d.tag, build: func(groups []string) (program, error) {
			c, err := compile(d.source, groups)
			return c.run, err
		}})
	}
	return append(rules, ungreedyRules()...)
}

// ungreedyRules are those whose programs are not expressions of --rpl.
func ungreedyRules() []rule {
	return []rule{
		{tag: `{:-([^}]+?)}`, build: func(g []string) (program, error) {
			return func(f *frame) error {
				if f.value == "" {
					f.value = g[0]
				}
				return nil
			}, nil
		}},
		{tag: `{:(\d+?)}`, build: func(g []string) (program, error) {
			return substring(g[0], "")
		}},
		{tag: `{:(\d+?):(\d+?)}`, build: func(g []string) (program, error) {
			return substring(g[0], g[1])
		}},
		{tag: `{#([^#}][^}]*?)}`, build: func(g []string) (program, error) {
			c, err := compile(`s/^$$1//`, []string{ungreedy(g[0])})
			return c.run, err
		}},
		// The dot ends at a newline, as in GNU.
		{tag: `{%([^}]+?)}`, build: func(g []string) (program, error) {
			c, err := compile(`s/(.*)$$1$/$1/`, []string{ungreedy(g[0])})
			return c.run, err
		}},
	}
}

func substring(start, length string) (program, error) {
	from, err := strconv.Atoi(start)
	n := math.MaxInt
	if err == nil && length != "" {
		n, err = strconv.Atoi(length)
	}
	if err != nil {
		return nil, fmt.Errorf("no value is that long: %w", err)
	}
	return func(f *frame) error {
		v := f.value[min(from, len(f.value)):]
		f.value = v[:min(n, len(v))]
		return nil
	}, nil
}

// ungreedy makes a regular expression's repetitions prefer the shortest.
func ungreedy(pattern string) string {
	var b strings.Builder
	class := false
	for i := 0; i < len(pattern); i++ {
		c := pattern[i]
		b.WriteByte(c)
		switch {
		case c == '\\' && i+1 < len(pattern):
			i++
			b.WriteByte(pattern[i])
		case class:
			class = c != ']'
		case c == '[':
			class = true
		case c == '*' || c == '+' || c == '}':
			if !strings.HasPrefix(pattern[i+1:], "?") {
				b.WriteByte('?')
			}
		}
	}
	return b.String()
}

// parentDir is what stands before the last slash of the first line's end.
func parentDir(v string) string {
	if i := strings.LastIndexByte(v, '/'); i >= 0 {
		return v[:i]
	}
	return ""
}

// lastExt is what follows the last dot, wherever that stands.
func lastExt(v string) string {
	if i := strings.LastIndexByte(v, '.'); i >= 0 {
		return v[i+1:]
	}
	return ""
}
