package graph

import (
	"fmt"
	"strings"

	"github.com/tutti-run/tutti/internal/core"
	"github.com/tutti-run/tutti/internal/resource"
)

// Task is one task as it stands in the file.
type Task struct {
	Line    int    // from 1
	Name    string // "" none
	Command string // for a shell
	After   []string
	Time    core.Span // 0: not known
	Dir     string    // to run it in; "" that of the run
	Env     []string  // NAME=value, in the order of the names
	// CPUs that it takes, in thousandths; 0: nothing is said.
	CPUs      int64
	Resources []resource.Request // nil: nothing is said
}

// Title is what people know the task by.
func (t *Task) Title() string {
	if t.Name != "" {
		return t.Name
	}
	return fmt.Sprintf("the task of line %d", t.Line)
}

// LineError is what is wrong with a line.
type LineError struct {
	Line int
	Text string
}

// Error says it with the line's number.
func (e *LineError) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Text) }

// Parse reads the text of a file of tasks.
func Parse(text string) ([]Task, error) {
	tasks := make([]Task, 0, strings.Count(text, "\n")+1)
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		t, flaw := parseLine(line)
		if flaw != "" {
			return nil, &LineError{n, flaw}
		}
		t.Line = n
		tasks = append(tasks, t)
	}
	return tasks, nil
}

// nulFlaw is said of a line with a NUL byte.
const nulFlaw = "it holds a NUL byte, which no command can; leave it out"

// parseLine reads a line that is a task, or says what is wrong with it.
func parseLine(line string) (t Task, flaw string) {
	if strings.IndexByte(line, 0) >= 0 {
		return t, nulFlaw
	}
	if isObject(line) {
		return parseObject(line)
	}
	seen := map[string]bool{}
	rest := line
	for {
		word, behind := cutWord(rest)
		if word == "--" {
			rest = behind
			break
		}
		field, ok := strings.CutSuffix(word, ":")
		if !ok || field == "" { // a lone colon is a command of the shell
			break
		}
		kind := field
		if !isField(field) {
			kind = "name"
		}
		if seen[kind] {
			return t, fmt.Sprintf("a second %s, %s; leave one out, or write -- before a command that begins with such a word", kind, word)
		}
		seen[kind] = true
		if rest, flaw = t.read(kind, field, behind); flaw != "" {
			return t, flaw
		}
	}
	t.Command = rest
	return t, commandFlaw(rest)
}

// commandFlaw says what is wrong with a command; "" nothing.
func commandFlaw(command string) string {
	if command == "" {
		return "there is no command; expected: name: after: other,names time: 30 command, where all but the command may be left out, cpus: 4 and resource: gpu=1 besides"
	}
	bare := strings.TrimRight(command, `\`)
	if (len(command)-len(bare))%2 == 1 {
		return `it ends with a backslash, and each line is a task of its own; write the command on one line, or as JSON with \n in it`
	}
	return ""
}

// read reads a field, and returns what is left of the line.
func (t *Task) read(kind, field, rest string) (left, flaw string) {
	switch kind {
	case "name":
		t.Name = field
		return rest, nameFlaw(field)
	case "time":
		word, left := cutWord(rest)
		if word == "" {
			return "", "time: is followed by how long the task is expected to take, as in time: 30 or time: 2m"
		}
		span, err := core.ParseTimeout(word)
		if err != nil {
			return "", "time" + strings.TrimPrefix(err.Error(), "timeout")
		}
		t.Time = span
		return left, ""
	case "cpus":
		word, left := cutWord(rest)
		if word == "" {
			return "", "cpus: is followed by how many CPUs the task takes, as in cpus: 4 or cpus: 0.5"
		}
		var err error
		if t.CPUs, err = resource.ParseCPUs(word); err != nil {
			return "", "cpus: " + err.Error()
		}
		return left, ""
	case "resource":
		list, left := cutList(rest)
		if list == "" {
			return "", "resource: is followed by what the task needs, as in resource: gpu=1,license=2"
		}
		var err error
		if t.Resources, err = resource.ParseRequests(list); err != nil {
			return "", "resource: " + err.Error()
		}
		return left, ""
	}
	list, left := cutList(rest)
	for name := range strings.SplitSeq(list, ",") {
		if flaw := nameFlaw(name); flaw != "" {
			return "", "after: is followed by names with commas between, as in after: build,fetch; " + flaw
		}
		t.After = append(t.After, name)
	}
	return left, ""
}

// cutList cuts words off that have commas between; a blank may follow a comma.
func cutList(s string) (list, rest string) {
	for {
		var word string
		word, s = cutWord(s)
		list += word
		if !strings.HasSuffix(word, ",") {
			return list, s
		}
	}
}

// isField reports whether a word is the name of a field.
func isField(word string) bool {
	return word == "after" || word == "time" || word == "cpus" || word == "resource"
}

// nameFlaw says what is wrong with a name; "" nothing.
func nameFlaw(name string) string {
	if name == "" {
		return "there is a name missing"
	}
	if isField(name) {
		return fmt.Sprintf("%q cannot be a name: %s: begins a field", name, name)
	}
	for _, c := range name {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c > 0x7f
		if !letter && !strings.ContainsRune("_-.+@%/=", c) {
			return fmt.Sprintf("%q cannot be a name: names are letters, digits and _ - . + @ %% / =; if it begins the command, write -- before it", name)
		}
	}
	return ""
}

// cutWord cuts the first word off, and the blanks behind it.
func cutWord(s string) (word, rest string) {
	i := strings.IndexAny(s, " \t")
	if i < 0 {
		return s, ""
	}
	return s[:i], strings.TrimLeft(s[i:], " \t")
}
