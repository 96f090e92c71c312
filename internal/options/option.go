package options

import (
	"strings"
	"sync"
)

// State is what becomes of an option.
type State uint8

// The states.
const (
	Works    State = iota // as in GNU parallel
	Differs               // works; Note says what is different
	NoEffect              // accepted; Note says why nothing comes of it
	Refused               // an error; Note says what to use instead
	Ours                  // GNU parallel has no such option
)

// Arg is what an option takes.
type Arg uint8

// What options take.
const (
	Switch         Arg = iota // nothing
	Counted                   // nothing, and its number counts
	Required                  // a value, joined or as the next word whatever that is
	OptionalText              // a value, joined or as the next word if that is no option
	OptionalNumber            // likewise, if that is a number
)

// Group is a heading of the help.
type Group uint8

// The groups, in the order of the help.
const (
	GroupRunning Group = iota
	GroupInputs
	GroupReplacement
	GroupPipe
	GroupOutput
	GroupShow
	GroupRecords
	GroupLimits
	GroupQuestions
	GroupHosts
	GroupSemaphore
	GroupRest
	groups
)

var groupTitles = [groups]string{
	GroupRunning:     "Running",
	GroupInputs:      "Inputs",
	GroupReplacement: "Replacement",
	GroupPipe:        "Standard input as data",
	GroupOutput:      "Output",
	GroupShow:        "Progress",
	GroupRecords:     "Job log, and going on after a stop",
	GroupLimits:      "When a job may start",
	GroupQuestions:   "Questions, answered at once",
	GroupHosts:       "Other computers",
	GroupSemaphore:   "Semaphore",
	GroupRest:        "The rest",
}

// String returns the heading.
func (g Group) String() string { return groupTitles[g] }

// Option is one option in all its spellings.
type Option struct {
	Name    string // canonical, without dashes; one letter where there is no long one
	Aliases string // further long names, blanks between
	Short   string // letters; the first is shown
	Arg     Arg
	Value   string // what the help calls its value
	Default string
	Group   Group
	State   State
	Help    string   // for --help; "": not shown there
	Note    string   // see State; Markdown on one line
	only    string   // of what is refused: the value that asks for nothing
	Words   []string // what its value can be, for completion; empty: anything
	Kind    Kind

	newer bool           // than GNUVersion: does not make an abbreviation ambiguous
	field func(*Map) any // where the value goes; nil: nowhere
}

// Kind is what an option's value names, for shell completion.
type Kind uint8

// The kinds.
const (
	Plain Kind = iota
	File
	Folder
	Variable
)

// All returns the table of options in the order of the help.
func All() []*Option { return index().all }

// tables is the table of options and the ways into it.
type tables struct {
	all    []*Option
	byName map[string]*Option
	byChar map[byte]*Option
}

// index is made when it is first asked for: workers are this program too, and
// start without it.
var index = sync.OnceValue(func() *tables {
	t := &tables{byName: make(map[string]*Option), byChar: make(map[byte]*Option)}
	parts := [][]Option{runningTable, inputsTable, replacementTable, pipeTable, outputTable, recordsTable, questionsTable, elsewhereTable}
	for g := range groups {
		for _, part := range parts {
			for i := range part {
				if part[i].Group == g {
					t.all = append(t.all, &part[i])
				}
			}
		}
	}
	for _, o := range t.all {
		for _, name := range o.names() {
			t.byName[name] = o
		}
		for i := range len(o.Short) {
			t.byChar[o.Short[i]] = o
		}
	}
	return t
})

// names returns all long names, the canonical one first.
func (o *Option) names() []string { return append([]string{o.Name}, strings.Fields(o.Aliases)...) }

// Spelling returns the option as it is written most often: -j or --halt.
func (o *Option) Spelling() string { return dashed(o.Name) }

func dashed(name string) string {
	if len(name) == 1 {
		return "-" + name
	}
	return "--" + name
}

// spellings returns all ways to write the option, short ones first, without
// those that differ from another only in their hyphens.
func (o *Option) spellings() []string {
	var all []string
	for i := range len(o.Short) {
		all = append(all, "-"+o.Short[i:i+1])
	}
	seen := make(map[string]bool)
	for _, name := range o.names() {
		bare := strings.ReplaceAll(strings.ReplaceAll(name, "-", ""), "_", "")
		if len(name) > 1 && !seen[bare] {
			seen[bare] = true
			all = append(all, "--"+name)
		}
	}
	return all
}

// find returns the option that a long name means: exactly, or as the beginning
// of one option's names alone, where the case of letters does not matter. With
// none it returns nil and, if several are meant, their names.
func find(name string) (*Option, []string) {
	t := index()
	if o := t.byName[name]; o != nil {
		return o, nil
	}
	if len(name) < 2 {
		return t.byChar[(name + "\x00")[0]], nil
	}
	low := strings.ToLower(name)
	if o := t.byName[low]; o != nil {
		return o, nil
	}
	var meant, gnu []*Option
	for _, o := range t.all {
		for _, n := range o.names() {
			if len(n) > 1 && strings.HasPrefix(strings.ToLower(n), low) {
				meant = append(meant, o)
				if o.State != Ours && !o.newer {
					gnu = append(gnu, o)
				}
				break
			}
		}
	}
	switch {
	case len(meant) == 1:
		return meant[0], nil
	case len(gnu) == 1: // what fingers know goes before what is ours
		return gnu[0], nil
	}
	var names []string
	for _, o := range meant {
		names = append(names, o.Spelling())
	}
	return nil, names
}
