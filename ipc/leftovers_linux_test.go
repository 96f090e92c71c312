package ipc

import (
	"fmt"
	"os"
	"strings"
)

// leftovers lists what is left of spaces: names and descriptors. Memory is unmapped
// when nothing refers to it any more.
func leftovers() []string {
	var left []string
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
