// Package cgrouptest makes cgroups for tests.
package cgrouptest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Memory makes a memory cgroup with a limit, as "256M", below this process's own, and
// returns its folder. It is removed when the test ends, and must be empty by then. Where
// none can be made the test is skipped.
func Memory(t testing.TB, limit string) string {
	t.Helper()
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		t.Skip(err)
	}
	for line := range strings.Lines(string(own)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		root, file := "/sys/fs/cgroup", "memory.max"
		if len(parts) != 3 || parts[1] != "" && parts[1] != "memory" {
			continue
		}
		if parts[1] == "memory" {
			root, file = "/sys/fs/cgroup/memory", "memory.limit_in_bytes"
		}
		group, err := os.MkdirTemp(filepath.Join(root, parts[2]), "tutti-test-")
		if err != nil {
			continue
		}
		t.Cleanup(func() { _ = os.Remove(group) })
		if os.WriteFile(filepath.Join(group, file), []byte(limit), 0) == nil {
			return group
		}
	}
	t.Skip("no memory cgroup can be made here")
	return ""
}
