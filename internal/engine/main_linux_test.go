package engine

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tutti-run/tutti/internal/proc"
)

var (
	exhaustive = flag.Bool("engine.exhaustive", false, "kill at every single instruction, not at a sample")
	killsWant  = flag.Int("engine.kills", 300, "how many workers TestRandomKills kills")
)

// The variables that make the test binary another process of a pool.
const (
	workerVariable = "ENGINE_TEST_WORKER" // of a worker: what goes wrong at its start
	masterVariable = "ENGINE_TEST_MASTER" // the process is a master that dies: see master_linux_test.go
)

func TestMain(m *testing.M) {
	if IsWorker() {
		beWorker()
	}
	if at := os.Getenv(masterVariable); at != "" {
		beMaster(at)
	}
	flag.Parse()
	if err := warm(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	before := leftovers()
	code := m.Run()
	// What a closed pool leaves for a moment are the goroutines that read the
	// last of its workers' output.
	if !eventually(func() bool { return len(leftovers()) <= len(before) }) {
		fmt.Fprintf(os.Stderr, "left over: %q\nbefore: %q\n", leftovers(), before)
		code = max(code, 1)
	}
	os.Exit(code)
}

// warm opens what stays open for good: the netpoller, the count of OOM kills.
func warm() error {
	p, err := proc.Start(proc.Spec{Path: "/bin/true"})
	if err == nil {
		p.Wait()
	}
	return err
}

// leftovers lists child processes, descriptors and mappings of segments.
func leftovers() []string {
	var left []string
	fds, _ := os.ReadDir("/proc/self/fd")
	for _, fd := range fds {
		to, err := os.Readlink("/proc/self/fd/" + fd.Name())
		if err == nil && !strings.HasPrefix(to, "/proc/") {
			left = append(left, fd.Name()+"="+to)
		}
	}
	maps, _ := os.ReadFile("/proc/self/maps")
	for line := range strings.Lines(string(maps)) {
		if strings.Contains(line, "memfd:") {
			left = append(left, strings.TrimSpace(line))
		}
	}
	tasks, _ := os.ReadDir("/proc/self/task")
	for _, task := range tasks {
		kids, _ := os.ReadFile("/proc/self/task/" + task.Name() + "/children")
		for _, pid := range strings.Fields(string(kids)) {
			left = append(left, "child "+pid)
		}
	}
	return left
}

// eventually waits until cond holds, looking again and again, and gives up after
// a time that no healthy machine needs.
func eventually(cond func() bool) bool {
	tick := time.NewTicker(500 * time.Microsecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !cond(); <-tick.C {
		if time.Now().After(end) {
			return false
		}
	}
	return true
}

// until fails the test when cond does not come to hold.
func until(tb testing.TB, what string, cond func() bool) {
	tb.Helper()
	if !eventually(cond) {
		buf := make([]byte, 1<<16)
		tb.Fatalf("never: %s\n%s", what, buf[:runtime.Stack(buf, true)])
	}
}

// gone waits until a process has ended, whoever's child it is.
func gone(tb testing.TB, pidfd int) {
	tb.Helper()
	fds := []unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}
	for {
		n, err := unix.Poll(fds, 30_000)
		if err == unix.EINTR {
			continue
		}
		if err != nil || n != 1 {
			tb.Fatalf("a process does not end: %d, %v", n, err)
		}
		return
	}
}

// testBinary starts this test binary again.
func testBinary(env ...string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), env...)
	cmd.Stderr = os.Stderr
	return cmd
}
