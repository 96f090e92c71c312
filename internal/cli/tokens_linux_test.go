package cli

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tutti-run/tutti/internal/jobserver"
	"github.com/tutti-run/tutti/internal/options"
)

// poolTokens are those of the tests' pools, each another byte.
const poolTokens = "ab\x00d\xff"

// poolRun is a tutti that shares a pool of the test's. Its commands tell of their
// start on descriptor 5 and wait for a line on 6.
type poolRun struct {
	cmd           *exec.Cmd
	pool          *os.File // not blocking, the test's own
	poolEnd       *os.File
	started, gate *os.File
	stderr        bytes.Buffer
}

// leaf is a command of such a run.
const leaf = ": {}; echo >&5; read x <&6"

// startPool starts tutti with these words under a pool. The first tokens of the pool
// are left out.
func startPool(t *testing.T, fifo bool, without int, words ...string) *poolRun {
	t.Helper()
	r := new(poolRun)
	read, write, err := os.Pipe()
	check(t, err)
	auth := "--jobserver-auth=3,4"
	if fifo {
		path := filepath.Join(t.TempDir(), "pool")
		check(t, unix.Mkfifo(path, 0o600))
		auth = "--jobserver-auth=fifo:" + path
		read.Close()
		write.Close()
		write, err = os.OpenFile(path, os.O_RDWR, 0)
		check(t, err)
		read = write
	}
	_, err = write.WriteString(poolTokens[without:])
	check(t, err)
	startedRead, started, err := os.Pipe()
	check(t, err)
	gateRead, gate, err := os.Pipe()
	check(t, err)
	r.cmd = exec.CommandContext(t.Context(), "tutti", words...)
	r.cmd.Dir = t.TempDir()
	r.cmd.Env = append(os.Environ(), "SHELL=/bin/bash", "MAKEFLAGS= -j6 "+auth)
	r.cmd.ExtraFiles = []*os.File{read, write, started, gateRead}
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	r.cmd.Stderr = &r.stderr
	check(t, r.cmd.Start())
	// Files that a child was given are blocking from then on: look through another.
	fd, err := unix.Open(fmt.Sprintf("/proc/self/fd/%d", read.Fd()), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	check(t, err)
	r.pool, r.poolEnd, r.started, r.gate = os.NewFile(uintptr(fd), "pool"), write, startedRead, gate
	started.Close()
	gateRead.Close()
	if read != write {
		read.Close()
	}
	t.Cleanup(func() { r.pool.Close(); r.poolEnd.Close(); r.started.Close(); r.gate.Close() })
	return r
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// runs waits until so many more commands have started.
func (r *poolRun) runs(t *testing.T, n int) {
	t.Helper()
	check(t, r.started.SetReadDeadline(time.Now().Add(patience)))
	if _, err := io.ReadFull(r.started, make([]byte, n)); err != nil {
		t.Fatalf("%d commands have not started: %v", n, err)
	}
}

// let lets n commands end.
func (r *poolRun) let(t *testing.T, n int) {
	t.Helper()
	_, err := r.gate.WriteString(strings.Repeat("\n", n))
	check(t, err)
}

// free is how many tokens are in the pool.
func (r *poolRun) free(t *testing.T) int {
	t.Helper()
	n, err := unix.IoctlGetInt(int(r.poolEnd.Fd()), unix.TIOCINQ)
	check(t, err)
	return n
}

// below are the processes below pid that are there now: all, or those whose command
// line holds a word.
func below(pid int, word string) (all []int) {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, path := range tasks {
		more, _ := os.ReadFile(path)
		text = append(append(text, ' '), more...)
	}
	for _, field := range strings.Fields(string(text)) {
		child, _ := strconv.Atoi(field)
		if slices.Contains(all, child) {
			continue
		}
		line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", child))
		if bytes.Contains(line, []byte(word)) {
			all = append(all, child)
		}
		for _, b := range below(child, word) {
			if !slices.Contains(all, b) {
				all = append(all, b)
			}
		}
	}
	return all
}

// watched are processes whose end can be waited for.
func watched(t *testing.T, pids []int) (fds []int) {
	t.Helper()
	for _, pid := range pids {
		if fd, err := unix.PidfdOpen(pid, 0); err == nil {
			fds = append(fds, fd)
			t.Cleanup(func() { unix.Close(fd) })
		}
	}
	return fds
}

func awaitEnds(t *testing.T, fds []int) {
	t.Helper()
	for _, fd := range fds {
		if n, err := pollAgain([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, patience); n != 1 || err != nil {
			t.Fatalf("a process is still there: %d, %v", n, err)
		}
	}
}

// whole wants all tokens in the pool, as they were.
func (r *poolRun) whole(t *testing.T, without int) {
	t.Helper()
	want := []byte(poolTokens[without:])
	got := make([]byte, len(want))
	check(t, r.pool.SetReadDeadline(time.Now().Add(patience)))
	if n, err := io.ReadFull(r.pool, got); err != nil {
		t.Fatalf("%d of %d tokens are back: %v; %s", n, len(want), err, r.stderr.String())
	}
	slices.Sort(got)
	slices.Sort(want)
	if more := r.free(t); !bytes.Equal(got, want) || more != 0 {
		t.Errorf("%q and %d more; want %q", got, more, want)
	}
}

// Whoever is killed, each token comes back, as the byte that it was, and only when
// what ran with it is gone.
func TestTokensSurviveDeaths(t *testing.T) {
	t.Parallel()
	kill := func(t *testing.T, sig syscall.Signal, pids ...int) {
		for _, pid := range pids {
			if err := syscall.Kill(pid, sig); err != nil {
				t.Error(pid, err)
			}
		}
	}
	for name, die := range map[string]func(t *testing.T, r *poolRun, master int){
		"nobody":  func(t *testing.T, r *poolRun, master int) { r.let(t, 8) },
		"SIGTERM": func(t *testing.T, r *poolRun, master int) { kill(t, syscall.SIGTERM, master) },
		"SIGINT":  func(t *testing.T, r *poolRun, master int) { kill(t, syscall.SIGINT, master) },
		"SIGHUP": func(t *testing.T, r *poolRun, master int) {
			kill(t, syscall.SIGHUP, master)
			r.let(t, 8)
		},
		"master": func(t *testing.T, r *poolRun, master int) { kill(t, syscall.SIGKILL, master) },
		"group":  func(t *testing.T, r *poolRun, master int) { kill(t, syscall.SIGKILL, -master) },
		"workers": func(t *testing.T, r *poolRun, master int) {
			kill(t, syscall.SIGKILL, workersOf(master)...)
			r.let(t, 8) // for those that replace them
		},
		"a command": func(t *testing.T, r *poolRun, master int) {
			kill(t, syscall.SIGKILL, below(master, "read x")...)
			r.let(t, 8)
		},
		"keeper": func(t *testing.T, r *poolRun, master int) {
			r.killKeeper(t, master)
			r.let(t, 8)
		},
		"keeper, then master": func(t *testing.T, r *poolRun, master int) {
			r.killKeeper(t, master)
			kill(t, syscall.SIGKILL, master)
		},
		"workers and master": func(t *testing.T, r *poolRun, master int) {
			workers := workersOf(master)
			kill(t, syscall.SIGSTOP, master)
			kill(t, syscall.SIGKILL, workers[:len(workers)/2]...)
			kill(t, syscall.SIGKILL, master)
			r.gate.Close() // the commands of those workers have nobody left who would end them
		},
	} {
		for _, fifo := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, fifo %v", name, fifo), func(t *testing.T) {
				t.Parallel()
				r := startPool(t, fifo, 0, "map", "-j4", leaf, ":::", "1", "2", "3", "4", "5", "6", "7", "8")
				master := r.cmd.Process.Pid
				r.runs(t, 4)
				if n := r.free(t); n != len(poolTokens)-3 {
					t.Errorf("%d tokens are in the pool while four commands run", n)
				}
				all := watched(t, below(master, ""))
				die(t, r, master)
				if err := r.cmd.Wait(); name == "nobody" && err != nil {
					t.Errorf("%v: %s", err, r.stderr.String())
				}
				awaitEnds(t, all)
				r.whole(t, 0)
			})
		}
	}
}

