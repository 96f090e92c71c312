package main

import (
	"context"
	"fmt"
)

// unit is what a row's figures count, and which way is better.
type unit struct {
	name          string
	lowerIsBetter bool
}

var (
	tasksPerSecond    = unit{name: "tasks/s"}
	commandsPerSecond = unit{name: "commands/s"}
	messagesPerSecond = unit{name: "messages/s"}
	nanoseconds       = unit{name: "ns", lowerIsBetter: true}
	microseconds      = unit{name: "µs", lowerIsBetter: true}
	milliseconds      = unit{name: "ms", lowerIsBetter: true}
	seconds           = unit{name: "s", lowerIsBetter: true}
	eventsPerSecond   = unit{name: "events/s"}
	gibPerSecond      = unit{name: "GiB/s"}
	linesPerSecond    = unit{name: "lines/s"}
	mebibytes         = unit{name: "MiB", lowerIsBetter: true}
	times             = unit{name: "x", lowerIsBetter: true}
	commandsAtOnce    = unit{name: "commands at once", lowerIsBetter: true}
	percent           = unit{name: "%", lowerIsBetter: true}
)

// kind tells what a contender is to us.
type kind string

const (
	ours  kind = "tutti"
	floor kind = "floor" // what the machine itself allows; nobody can beat it by much
	peer  kind = "peer"  // what people use today
	// variant is ours as well, set up otherwise than by default.
	variant kind = "variant"
)

// figure is what one contender gave in one round, in the row's unit.
type figure struct {
	value  float64
	beside float64 // a second figure of the same round; see row.beside
	note   string  // shown beside the last round's; "" for none
}

// contender is one way of doing a row's work.
type contender struct {
	name string
	kind kind
	// ready prepares the contender once, before the first round, and returns its
	// version. Its error says what is missing and how to install it. nil: nothing
	// to prepare.
	ready func(context.Context) (version string, err error)
	// round does the work once, the same amount as every other contender of the
	// row or enough of it for a steady rate, checks the results and returns the
	// figure. Warming up is its own business and not in the figure.
	round func(context.Context) (figure, error)
}

// target is a figure that ours should reach.
type target struct {
	// against names the contender that ours is compared with; "" makes bound an
	// absolute figure in the row's unit.
	against string
	// of names the contender that an absolute figure is for; "" is ours.
	of string
	// bound is the worst that still meets the target: how many times as good as
	// the other, or the absolute figure.
	bound float64
	// goal marks what is strived for and not required.
	goal bool
}

// row is one measurement and all who take part in it. At most one is ours.
type row struct {
	name       string
	title      string
	unit       unit
	beside     string // what the second figure counts; "" for none
	contenders []contender
	targets    []target
	maxRounds  int // 0: as many as asked for
}

func (r *row) contender(name string) *contender {
	for i := range r.contenders {
		if r.contenders[i].name == name {
			return &r.contenders[i]
		}
	}
	return nil
}

// validate reports a row that would print nonsense.
func (r *row) validate() error {
	seen := map[string]bool{}
	own := 0
	for _, c := range r.contenders {
		if seen[c.name] {
			return fmt.Errorf("row %s has two contenders %q", r.name, c.name)
		}
		seen[c.name] = true
		if c.kind == ours {
			own++
		}
	}
	if own > 1 {
		return fmt.Errorf("row %s has %d contenders of ours", r.name, own)
	}
	for _, t := range r.targets {
		for _, name := range []string{t.against, t.of} {
			if name != "" && r.contender(name) == nil {
				return fmt.Errorf("row %s has a target for %q, who does not take part", r.name, name)
			}
		}
	}
	return nil
}

// met tells whether value reaches the target. A ratio is always better when
// higher; an absolute figure as the unit says.
func (t target) met(u unit, value float64) bool {
	if t.against == "" && u.lowerIsBetter {
		return value <= t.bound
	}
	return value >= t.bound
}

func (t target) text(u unit) string {
	sign, bound := "≥", formatRatio(t.bound)
	if t.against == "" {
		bound = formatFigure(t.bound) + " " + u.name
		if u.name == times.name {
			bound = formatRatio(t.bound)
		}
		if u.lowerIsBetter {
			sign = "≤"
		}
	}
	return sign + " " + bound
}

func (t target) verdict(u unit, value float64) string {
	switch {
	case t.met(u, value):
		return "met"
	case t.goal:
		return "MISSED (a goal)"
	default:
		return "MISSED"
	}
}
