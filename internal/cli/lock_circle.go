package cli

import (
	"fmt"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
)

// A call of tutti lock or tutti sem within the command of another waits on behalf of
// both: the outer one gives back what it holds when the inner one has ended. So who waits
// for whom is told by the space, which knows what each process holds and awaits, together
// with what each process that waits runs under, which is in its environment. What sem
// runs in the background does not hold up who called it, and runs under its own unit
// alone.
//
// Of semaphores only who wants to be the one command that runs (-j1) waits for each that
// has a unit; who wants to be one of several waits for any of them, and closes no circle.
//
// The space cannot know the second by itself: a wait that says "on behalf of process N"
// would have ipc find these circles, together with all others.

// locksVariable names the variable that tells a command what is held above it.
const locksVariable = "TUTTI_LOCKS"

// heldAbove is a lock that a process above has, or a semaphore of which it has a unit.
type heldAbove struct {
	space string
	pid   int
	lock  string // name of the object
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

// heldEnv is the environment of a command that runs under what this process holds in a
// space, and under what the text above says.
func heldEnv(env []string, above string, space spaceRef, needs []need) []string {
	for _, n := range needs {
		if above != "" {
			above += " "
		}
		above += heldAbove{space.String(), os.Getpid(), n.Name}.String()
	}
	env = slices.DeleteFunc(env, func(kv string) bool { return strings.HasPrefix(kv, locksVariable+"=") })
	return append(env, locksVariable+"="+above)
}

// lockUse is that a process has a lock, or a unit of a semaphore, or waits for it.
type lockUse struct {
	pid       int
	lock      string // name of the object
	exclusive bool   // it shares it with nobody
	since     int64
}

// lockText is a lock or semaphore for people.
func lockText(object string) string {
	if id, ok := strings.CutPrefix(object, semPrefix); ok {
		return fmt.Sprintf("semaphore %q", id)
	}
	return fmt.Sprintf("lock %q", object)
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
		return fmt.Sprintf("process %d waits for %s after process %d", s.from, lockText(s.lock), s.to)
	}
	return fmt.Sprintf("process %d waits for %s, which process %d has", s.from, lockText(s.lock), s.to)
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

// deadlockError says what would wait for ever. Its exit code is that of wrong usage.
type deadlockError struct{ text string }

func (e *deadlockError) Error() string { return "deadlock: " + e.text }

// circleError says what would wait for ever.
func circleError(circle []step) error {
	var texts []string
	for _, st := range circle {
		texts = append(texts, st.String())
	}
	return &deadlockError{strings.Join(texts, "; ") + ": this would wait for ever, and was not run; take all locks in the outermost call"}
}

// refuseOwn refuses what is needed where that is held above: for a semaphore, as many
// units as may be taken.
func (s *lockScene) refuseOwn(above []heldAbove, space string, n need) error {
	has := 0
	for _, a := range above {
		if a.space != space || a.lock != n.Name || !s.has(a.pid, a.lock) {
			continue
		}
		if has++; int64(has) >= n.Most {
			return &deadlockError{fmt.Sprintf("%s is held by process %d, under which this runs: it would wait for its own end; leave it out here", lockText(n.Name), a.pid)}
		}
	}
	return nil
}