func workersOf(master int) (workers []int) {
	for _, pid := range below(master, "tutti") {
		line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if !bytes.Contains(line, []byte(tokensWord)) && !bytes.Contains(line, []byte("read x")) {
			workers = append(workers, pid)
		}
	}
	return workers
}

// killKeeper kills the keeper, and waits until there is another.
func (r *poolRun) killKeeper(t *testing.T, master int) {
	t.Helper()
	first := below(master, tokensWord)
	if len(first) != 1 {
		t.Fatalf("keepers: %v", first)
	}
	check(t, syscall.Kill(first[0], syscall.SIGKILL))
	for end := time.Now().Add(patience); time.Now().Before(end); unix.Nanosleep(&unix.Timespec{Nsec: 1e6}, nil) {
		if now := below(master, tokensWord); len(now) == 1 && now[0] != first[0] {
			t.Cleanup(func() { awaitEnds(t, watched(t, now)) })
			return
		}
	}
	t.Fatal("no other keeper has come")
}

// The master dies at any instruction of a run of short commands.
func TestTokensSurviveRandomKills(t *testing.T) {
	t.Parallel()
	for n := range sized(200, 12) {
		t.Run(strconv.Itoa(n), func(t *testing.T) {
			r := startPool(t, n%2 == 0, 0, append([]string{"map", "-j6", "echo >&5; : {}", ":::"}, numbers(400)...)...)
			r.runs(t, n*7%90) // the first dies before any has run
			all := watched(t, below(r.cmd.Process.Pid, ""))
			check(t, r.cmd.Process.Kill())
			_ = r.cmd.Wait()
			r.whole(t, 0)
			awaitEnds(t, all)
		})
	}
}

