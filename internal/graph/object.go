package graph

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/tutti-run/tutti/internal/core"
	"github.com/tutti-run/tutti/internal/resource"
)

// object is a task as JSON. What is left out is nil.
type object struct {
	Name     *string                `json:"name"`
	Cmd      *string                `json:"cmd"`
	After    []string               `json:"after"`
	Seconds  *float64               `json:"seconds"`
	Cwd      *string                `json:"cwd"`
	Env      map[string]string      `json:"env"`
	CPUs     *json.Number           `json:"cpus"`
	Resource map[string]json.Number `json:"resource"`
}

// objectForm is what is expected of a line of JSON.
const objectForm = `{"name": "b", "cmd": "make b", "after": ["a"], "seconds": 30, "cwd": "dir", "env": {"A": "1"}, "cpus": 4, "resource": {"gpu": 1}}, where all but cmd may be left out`

// isObject reports whether a line is JSON: a group of shell commands has no quote
// there.
func isObject(line string) bool {
	rest, ok := strings.CutPrefix(line, "{")
	return ok && strings.HasPrefix(strings.TrimLeft(rest, " \t"), `"`)
}

// parseObject reads a line of JSON, or says what is wrong with it.
func parseObject(line string) (t Task, flaw string) {
	from := json.NewDecoder(strings.NewReader(line))
	from.DisallowUnknownFields()
	var o object
	if err := from.Decode(&o); err != nil {
		return t, objectFlaw(err)
	}
	if rest := strings.TrimSpace(line[from.InputOffset():]); rest != "" {
		return t, fmt.Sprintf("more follows the JSON object: %.20q; expected one object a line, or -- before a command that begins with a brace", rest)
	}
	if o.Cmd == nil || strings.TrimSpace(*o.Cmd) == "" {
		return t, "there is no cmd; expected: " + objectForm
	}
	t.Command = *o.Cmd
	if o.Name != nil {
		if t.Name = *o.Name; nameFlaw(t.Name) != "" {
			return t, "name: " + nameFlaw(t.Name)
		}
	}
	t.After = o.After
	for _, name := range o.After {
		if flaw := nameFlaw(name); flaw != "" {
			return t, "after: " + flaw
		}
	}
	if o.Seconds != nil {
		// Below what core takes for a time, so that sums fit.
		if s := *o.Seconds; !(s >= 0) || s > timeMax {
			return t, fmt.Sprintf("seconds: %v is not a time; expected a number from 0 to %d", s, int64(timeMax))
		}
		t.Time = core.Span(math.Round(*o.Seconds * float64(core.Second)))
	}
	if o.Cwd != nil {
		t.Dir = *o.Cwd
	}
	for _, name := range slices.Sorted(maps.Keys(o.Env)) {
		if name == "" || strings.ContainsAny(name, "=\x00") {
			return t, fmt.Sprintf("env: %q cannot be the name of a variable; names have no = in them and are not empty", name)
		}
		t.Env = append(t.Env, name+"="+o.Env[name])
	}
	if flaw := t.readNeeds(&o); flaw != "" {
		return t, flaw
	}
	for _, text := range append([]string{t.Command, t.Dir}, t.Env...) {
		if strings.IndexByte(text, 0) >= 0 {
			return t, nulFlaw
		}
	}
	return t, ""
}

// readNeeds reads what the task needs.
func (t *Task) readNeeds(o *object) (flaw string) {
	var err error
	if o.CPUs != nil {
		if t.CPUs, err = resource.ParseCPUs(o.CPUs.String()); err != nil {
			return "cpus: " + err.Error()
		}
	}
	var list []string
	for _, name := range slices.Sorted(maps.Keys(o.Resource)) {
		list = append(list, name+"="+o.Resource[name].String())
	}
	if len(list) > 0 {
		if t.Resources, err = resource.ParseRequests(strings.Join(list, ",")); err != nil {
			return "resource: " + err.Error()
		}
	}
	return ""
}

// timeMax is the longest time of a task, in seconds: a hundred years.
const timeMax = 36500 * 24 * 3600

// objectFlaw says what is wrong with a line of JSON.
func objectFlaw(err error) string {
	why := strings.TrimPrefix(err.Error(), "json: ")
	if kind, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		why = fmt.Sprintf("%s cannot be a %s", kind.Field, kind.Value)
	}
	return fmt.Sprintf("not a task in JSON: %s; expected: %s", why, objectForm)
}
