package core

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// MaxJobs bounds the jobs that run at once, and is what -j 0 means. It is a
// quarter of the process ids of a Linux with its smallest usual pid_max (32768):
// a run must leave the machine able to start something else.
const MaxJobs = 8192

// Jobs is what -j asks for.
type Jobs struct {
	// Count is how many jobs run at once; 0 where File says it.
	Count int
	// File is the name of a file that holds the number. The caller reads it, gives
	// its text to ParseJobsFile, and does so again when the file has changed.
	File string
}

// ParseJobsRule reads the value of -j: what ParseJobs reads, or else the name of
// a file that holds such a value. isFile says whether a regular file of the name
// s exists; a number is a number even then.
func ParseJobsRule(s string, cpus int, isFile bool) (Jobs, error) {
	if isFile && !isJobs(s) {
		return Jobs{File: s}, nil
	}
	n, err := ParseJobs(s, cpus)
	return Jobs{Count: n}, err
}

// ParseJobsFile reads the text of the file that -j named, which is a value as
// ParseJobs reads it, perhaps with blanks and line ends around it. While somebody
// writes the file it may be empty or cut off: a run that has begun keeps the
// number that it had when this returns an error.
func ParseJobsFile(name, text string, cpus int) (int, error) {
	n, err := ParseJobs(strings.TrimSpace(text), cpus)
	if err != nil {
		return 0, fmt.Errorf("the file %s: %w", name, err)
	}
	return n, nil
}

// jobsParts takes the value of -j apart.
func jobsParts(s string) (sign, number string, percent bool) {
	number, percent = strings.CutSuffix(s, "%")
	if !percent && number != "" && strings.ContainsAny(number[:1], "+-") {
		sign, number = number[:1], number[1:]
	}
	return sign, number, percent
}

// isJobs reports whether s has the form of a number of jobs, right or not.
func isJobs(s string) bool {
	_, number, percent := jobsParts(s)
	whole, fraction, point := strings.Cut(number, ".")
	return digits(whole) && (!point || percent && digits(fraction))
}

// ParseJobs reads a number of jobs: N jobs at once; N% of cpus, rounded up; +N or
// -N for so many more or fewer than cpus; 0 for as many as possible, which is
// MaxJobs. The result is from 1 to MaxJobs: fewer than 1 becomes 1, more than
// MaxJobs is an error.
func ParseJobs(s string, cpus int) (int, error) {
	bad := func(why string) (int, error) {
		return 0, fmt.Errorf("-j %q: %s; say N, N%% of the CPUs, +N or -N CPUs, 0 for as many as possible (%d), or a file that holds one of these", s, why, MaxJobs)
	}
	sign, number, percent := jobsParts(s)
	f, err := strconv.ParseFloat(number, 64)
	if !isJobs(s) || err != nil {
		return bad("not a number of jobs")
	}
	n := f
	switch {
	case percent:
		n = math.Ceil(float64(cpus) * f / 100)
	case sign == "+":
		n = float64(cpus) + f
	case sign == "-":
		n = float64(cpus) - f
	case f == 0:
		return MaxJobs, nil
	}
	if n > MaxJobs {
		return bad(fmt.Sprintf("at most %d jobs can run at once", MaxJobs))
	}
	return int(max(n, 1)), nil
}
