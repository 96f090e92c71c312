package tutti_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// holdings are what this process has of the system: its descriptors by what
// they are, its shared mappings, its children.
type holdings map[string]int

// census counts them.
func census() holdings {
	h := holdings{}
	open := map[uint64]bool{} // segments that a descriptor holds
	fds, _ := filepath.Glob("/proc/self/fd/*")
	for _, fd := range fds {
		to, err := os.Readlink(fd)
		if err != nil || strings.HasPrefix(to, "anon_inode:[event") || strings.HasSuffix(to, "/fd") {
			continue // Go's poller, and what reads this folder
		}
		kind, _, _ := strings.Cut(to, ":[")
		h["descriptor "+kind]++
		var st syscall.Stat_t
		if strings.HasPrefix(to, "/memfd:tutti") {
			// A closed pool whose memory was handed out by Data stays mapped, empty
			// but for the few pages that a goroutine on its way out may touch.
			if syscall.Stat(fd, &st) == nil && st.Blocks*512 <= 64<<10 {
				h["descriptor "+kind]--
			}
			open[st.Ino] = true
		}
	}
	maps, _ := os.ReadFile("/proc/self/maps")
	for line := range strings.Lines(string(maps)) {
		fields := strings.Fields(line)
		if len(fields) < 6 || !strings.HasPrefix(fields[5], "/memfd:tutti") {
			continue
		}
		if inode, err := strconv.ParseUint(fields[4], 10, 64); err != nil || !open[inode] {
			h["mapping of a segment without a descriptor"]++
		}
	}
	for _, pid := range children(os.Getpid()) {
		h[fmt.Sprintf("child %d", pid)]++
	}
	return h
}

// leftovers is what is there now and was not then. What ends beside a Close
// gets a moment.
func (h holdings) leftovers() (left []string) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for range 400 {
		left = nil
		for what, n := range census() {
			if n > h[what] {
				left = append(left, fmt.Sprintf("%d× %s", n-h[what], what))
			}
		}
		if len(left) == 0 {
			return nil
		}
		<-tick.C
	}
	return left
}

// children are the processes that pid has started and not reaped.
func children(pid int) (pids []int) {
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, list := range lists {
		text, _ := os.ReadFile(list)
		for _, word := range strings.Fields(string(text)) {
			var n int
			if _, err := fmt.Sscan(word, &n); err == nil {
				pids = append(pids, n)
			}
		}
	}
	return pids
}
