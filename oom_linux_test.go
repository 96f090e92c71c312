package tutti_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tutti-run/tutti"
	"github.com/tutti-run/tutti/internal/cgrouptest"
)

// eat takes memory until the kernel takes it back.
func eat() {
	for kept := [][]byte{}; ; {
		chunk := make([]byte, 1<<20)
		for i := 0; i < len(chunk); i += 4096 {
			chunk[i] = 1
		}
		kept = append(kept, chunk)
	}
}

// A worker that the kernel killed for want of memory is told from one that was
// killed otherwise. The pool runs in a memory cgroup of its own.
func TestOutOfMemory(t *testing.T) {
	t.Parallel()
	if os.Getenv("TUTTI_TEST_OOM") != "" {
		dieOfMemory(t)
		return
	}
	group := cgrouptest.Memory(t, "256M")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/bin/sh", "-c", `echo $$ > "$0" && exec "$1" -test.timeout=60s -test.run='^TestOutOfMemory$'`,
		filepath.Join(group, "cgroup.procs"), self)
	cmd.Env = append(os.Environ(), "TUTTI_TEST_OOM=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func dieOfMemory(t *testing.T) {
	pool := open(t, tutti.Config{Workers: 1, Stderr: new(lines)})
	for _, how := range []string{"kill", "memory", "kill", "memory"} {
		_, err := Die.Call(t.Context(), pool, Fatal{How: how, Until: 9, File: filepath.Join(t.TempDir(), "f")}, tutti.Retries(0))
		crash, ok := errors.AsType[*tutti.CrashError](err)
		if !ok || crash.OOM != (how == "memory") || strings.Contains(err.Error(), "out of memory") != crash.OOM {
			t.Errorf("%s: %v\n%+v", how, err, crash)
		}
	}
}
