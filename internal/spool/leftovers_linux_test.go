package spool

import (
	"os"
	"strings"
)

// leftovers lists the segments and temporary files that are still open or mapped,
// and children that still run.
func leftovers() []string {
	var left []string
	maps, _ := os.ReadFile("/proc/self/maps")
	for line := range strings.Lines(string(maps)) {
		if strings.Contains(line, "memfd:") {
			left = append(left, strings.TrimSpace(line))
		}
	}
	fds, _ := os.ReadDir("/proc/self/fd")
	for _, fd := range fds {
		to, _ := os.Readlink("/proc/self/fd/" + fd.Name())
		if strings.Contains(to, "memfd:") || strings.HasPrefix(to, os.TempDir()+"/") && strings.HasSuffix(to, " (deleted)") {
			left = append(left, to)
		}
	}
	children, _ := os.ReadFile("/proc/thread-self/children")
	for _, pid := range strings.Fields(string(children)) {
		left = append(left, "process "+pid)
	}
	return left
}
