package cli

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tutti-run/tutti/internal/cgrouptest"
)

// A command that the kernel kills for want of memory is run again where --retry-on says
// oom, and only there; one that something else kills with the same signal is not. The
// run is in a memory cgroup of its own.
func TestRetryOnOOM(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	check(t, err)
	for _, c := range []struct {
		name, rule, first string
		tries             int
		code              int
	}{
		{"memory, and asked for", "oom", "exec tail /dev/zero", 2, 0},
		{"memory, and others asked for", "75,SIGTERM,timeout", "exec tail /dev/zero", 1, 1},
		{"killed, and memory asked for", "oom", "kill -9 $$", 1, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			group, dir := cgrouptest.Memory(t, "192M"), t.TempDir()
			link := filepath.Join(dir, "tutti")
			check(t, os.Symlink(self, link))
			cmd := exec.Command("/bin/sh", "-c", `echo $$ > "$1" && shift && exec "$@"`, "sh", filepath.Join(group, "cgroup.procs"),
				link, "map", "--retries", "3", "--retry-delay", "0", "--retry-on", c.rule,
				"echo >> tried; test $(wc -l < tried) -gt 1 && exit; "+c.first+" # {}", ":::", "x")
			cmd.Dir = dir
			out, _ := cmd.CombinedOutput()
			tried, err := os.ReadFile(filepath.Join(dir, "tried"))
			if n := strings.Count(string(tried), "\n"); n != c.tries || err != nil || cmd.ProcessState.ExitCode() != c.code {
				t.Errorf("tried %d times, want %d, exit code %d, want %d: %v\n%s", n, c.tries, cmd.ProcessState.ExitCode(), c.code, err, out)
			}
		})
	}
}
