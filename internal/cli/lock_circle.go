package cli

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// A call of tutti lock within the command of another waits on behalf of both: the outer
// one gives its locks back when the inner one has ended. So who waits for whom is told
// by the space, which knows what each process holds and awaits, together with what each
// process that waits runs under, which is in its environment.
//
// The space cannot know the second by itself: a wait that says "on behalf of process N"
// would have ipc find these circles, together with all others.

// locksVariable names the variable that tells a command what is held above it.
const locksVariable = "TUTTI_LOCKS"

// heldAbove is a lock that a process above has.
type heldAbove struct {
	space string
	pid   int
	lock  string
}

// String is one word of the variable.
func (h heldAbove) String() string {
	return url.PathEscape(h.space) + "/" + strconv.Itoa(h.pid) + "/" + url.PathEscape(h.lock)
}

// parseHeldAbove reads the variable. What it cannot read is not ours.
func parseHeldAbove(text string) (all []heldAbove) {
	for _, word := range strings.Fields(text) {
		parts := strings.Split(word, "/")
		if len(parts) != 3 {
			continue
		}
		space, err := url.PathUnescape(parts[0])
		lock, err2 := url.PathUnescape(parts[2])
		pid, err3 := strconv.Atoi(parts[1])
		if err == nil && err2 == nil && err3 == nil {
			all = append(all, heldAbove{space, pid, lock})
		}
	}
	return all
}

// lockUse is that a process has a lock, or waits for it.
type lockUse struct {
	pid       int
	lock      string
	exclusive bool
	since     int64
}

// lockScene is who has and awaits what, at one time.
type lockScene struct {
	holds, waits []lockUse
	above        map[int][]heldAbove // of processes that wait
}

// has reports whether a process has a lock.
func (s *lockScene) has(pid int, lock string) bool {
	return slices.ContainsFunc(s.holds, func(u lockUse) bool { return u.pid == pid && u.lock == lock })
}

// step is that one process goes on only when another does.
type step struct {
	from, to int
	lock     string // that from waits for; "" where to runs under from
	queued   bool   // to waits for it as well, and came first
}

// String says it for people.
func (s step) String() string {
	switch {
	case s.lock == "":
		return fmt.Sprintf("process %d ends when process %d does, which runs under it", s.from, s.to)
	case s.queued:
		return fmt.Sprintf("process %d waits for lock %q after process %d", s.from, s.lock, s.to)
	}
	return fmt.Sprintf("process %d waits for lock %q, which process %d has", s.from, s.lock, s.to)
}

// steps are those from a process.
func (s *lockScene) steps(pid int) (all []step) {
	for _, w := range s.waits {
		if w.pid != pid {
			continue
		}
		for _, h := range s.holds {
			if h.lock == w.lock && h.pid != pid && (h.exclusive || w.exclusive) {
				all = append(all, step{from: pid, to: h.pid, lock: w.lock})
			}
		}
		for _, e := range s.waits {
			if e.lock == w.lock && e.pid != pid && e.since < w.since {
				all = append(all, step{from: pid, to: e.pid, lock: w.lock, queued: true})
			}
		}
	}
	for _, w := range s.waits {
		for _, a := range s.above[w.pid] {
			if a.pid == pid && s.has(pid, a.lock) {
				all = append(all, step{from: pid, to: w.pid})
				break
			}
		}
	}
	return all
}

// circle returns the steps that lead from a process back to it; nil: there are none.
func (s *lockScene) circle(self int) []step {
	seen := map[int]bool{}
	var walk func(pid int) []step
	walk = func(pid int) []step {
		for _, st := range s.steps(pid) {
			if st.to == self {
				return []step{st}
			}
			if seen[st.to] {
				continue
			}
			seen[st.to] = true
			if rest := walk(st.to); rest != nil {
				return append([]step{st}, rest...)
			}
		}
		return nil
	}
	return walk(self)
}

// kept reports whether steps are still what they were: then all of them held at one
// moment, for nobody takes a lock twice in its life.
func (s *lockScene) kept(circle []step) bool {
	for _, st := range circle {
		if !slices.Contains(s.steps(st.from), st) {
			return false
		}
	}
	return true
}

// circleError says what would wait for ever.
func circleError(circle []step) error {
	var texts []string
	for _, st := range circle {
		texts = append(texts, st.String())
	}
	return &exitError{exitUsage, fmt.Errorf("deadlock: %s: this would wait for ever, and was not run; take all locks in the outermost call", strings.Join(texts, "; "))}
}
