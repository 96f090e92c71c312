package core

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// GateRules is what a run asks of the machine before it starts a command. The
// zero value asks for nothing.
type GateRules struct {
	Delay Delay
	// Load: a start only while the machine's load is below it. 0 does not ask.
	Load float64
	// MemFree: a start only while so many bytes are free; below half of it the
	// youngest job is ended. 0 does not ask.
	MemFree int64
	// MemSuspend: a start only while so many bytes are free; below twice of it the
	// youngest jobs are suspended. 0 does not ask.
	MemSuspend int64
	// NoSwap: no start while the machine swaps both in and out.
	NoSwap bool
	Limit  Limit
}

// Delay is the least time between two starts.
type Delay struct {
	Span Span
	// Auto: the time grows by 30 % with each job that fails, and shrinks by 10 % with
	// each that succeeds, as GNU parallel does it.
	Auto bool
}

// ParseDelay reads the value of --delay: a length of time as ParseTimeout reads
// it, perhaps with "auto" behind it.
func ParseDelay(s string) (Delay, error) {
	number, auto := strings.CutSuffix(s, "auto")
	span, err := parseSpan("--delay", number)
	return Delay{Span: span, Auto: auto}, err
}

// leastLoad is what --load 0 means, as in GNU parallel: less than it is only a
// machine on which nothing runs.
const leastLoad = 0.01

// Load is what --load asks for.
type Load struct {
	// Max: no start while the load is not below it. At least 0.01; 0 where File says
	// it.
	Max float64
	// File is the name of a file that holds the value; see Jobs.
	File string
}

// ParseLoadRule reads the value of --load: N, N% of cpus, +N or -N for so many more
// or fewer than cpus, or the name of a file that holds one of these. isFile says
// whether a regular file of the name s exists; a number is a number even then.
func ParseLoadRule(s string, cpus int, isFile bool) (Load, error) {
	load, err := parseLoad(s, cpus)
	if err != nil && isFile {
		return Load{File: s}, nil
	}
	return Load{Max: load}, err
}

// ParseLoadFile reads the text of the file that --load named. See ParseJobsFile for
// what to do with an error.
func ParseLoadFile(name, text string, cpus int) (float64, error) {
	load, err := parseLoad(strings.TrimSpace(text), cpus)
	if err != nil {
		return 0, fmt.Errorf("the file %s: %w", name, err)
	}
	return load, nil
}

func parseLoad(s string, cpus int) (float64, error) {
	sign, number, percent := jobsParts(s)
	whole, fraction, point := strings.Cut(number, ".")
	f, err := strconv.ParseFloat(number, 64)
	if !digits(whole) || point && (!digits(fraction) || sign != "") || err != nil {
		return 0, fmt.Errorf("--load %q: not a load, and no file of that name; say N, N%% of the CPUs, +N or -N CPUs, or a file that holds one of these", s)
	}
	switch {
	case percent:
		f *= float64(cpus) / 100
	case sign == "+":
		f += float64(cpus)
	case sign == "-":
		f = float64(cpus) - f
	}
	return max(f, leastLoad), nil
}

// The bounds of a nice value on Linux.
const (
	minNice = -20
	maxNice = 19
)

// ParseNice reads the value of --nice: from -20, the most important, to 19.
func ParseNice(s string) (int, error) {
	number := strings.TrimPrefix(strings.TrimPrefix(s, "+"), "-")
	n, err := strconv.Atoi(s)
	if !digits(number) || err != nil || n < minNice || n > maxNice {
		return 0, fmt.Errorf("--nice %q: must be a whole number from %d to %d; the higher, the more a job gives way to others", s, minNice, maxNice)
	}
	return n, nil
}

// LimitKind says what answers whether a --limit is kept.
type LimitKind uint8

// The kinds.
const (
	LimitNone    LimitKind = iota
	LimitCommand           // the exit status of Limit.Command
	LimitLoad              // the machine's load: no start while it is above Limit.Value
	LimitMem               // free memory: as GateRules.MemFree
	LimitIO                // the busiest disk: no start while it is busy more than Limit.Value % of the time
)

// Limit is what --limit asks for. The zero value asks for nothing.
type Limit struct {
	Kind    LimitKind
	Command string  // to be run by the user's shell, for LimitCommand
	Value   float64 // for the others
}

var limitKinds = map[string]LimitKind{"load": LimitLoad, "mem": LimitMem, "io": LimitIO}

// ParseLimit reads the value of --limit: "load N", "mem SIZE", "io PERCENT", or
// else a command whose exit status is the answer: 0 to start a job, 1 to start
// none, 2 to start none and end the youngest.
func ParseLimit(s string) (Limit, error) {
	words := strings.Fields(s)
	if len(words) == 0 {
		return Limit{}, fmt.Errorf(`--limit %q: empty; say "load N", "mem SIZE", "io PERCENT", or a command that ends with 0 (start a job), 1 (start none) or 2 (end the youngest)`, s)
	}
	kind := limitKinds[words[0]]
	if kind == LimitNone {
		return Limit{Kind: LimitCommand, Command: s}, nil
	}
	if len(words) != 2 {
		return Limit{}, fmt.Errorf(`--limit %q: %s takes one number; say as in "%s 50", or write the path of a command of that name`, s, words[0], words[0])
	}
	if kind == LimitMem {
		size, err := ParseBytes("--limit mem", words[1])
		return Limit{Kind: kind, Value: float64(size)}, err
	}
	value, err := strconv.ParseFloat(words[1], 64)
	if !digits(strings.Replace(words[1], ".", "", 1)) || err != nil || math.IsInf(value, 0) {
		return Limit{}, fmt.Errorf(`--limit %q: %q is no number; say as in "%s 50"`, s, words[1], words[0])
	}
	return Limit{Kind: kind, Value: value}, nil
}
