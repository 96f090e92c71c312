package proc

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// helperVariable makes the test binary act as another process of the program.
const helperVariable = "PROC_TEST_HELPER"

var helpers = map[string]func() error{
	"fds": helperFDs,
	"die": helperDie,
	"oom": helperOOM,

	"spare":  helperSpare,
	"leaves": helperLeaves,
}

func TestMain(m *testing.M) {
	if helper := helpers[os.Getenv(helperVariable)]; helper != nil {
		if err := helper(); err != nil {
			fmt.Println("helper:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if err := BecomeSubreaper(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	before := warmFDs()
	code := m.Run()
	for len(silent) > 0 {
		_ = unix.Close(<-silent)
	}
	if after := openFDs(); len(after) != len(before) {
		fmt.Fprintf(os.Stderr, "descriptors left over: before %v, after %v\n", before, after)
		code = 1
	}
	if hasChildren() {
		own, err := children.list(kin{}, os.Getpid())
		for _, c := range own {
			p, _ := readStat(c.pid)
			fmt.Fprintf(os.Stderr, "process left over: %+v\n", p)
		}
		fmt.Fprintln(os.Stderr, "child processes left over:", err)
		code = 1
	}
	os.Exit(code)
}

// warmFDs opens what stays open for good (the netpoller, /dev/null, the count of
// OOM kills) and lists the descriptors.
func warmFDs() []string {
	p, err := Start(Spec{Path: "/bin/true"})
	if err == nil {
		p.Wait()
	}
	return openFDs()
}

func openFDs() []string {
	entries, _ := os.ReadDir("/proc/self/fd")
	var open []string
	for _, e := range entries {
		target, err := os.Readlink("/proc/self/fd/" + e.Name())
		if err == nil && !strings.HasPrefix(target, "/proc/") { // not the listing itself
			open = append(open, e.Name()+"="+target)
		}
	}
	return open
}

func helperSpec(t *testing.T, name string, args ...string) Spec {
	t.Helper()
	return Spec{Path: Self(), Args: args, Env: append(os.Environ(), helperVariable+"="+name), Stderr: os.Stderr}
}

// fifo is a meeting point with shell scripts: they write lines into it, and the test
// reads them. No process holds it as a descriptor that it does not open itself.
type fifo struct {
	path  string
	lines *bufio.Reader
}

func newFIFO(t *testing.T) *fifo {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	// Both ways, so that neither side waits for the other to open it.
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return &fifo{path, bufio.NewReader(f)}
}

func (f *fifo) line(t *testing.T) string {
	t.Helper()
	line, err := f.lines.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(line)
}

func (f *fifo) pid(t *testing.T) int {
	t.Helper()
	pid, err := strconv.Atoi(f.line(t))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// daemon is a script that leaves a process behind which has left its parent, its
// group and its session, and has written its number to the fifo $1 names.
const daemon = `(setsid sh -c 'echo $$ > "$0"; while :; do sleep 1000; done' "$1" >/dev/null 2>&1 </dev/null &)`

func shell(script string, args ...string) []string {
	return append([]string{"/bin/sh", "-c", script, "sh"}, args...)
}

// begin runs c beside the test.
func begin(ctx context.Context, c Command) <-chan captured {
	done := make(chan captured, 1)
	go func() { done <- capture(ctx, c) }()
	return done
}

func mustBeGone(t *testing.T, pid int) {
	t.Helper()
	if p, err := readStat(pid); err == nil {
		t.Errorf("process %d (%s) is still there in state %c", pid, p.comm, p.state)
	}
}

// mustEndTree ends a stray and fails if it is not there.
func mustEndTree(t *testing.T, pid int) {
	t.Helper()
	if _, err := readStat(pid); err != nil {
		t.Errorf("stray %d did not live on: %v", pid, err)
	}
	if err := KillTree(pid); err != nil {
		t.Error(err)
	}
	mustBeGone(t, pid)
}

// pipe gives a reader that meets its end when no process holds the writer any more.
func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}

func mustEnd(t *testing.T, r io.Reader) {
	t.Helper()
	if _, err := io.Copy(io.Discard, r); err != nil {
		t.Error(err)
	}
}

// memory is a Sink that keeps everything.
type memory struct {
	room int
	data []byte
	buf  []byte
}

func (m *memory) Room() []byte {
	if m.buf == nil {
		m.buf = make([]byte, cmp.Or(m.room, pipeBytes))
	}
	return m.buf
}

func (m *memory) Took(n int) { m.data = append(m.data, m.buf[:n]...) }

// captured is a result with what the command wrote.
type captured struct {
	Result
	Stdout, Stderr struct{ Head []byte }
}

// capture is Run with the output kept in memory, but for what goes to a file.
func capture(ctx context.Context, c Command) (res captured) {
	var out, errs memory
	if c.Stdout == nil && c.Out == nil {
		c.Out = &out
	}
	if c.Stderr == nil && c.Err == nil {
		c.Err = &errs
	}
	res.Result = Run(ctx, c)
	res.Stdout.Head, res.Stderr.Head = out.data, errs.data
	return res
}
