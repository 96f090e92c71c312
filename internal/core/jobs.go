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

// ParseJobs reads the value of -j: N jobs at once; N% of cpus, rounded up; +N or
// -N for so many more or fewer than cpus; 0 for as many as possible, which is
// MaxJobs. The result is from 1 to MaxJobs: fewer than 1 becomes 1, more than
// MaxJobs is an error.
func ParseJobs(s string, cpus int) (int, error) {
	bad := func(why string) (int, error) {
		return 0, fmt.Errorf("-j %q: %s; say N, N%% of the CPUs, +N or -N CPUs, or 0 for as many as possible (%d)", s, why, MaxJobs)
	}
	number, percent := strings.CutSuffix(s, "%")
	sign := ""
	if !percent && number != "" && strings.ContainsAny(number[:1], "+-") {
		sign, number = number[:1], number[1:]
	}
	whole, fraction, point := strings.Cut(number, ".")
	if !digits(whole) || point && (!percent || !digits(fraction)) {
		return bad("not a number of jobs")
	}
	f, err := strconv.ParseFloat(number, 64)
	if err != nil {
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