func numbers(n int) (all []string) {
	for i := range n {
		all = append(all, strconv.Itoa(i))
	}
	return all
}

// Where others have all tokens one command runs at a time, and never none; what they
// give back is used.
func TestTokensOfOthers(t *testing.T) {
	t.Parallel()
	r := startPool(t, false, len(poolTokens), "map", "-j4", leaf, ":::", "1", "2", "3", "4", "5")
	for range 2 {
		r.runs(t, 1)
		r.let(t, 1)
	}
	r.runs(t, 1)
	_, err := r.poolEnd.WriteString("\xff")
	check(t, err)
	r.runs(t, 1) // beside the other
	if n := r.free(t); n != 0 {
		t.Errorf("%d tokens are in the pool", n)
	}
	r.let(t, 3)
	check(t, r.cmd.Wait())
	r.whole(t, len(poolTokens)-1)
}

// Who waits for a token leaves all the same when it is told to.
func TestWaitForTokenEnds(t *testing.T) {
	t.Parallel()
	r := startPool(t, false, len(poolTokens)-1, "map", "-j4", leaf, ":::", "1", "2", "3", "4", "5")
	r.runs(t, 2)
	all := watched(t, below(r.cmd.Process.Pid, ""))
	check(t, r.cmd.Process.Signal(syscall.SIGTERM))
	_ = r.cmd.Wait()
	if n := r.free(t); n != 1 { // before it leaves
		t.Errorf("%d tokens are in the pool", n)
	}
	awaitEnds(t, all)
	if code := r.cmd.ProcessState.ExitCode(); code != 128+int(syscall.SIGTERM) {
		t.Errorf("exit code %d: %s", code, r.stderr.String())
	}
	r.whole(t, len(poolTokens)-1)
}

// A token that was taken and is not counted yet is not given back when another
// command ends.
func TestTokenInFlight(t *testing.T) {
	t.Parallel()
	read, write, err := jobserver.Serve(6)
	check(t, err)
	defer func() { read.Close(); write.Close() }()
	r := &mapRun{plan: &plan{Map: new(options.Map), jobs: 6}, screen: new(screen)}
	check(t, r.takePart(jobserver.Auth{Read: int(read.Fd()), Write: int(write.Fd()), Jobs: 6}))
	k := r.tokens
	for range 3 {
		if ok, err := k.enter(nil); !ok || err != nil {
			t.Fatal(ok, err)
		}
	}
	if ok, err := k.pool.Take(nil, nil); !ok || err != nil { // as enter does
		t.Fatal(ok, err)
	}
	check(t, k.leave(false))
	held, err := k.pool.Held()
	check(t, err)
	if held != 2 { // for the second of two that run, and for the one that is about to
		t.Errorf("%d tokens are held", held)
	}
	close(k.kept)
	check(t, k.close())
	if free, err := unix.IoctlGetInt(int(read.Fd()), unix.TIOCINQ); free != 5 || err != nil {
		t.Errorf("%d tokens are in the pool, %v", free, err)
	}
}
