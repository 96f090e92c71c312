package sched

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tutti-run/tutti/internal/nearest"
)

// Default is the policy that an empty name means.
const Default = "work-stealing"

// Registry holds what makes policies, by name.
type Registry map[string]func() Policy

// builtin are the policies of this package.
var builtin = Registry{
	"work-stealing":      func() Policy { return NewWorkStealing() },
	"work-stealing-one":  func() Policy { return &WorkStealing{one: true} },
	"work-stealing-last": func() Policy { return &WorkStealing{lastFirst: true} },
	"round-robin":        func() Policy { return NewRoundRobin() },
	"least-loaded":       func() Policy { return &LeastLoaded{} },
	"least-work":         func() Policy { return &LeastLoaded{byWork: true} },
	"two-choices":        func() Policy { return &TwoChoices{} },
	"locality":           func() Policy { return &Locality{} },
	"longest-first":      func() Policy { return &LongestFirst{} },
	"shortest-first":     func() Policy { return &ShortestFirst{} },
	"aged-priority":      func() Policy { return &AgedPriority{} },
	"earliest-deadline":  func() Policy { return &EarliestDeadline{} },
}

// Names returns the names of this package's policies and of those in own, sorted.
func Names(own Registry) []string {
	return slices.Sorted(func(yield func(string) bool) {
		for _, r := range []Registry{builtin, own} {
			for name := range maps.Keys(r) {
				if !yield(name) {
					return
				}
			}
		}
	})
}

// IsBuiltin reports whether this package has a policy of that name.
func IsBuiltin(name string) bool { return builtin[name] != nil }

// New returns the policy of a name, for one process: one of this package's or of
// own, which may be nil.
func New(name string, own Registry) (Policy, error) {
	if name == "" {
		name = Default
	}
	maker := builtin[name]
	if maker == nil {
		maker = own[name]
	}
	if maker == nil {
		names := Names(own)
		meant := ""
		if near := nearest.Of(strings.ToLower(name), names); near != "" {
			meant = fmt.Sprintf(" (did you mean %s?)", near)
		}
		return nil, fmt.Errorf("no policy is called %q%s; there are %s", name, meant, strings.Join(names, ", "))
	}
	p := maker()
	if p == nil {
		return nil, fmt.Errorf("the function that was registered for policy %q returned nil: it must return a new policy each time", name)
	}
	return p, nil
}
