package proc

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// oomSource is a file in which the kernel counts the processes that its
// out-of-memory killer ended. It stays open: reading it anew costs 1 to 2 µs,
// which every command can afford.
type oomSource struct {
	file *os.File
	key  string
}

var ownOOM = sync.OnceValue(func() oomSource {
	if path := givenOOM.Load(); path != nil {
		if s, ok := openCounter(*path); ok {
			return s
		}
	}
	return openOOM()
})

// givenOOM is where a process of the same cgroup has found the count.
var givenOOM atomic.Pointer[string]

// OOMCounter is the file in which the kernel counts what its out-of-memory killer did to
// this process's cgroup, "" for none. To find it costs a quarter of a millisecond, which
// a worker saves by [TakeOOMCounter].
func OOMCounter() string {
	if f := ownOOM().file; f != nil {
		return f.Name()
	}
	return ""
}

// TakeOOMCounter says where a process of the same cgroup found the count. It comes before
// the first command.
func TakeOOMCounter(path string) {
	if path != "" {
		givenOOM.Store(&path)
	}
}

// openOOM finds the count of this process's own cgroup, or, in the root cgroup,
// which has none, that of the machine.
func openOOM() oomSource {
	membership, _ := os.ReadFile("/proc/self/cgroup")
	mounts, _ := os.ReadFile("/proc/self/mountinfo")
	for _, c := range []struct {
		kind, controller, file string
	}{
		{"cgroup2", "", "memory.events"},
		{"cgroup", "memory", "memory.oom_control"},
	} {
		folder, ok := cgroupFolder(membership, mounts, c.kind, c.controller)
		if !ok {
			continue
		}
		if s, ok := openCounter(filepath.Join(folder, c.file)); ok {
			return s
		}
	}
	s, _ := openCounter("/proc/vmstat")
	return s
}

func openCounter(path string) (oomSource, bool) {
	f, err := os.Open(path)
	if err != nil {
		return oomSource{}, false
	}
	s := oomSource{file: f, key: "oom_kill"}
	if _, ok := s.count(); !ok { // kernels before 4.13 do not count
		f.Close()
		return oomSource{}, false
	}
	return s, true
}

// oomText holds any of the files; /proc/vmstat is the longest.
var oomText = sync.Pool{New: func() any { return new([16 << 10]byte) }}

func (s oomSource) count() (n uint64, ok bool) {
	if s.file == nil {
		return 0, false
	}
	text := oomText.Get().(*[16 << 10]byte)
	defer oomText.Put(text)
	size, _ := s.file.ReadAt(text[:], 0)
	return counter(text[:size], s.key)
}

// OOMKills samples how often the kernel's out-of-memory killer struck in this
// process's cgroup (memory.events, memory.oom_control in v1, or else the whole
// machine) and returns a function that reports whether it struck since. Where
// nothing is counted the function always says no.
func OOMKills() (struck func() bool) {
	before := ownLook.count(lookAgain)
	return func() bool { return ownLook.count(0) > before }
}

// look is what was read of a counter a moment ago: to read it for each of two
// thousand commands a second costs as much as a hundredth of each.
type look struct {
	mu    sync.Mutex
	at    time.Time
	kills uint64
}

var ownLook look

// lookAgain is how old the look before a command may be. One that was killed
// otherwise is said to have been short of memory if another process was, within
// this time before it began.
const lookAgain = 50 * time.Millisecond

// count looks, unless it did so within the last while.
func (l *look) count(within time.Duration) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := time.Now(); now.Sub(l.at) > within {
		l.at = now
		l.kills, _ = ownOOM().count()
	}
	return l.kills
}

func (s oomSource) watch() func() bool {
	before, _ := s.count()
	return func() bool {
		now, _ := s.count()
		return now > before
	}
}

// cgroupFolder finds where the cgroup of a process is mounted, from its
// /proc/PID/cgroup and /proc/PID/mountinfo. The controller of v2 is "".
func cgroupFolder(membership, mounts []byte, kind, controller string) (folder string, ok bool) {
	inside := ""
	for line := range bytes.Lines(membership) {
		_, rest, _ := strings.Cut(strings.TrimSuffix(string(line), "\n"), ":")
		names, path, found := strings.Cut(rest, ":")
		if found && hasName(names, controller) {
			inside = path
		}
	}
	if inside == "" {
		return "", false
	}
	for line := range bytes.Lines(mounts) {
		left, right, found := strings.Cut(string(line), " - ")
		fields, system := strings.Fields(left), strings.Fields(right)
		if !found || len(fields) < 5 || len(system) < 3 || system[0] != kind {
			continue
		}
		if controller != "" && !hasName(system[2], controller) {
			continue
		}
		root, point := fields[3], fields[4]
		below, err := filepath.Rel(root, inside)
		if err != nil || strings.HasPrefix(below, "..") {
			continue // mounted from elsewhere in the hierarchy
		}
		return filepath.Join(point, below), true
	}
	return "", false
}

// hasName reports whether name is in the comma-separated list. The empty list
// holds the empty name.
func hasName(list, name string) bool {
	for one := range strings.SplitSeq(list, ",") {
		if one == name {
			return true
		}
	}
	return false
}
