package proc

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tutti-run/tutti/internal/cgrouptest"
)

func TestCgroupFolder(t *testing.T) {
	t.Parallel()
	const v1 = "5:cpu,cpuacct:/a\n4:memory:/b/c\n0::/d\n"
	const mounts = `30 20 0:26 / /sys/fs/cgroup ro - tmpfs tmpfs rw
31 30 0:27 / /sys/fs/cgroup/unified rw shared:1 - cgroup2 cgroup2 rw
32 30 0:28 /b /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
33 30 0:29 /elsewhere /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct
`
	for _, c := range []struct{ kind, controller, want string }{
		{"cgroup2", "", "/sys/fs/cgroup/unified/d"},
		{"cgroup", "memory", "/sys/fs/cgroup/memory/c"},
		{"cgroup", "cpu", ""},
		{"cgroup", "pids", ""},
	} {
		got, ok := cgroupFolder([]byte(v1), []byte(mounts), c.kind, c.controller)
		if got != c.want || ok != (c.want != "") {
			t.Errorf("%s %q: %q, %v; want %q", c.kind, c.controller, got, ok, c.want)
		}
	}
}

// ownCgroup is where this process's cgroup is mounted.
func ownCgroup(t *testing.T, kind, controller string) string {
	t.Helper()
	membership, _ := os.ReadFile("/proc/self/cgroup")
	mounts, _ := os.ReadFile("/proc/self/mountinfo")
	folder, ok := cgroupFolder(membership, mounts, kind, controller)
	if !ok {
		t.Skipf("no %s %s here", kind, controller)
	}
	return folder
}

func TestOOM(t *testing.T) {
	folder := cgrouptest.Memory(t, "64M")
	r, w := pipe(t)
	spec := helperSpec(t, "oom")
	spec.Path, spec.Stdout = "/bin/sh", w
	spec.Args = []string{"-c", `echo $$ > "$0" && exec "$1"`, filepath.Join(folder, "cgroup.procs"), os.Args[0]}
	p := mustStart(t, spec)
	w.Close()
	text, err := io.ReadAll(r)
	want := "killed: out of memory\nkilled: out of memory\nsignal 9 (killed)\n"
	if s := p.Wait(); s.Exit != 0 || string(text) != want || err != nil {
		t.Errorf("%q, %v, %v", text, s, err)
	}
}

// helperOOM runs in a cgroup of 64 MiB: tail keeps all that it reads, looking for a
// line's end that does not come.
func helperOOM() error {
	for _, argv := range [][]string{{"tail", "/dev/zero"}, shell("tail /dev/zero; exit $?"), shell("kill -9 $$")} {
		res := capture(context.Background(), Command{Argv: argv})
		if _, err := os.Stdout.WriteString(res.Status.String() + "\n"); err != nil || res.StartErr != nil {
			return errors.Join(err, res.StartErr)
		}
	}
	return nil
}

func TestCommandCgroup(t *testing.T) {
	parent, err := os.MkdirTemp(ownCgroup(t, "cgroup2", ""), "proc-test-")
	if err != nil {
		t.Skip(err)
	}
	defer os.Remove(parent)
	res := capture(t.Context(), Command{Argv: []string{"cat", "/proc/self/cgroup"}, Cgroup: parent})
	if errors.Is(res.StartErr, unix.EPERM) || errors.Is(res.StartErr, unix.EACCES) {
		t.Skip(res.StartErr)
	}
	if !strings.Contains(string(res.Stdout.Head), filepath.Base(parent)+"/tutti.") {
		t.Errorf("%q, %v", res.Stdout.Head, res.StartErr)
	}
	ready := newFIFO(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := begin(ctx, Command{Argv: shell(daemon+"; while :; do sleep 1000; done", ready.path), Cgroup: parent})
	pid := ready.pid(t)
	cancel()
	if res := <-done; res.Stopped != "cancelled" || res.Strays != nil {
		t.Errorf("%+v", res)
	}
	mustBeGone(t, pid)
	if entries, err := filepath.Glob(parent + "/tutti.*"); len(entries) != 0 || err != nil {
		t.Errorf("cgroups left over: %v, %v", entries, err)
	}
}
