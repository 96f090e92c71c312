package shm

import (
	"os"
	"strings"
)

// leftovers lists the segments that are still open or mapped.
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
		if to, _ := os.Readlink("/proc/self/fd/" + fd.Name()); strings.Contains(to, "memfd:") {
			left = append(left, to)
		}
	}
	return left
}
