package cli

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tutti-run/tutti/internal/jobserver"
)

// makeJobs is -j of the make in TestTokensOfMake: it has one token fewer.
const makeJobs = 6

// makefile runs tutti, and then holds make up until the test has counted. A command
// tells who its master is on descriptor 3, and waits for a line on 4.
const makefile = `all:
	-@+tutti map -j4 ': {}; echo $$PARALLEL_PID >&3; read x <&4' ::: 1 2 3 4 2> /dev/null
	@echo over >&3; read x <&5
`

// Whichever of tutti's processes is killed below a real make: when they are gone make's
// pool has all of its tokens, and make itself counts as many when it leaves.
func TestTokensOfMake(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("make"); err != nil {
		t.Skip("make is not installed")
	}
	for name, die := range map[string]func(t *testing.T, m *makeRun){
		"nobody":   func(t *testing.T, m *makeRun) { m.gate.Close() },
		"commands": func(t *testing.T, m *makeRun) { m.kill(t, below(m.master, "read x")...) },
		"workers":  func(t *testing.T, m *makeRun) { m.kill(t, workersOf(m.master)...) },
		"master":   func(t *testing.T, m *makeRun) { m.kill(t, m.master) },
		"keeper":   func(t *testing.T, m *makeRun) { new(poolRun).killKeeper(t, m.master); m.gate.Close() },
		"all other": func(t *testing.T, m *makeRun) {
			m.killAtOnce(t, append(workersOf(m.master), m.master)...)
			m.gate.Close()
		},
	} {
		for _, style := range []string{"pipe", "fifo"} {
			t.Run(name+", "+style, func(t *testing.T) {
				t.Parallel()
				if style == "fifo" && !makeHasFifo() {
					t.Skip("make is older than 4.4, and knows no fifo")
				}
				m := startMake(t, style)
				if n := m.free(t); n != makeJobs-1-3 {
					t.Errorf("%d tokens are in make's pool while four commands run", n)
				}
				all := watched(t, append(below(m.master, ""), m.master))
				die(t, m)
				if line := m.line(t); line != "over" {
					t.Fatalf("tutti has not ended: %s", line)
				}
				awaitEnds(t, all)
				if n := m.free(t); n != makeJobs-1 {
					t.Errorf("%d tokens are in make's pool when all are gone", n)
				}
				m.hold.Close()
				_ = m.cmd.Wait()
				if strings.Contains(m.stderr.String(), "INTERNAL") {
					t.Error(m.stderr.String())
				}
			})
		}
	}
}

// makeRun is a make that runs tutti.
type makeRun struct {
	cmd        *exec.Cmd
	told       *os.File
	lines      *bufio.Reader // of told
	gate, hold *os.File
	master     int
	pool       int // the read end of make's pool
	stderr     bytes.Buffer
}

func startMake(t *testing.T, style string) *makeRun {
	t.Helper()
	m := new(makeRun)
	told, theirs, err := os.Pipe()
	check(t, err)
	gateRead, gate, err := os.Pipe()
	check(t, err)
	holdRead, hold, err := os.Pipe()
	check(t, err)
	m.told, m.lines, m.gate, m.hold = told, bufio.NewReader(told), gate, hold
	t.Cleanup(func() { told.Close(); gate.Close(); hold.Close() })
	words := []string{"-j" + strconv.Itoa(makeJobs)}
	if makeHasFifo() { // an older one knows neither the option nor a fifo
		words = append(words, "--jobserver-style="+style)
	}
	m.cmd = exec.CommandContext(t.Context(), "make", words...)
	m.cmd.Dir = t.TempDir()
	check(t, os.WriteFile(filepath.Join(m.cmd.Dir, "Makefile"), []byte(makefile), 0o600))
	m.cmd.Env = append(os.Environ(), "SHELL=/bin/bash")
	m.cmd.ExtraFiles = []*os.File{theirs, gateRead, holdRead}
	m.cmd.Stderr = &m.stderr
	check(t, m.cmd.Start())
	for _, f := range m.cmd.ExtraFiles {
		f.Close()
	}
	for range 4 {
		m.master, err = strconv.Atoi(m.line(t))
		check(t, err)
	}
	m.open(t)
	return m
}

// open opens make's pool, as its MAKEFLAGS say.
func (m *makeRun) open(t *testing.T) {
	t.Helper()
	env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", m.master))
	check(t, err)
	for kv := range strings.SplitSeq(string(env), "\x00") {
		flags, ok := strings.CutPrefix(kv, jobserver.FlagsVariable+"=")
		if !ok {
			continue
		}
		auth, _, err := jobserver.Parse(flags)
		check(t, err)
		path := auth.Fifo
		if path == "" {
			path = fmt.Sprintf("/proc/%d/fd/%d", m.cmd.Process.Pid, auth.Read)
		}
		m.pool, err = unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		check(t, err)
		t.Cleanup(func() { unix.Close(m.pool) })
		return
	}
	t.Fatal("make has no pool")
}

// line reads the next line on descriptor 3.
func (m *makeRun) line(t *testing.T) string {
	t.Helper()
	check(t, m.told.SetReadDeadline(time.Now().Add(patience)))
	line, err := m.lines.ReadString('\n')
	if err != nil {
		t.Fatalf("%q, %v: %s", line, err, m.stderr.String())
	}
	return strings.TrimSpace(line)
}

// free is how many tokens are in make's pool.
func (m *makeRun) free(t *testing.T) int {
	t.Helper()
	n, err := unix.IoctlGetInt(m.pool, unix.TIOCINQ)
	check(t, err)
	return n
}

func (m *makeRun) kill(t *testing.T, pids ...int) {
	t.Helper()
	if len(pids) == 0 {
		t.Error("there is nobody to kill")
	}
	for _, pid := range pids {
		check(t, syscall.Kill(pid, syscall.SIGKILL))
	}
}

// killAtOnce kills processes of which none lives to see that another is dead: who does
// ends what that one ran, and may be killed while that is stopped, before it is killed.
func (m *makeRun) killAtOnce(t *testing.T, pids ...int) {
	t.Helper()
	for _, pid := range pids {
		check(t, syscall.Kill(pid, syscall.SIGSTOP))
		check(t, inState(strconv.Itoa(pid), "T"))
	}
	m.kill(t, pids...)
}
