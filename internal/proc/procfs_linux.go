package proc

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// readStat reads what the kernel says of pid. See isGone for the error of
// a process that has ended.
func readStat(pid int) (procStat, error) {
	line, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return procStat{}, err
	}
	return parseStat(line)
}

// isGone reports whether err says that a process has ended, as /proc does before
// and after its file was opened.
func isGone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH)
}

// readMark reads the mark in pid's environment.
func readMark(pid int) (mark string, ok bool) {
	block, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
	if err != nil {
		return "", false
	}
	return variable(block, MarkVariable)
}

// ownMark is the mark that this process itself inherited.
var ownMark = sync.OnceValue(func() string { return os.Getenv(MarkVariable) })

// kin answers who is whose child. One kin serves one pass: where the kernel keeps
// no lists it holds all parents as they were when it was made.
type kin struct {
	byParent map[int][]int // nil: the kernel's lists are read
}

// hasLists reports whether the kernel has /proc/PID/task/TID/children
// (CONFIG_PROC_CHILDREN).
var hasLists = sync.OnceValue(func() bool {
	self := strconv.Itoa(os.Getpid())
	_, err := os.Stat("/proc/" + self + "/task/" + self + "/children")
	return err == nil
})

func newKin() (kin, error) {
	if hasLists() {
		return kin{}, nil
	}
	return scanParents()
}

// scanParents reads the parent of every process.
func scanParents() (kin, error) {
	dir, err := os.Open("/proc")
	if err != nil {
		return kin{}, fmt.Errorf("list processes: %w", err)
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return kin{}, fmt.Errorf("list processes: %w", err)
	}
	k := kin{byParent: map[int][]int{}}
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if p, err := readStat(pid); err == nil {
			k.byParent[p.ppid] = append(k.byParent[p.ppid], pid)
		}
	}
	return k, nil
}

// children lists the children of pid, of all its threads. A process that is gone
// has none. While children come and go the kernel may leave some out: only the
// list of a stopped parent is whole, so callers ask until nothing new appears.
func (k kin) children(pid int) ([]int, error) {
	if k.byParent != nil {
		return k.byParent[pid], nil
	}
	folder := "/proc/" + strconv.Itoa(pid) + "/task"
	dir, err := os.Open(folder)
	if isGone(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list children: %w", err)
	}
	defer dir.Close()
	threads, err := dir.Readdirnames(-1)
	if err != nil && !isGone(err) {
		return nil, fmt.Errorf("list children: %w", err)
	}
	var pids []int
	for _, thread := range threads {
		// A thread that ended hands its children to another of its process; the next
		// pass finds them there.
		pids = appendChildren(pids, int(dir.Fd()), thread)
	}
	return pids, nil
}

// appendChildren reads one list, by bare system calls: where several commands run in
// one process the end of each reads a list for every thread (114 µs for 21 threads,
// and 187 µs with os.ReadFile).
func appendChildren(pids []int, tasks int, thread string) []int {
	fd, err := unix.Openat(tasks, thread+"/children", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return pids
	}
	defer unix.Close(fd)
	var room [512]byte
	list := room[:0]
	for {
		n, err := unix.Read(fd, list[len(list):cap(list)])
		if err == unix.EINTR {
			continue
		}
		if err != nil || n == 0 {
			return appendPIDs(pids, list)
		}
		if list = list[:len(list)+n]; len(list) == cap(list) {
			list = slices.Grow(list, cap(list))
		}
	}
}
