package ipc

import (
	"fmt"
	"os"
	"runtime"
	"strings"
)

// leftovers lists what is left of spaces: names and, once nothing refers to them,
// mappings.
func leftovers() []string {
	var left []string
	for range 3 {
		runtime.GC() // spaces are unmapped when nothing refers to them
	}
	names, _ := Names(Options{})
	for _, n := range names {
		if strings.HasPrefix(n, fmt.Sprintf("test-%d-", os.Getpid())) {
			left = append(left, defaultFolder+"/"+filePrefix+n)
		}
	}
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, e := range entries {
		if to, _ := os.Readlink("/proc/self/fd/" + e.Name()); strings.Contains(to, filePrefix) {
			left = append(left, to)
		}
	}
	return left
}
