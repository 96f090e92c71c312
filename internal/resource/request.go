package resource

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Request is so much of a resource.
type Request struct {
	Name  string
	Units int64
}

// Max is how many units of a resource there may be.
const Max = 1024

// CPU is one CPU in the units that CPUs are counted in.
const CPU = 1000

// GPU is the name of the resource that is detected.
const GPU = "gpu"

// ParseRequests reads what --resource and --have say, and a task's resource: field:
// NAME=N, several with commas between. They come sorted by name, each name once and in
// small letters.
func ParseRequests(text string) ([]Request, error) {
	var all []Request
	for part := range strings.SplitSeq(text, ",") {
		name, number, ok := strings.Cut(strings.TrimSpace(part), "=")
		name = strings.ToLower(name)
		n, err := strconv.ParseInt(number, 10, 64)
		switch {
		case !ok:
			return nil, fmt.Errorf("%q: not a resource and its number; say NAME=N, as in gpu=1 or license=3", part)
		case !isName(name):
			return nil, fmt.Errorf("%q: not the name of a resource; say letters, digits and _, no digit first", name)
		case name == "cpus" || name == "cpu":
			return nil, fmt.Errorf("%s: CPUs have their own way to be asked for, as a task may have a part of one; say cpus", part)
		case err != nil || n < 0 || n > Max:
			return nil, fmt.Errorf("%s: %q is not a number of units; say a whole number from 0 to %d", name, number, Max)
		case slices.ContainsFunc(all, func(r Request) bool { return r.Name == name }):
			return nil, fmt.Errorf("%s: it is there twice; say it once", name)
		}
		all = append(all, Request{name, n})
	}
	slices.SortFunc(all, func(a, b Request) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// isName reports whether s, in small letters, can be the name of a resource: it becomes
// part of the name of a variable.
func isName(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c == '_' || c >= 'a' && c <= 'z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}

// VariablePrefix begins the names of the variables in which a task finds what it was
// given.
const VariablePrefix = "TUTTI_RESOURCE_"

// Variable is the environment variable in which a task finds which units of a resource
// it was given, with commas between.
func Variable(name string) string { return VariablePrefix + strings.ToUpper(name) }

// ParseCPUs reads a number of CPUs, 4 or 0.5, as thousandths.
func ParseCPUs(text string) (int64, error) {
	f, err := strconv.ParseFloat(text, 64)
	n := math.Round(f * CPU)
	if err != nil || strings.ContainsAny(text, "xXpP_eE+") || !(n >= 1) || n > Max*CPU {
		return 0, fmt.Errorf("%q: not a number of CPUs; say one such as 4 or 0.5, from 0.001 to %d", text, Max)
	}
	return int64(n), nil
}

// CPUsText is a number of CPUs as people write it.
func CPUsText(thousandths int64) string {
	return strconv.FormatFloat(float64(thousandths)/CPU, 'f', -1, 64)
}
