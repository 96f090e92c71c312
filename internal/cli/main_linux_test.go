package cli

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"

	"github.com/tutti-run/tutti"
	"github.com/tutti-run/tutti/internal/jobserver"
	"github.com/tutti-run/tutti/internal/proc"
	"github.com/tutti-run/tutti/ipc"
)

// TestMain makes this executable the tutti program too, for the scripts: a worker
// first of all, then tutti itself, else the tests.
func TestMain(m *testing.M) {
	tutti.Main()
	testscript.Main(leakCheck{m}, map[string]func(){
		"tutti":    program,
		"parallel": program,
		"sem":      program,
	})
}

// program is tutti.
func program() {
	code := Main(os.Args)
	notePeak()
	os.Exit(code)
}

// leakCheck fails the tests when processes or temporary files are left.
type leakCheck struct{ m *testing.M }

var leftovers struct {
	sync.Mutex
	names []string
}

func (l leakCheck) Run() int {
	// Race builds of workers and masters would sleep a second when they leave.
	if err := os.Setenv("GORACE", "atexit_sleep_ms=0"); err != nil {
		panic(err)
	}
	state, err := os.MkdirTemp("", "tutti-state")
	if err == nil {
		err = os.Setenv("XDG_STATE_HOME", state) // the user's own journals are none of the tests' business
	}
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(state)
	// What the tests were started with is not to reach the commands that they run.
	if err := proc.CloseOnExecFrom(3); err != nil {
		panic(err)
	}
	if err := os.Unsetenv(jobserver.FlagsVariable); err != nil {
		panic(err)
	}
	if err := proc.BecomeSubreaper(); err != nil {
		panic(err)
	}
	if signal.Ignored(syscall.SIGHUP) { // the tests were started by nohup; scripts send it
		signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	}
	code := l.m.Run()
	left := leftRunning()
	killed, err := proc.KillOrphans(func(int) bool { return false })
	if len(killed) > 0 || err != nil {
		fmt.Fprintf(os.Stderr, "processes were left running: %v %v: %q\n", killed, err, left)
		code = 1
	}
	if len(leftovers.names) > 0 {
		fmt.Fprintf(os.Stderr, "temporary files were left: %v\n", leftovers.names)
		code = 1
	}
	return code
}

// leftRunning names the children that do not end by themselves. One that has given back
// what others waited for, and is leaving, gets a moment.
func leftRunning() (commands []string) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for range 400 {
		commands = nil
		lists, _ := filepath.Glob("/proc/self/task/*/children")
		for _, list := range lists {
			pids, _ := os.ReadFile(list)
			for pid := range strings.FieldsSeq(string(pids)) {
				// One that is dead and not yet reaped has none.
				if line, _ := os.ReadFile("/proc/" + pid + "/cmdline"); len(line) > 0 {
					commands = append(commands, strings.ReplaceAll(string(line), "\x00", " "))
				}
			}
		}
		if len(commands) == 0 {
			return nil
		}
		<-tick.C
	}
	return commands
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			tmp := filepath.Join(e.WorkDir, "tmp")
			if err := os.Mkdir(tmp, 0o777); err != nil {
				return err
			}
			e.Setenv("TMPDIR", tmp)
			e.Setenv("SHELL", "/bin/bash")
			e.Setenv("XDG_STATE_HOME", filepath.Join(e.WorkDir, "state"))
			e.Setenv("GORACE", os.Getenv("GORACE"))
			ownSpace(e)
			e.Defer(func() {
				names, _ := filepath.Glob(filepath.Join(tmp, "*"))
				leftovers.Lock()
				leftovers.names = append(leftovers.names, names...)
				leftovers.Unlock()
			})
			return nil
		},
		Condition: func(cond string) (bool, error) {
			switch cond {
			case "tmpfs":
				return mayMount(), nil
			case "make-fifo":
				return makeHasFifo(), nil
			}
			return false, fmt.Errorf("unknown condition %q", cond)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "gone": gone, "signal": signalProcess, "lines": awaitLines, "tmpfs": mountTmpfs, "nasty": nastyFiles, "state": awaitState,
		},
	})
}

var spaces atomic.Int64

// freshSpace is the name of a space that nobody has, and what notes it as left over
// if it is there in the end: by whom, and not for a moment, in which a process that has
// given up what others waited for still leaves.
func freshSpace(whose string) (name string, check func()) {
	name = fmt.Sprintf("test-%d-cli-%d", os.Getpid(), spaces.Add(1))
	return name, func() {
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for range 400 {
			if _, err := os.Stat("/dev/shm/tutti-ipc-" + name); err != nil {
				break
			}
			<-tick.C
		}
		leftovers.Lock()
		defer leftovers.Unlock()
		if ipc.Remove(name, ipc.Options{}) == nil {
			leftovers.names = append(leftovers.names, "space "+name+" of "+whose)
		}
		if os.Remove("/dev/shm/"+stockPrefix+name) == nil {
			leftovers.names = append(leftovers.names, "the locks of space "+name+" of "+whose)
		}
	}
}

// ownSpace gives a script a space of its own, which is to be gone in the end.
func ownSpace(e *testscript.Env) {
	name, check := freshSpace(filepath.Base(e.WorkDir))
	e.Setenv(spaceVariable, name)
	e.Defer(check)
}

// exits runs a shell text and wants this exit status: exits 3 'tutti map …'.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: exits STATUS TEXT")
	}
	err := ts.Exec("bash", "-c", args[1])
	code := 0
	if err != nil {
		exit, ok := err.(*exec.ExitError)
		if !ok {
			ts.Fatalf("%v", err)
		}
		code = exit.ExitCode()
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("exit status %d, want %s", code, args[0])
	}
}

// patience bounds every wait for something that is to happen.
const patience = 30 * time.Second

// gone waits for the end of the processes whose numbers are in files.
func gone(ts *testscript.TestScript, neg bool, args []string) {
	for _, file := range args {
		for _, word := range strings.Fields(ts.ReadFile(file)) {
			pid, err := strconv.Atoi(word)
			ts.Check(err)
			fd, err := unix.PidfdOpen(pid, 0)
			if err == unix.ESRCH {
				continue
			}
			ts.Check(err)
			fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
			n, err := pollAgain(fds, patience)
			_ = unix.Close(fd)
			if n != 1 || err != nil {
				ts.Fatalf("process %d of %s is still there (%v)", pid, file, err)
			}
		}
	}
}

func pollAgain(fds []unix.PollFd, wait time.Duration) (int, error) {
	for {
		n, err := unix.Poll(fds, int(wait/time.Millisecond))
		if err != unix.EINTR {
			return n, err
		}
	}
}

// signalProcess sends a signal to the processes whose numbers are in a file:
// signal KILL pid.
func signalProcess(ts *testscript.TestScript, neg bool, args []string) {
	for _, word := range strings.Fields(ts.ReadFile(args[1])) {
		pid, err := strconv.Atoi(word)
		ts.Check(err)
		ts.Check(syscall.Kill(pid, unix.SignalNum("SIG"+args[0])))
	}
}

// awaitLines waits until a file has so many lines: lines 101 log, or lines ran+1
// log for one more than the file ran has now.
func awaitLines(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[0])
	if other, ok := strings.CutSuffix(args[0], "+1"); ok {
		want, err = strings.Count(ts.ReadFile(other), "\n")+1, nil
	}
	ts.Check(err)
	path := ts.MkAbs(args[1])
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC)
	ts.Check(err)
	defer unix.Close(fd)
	_, err = unix.InotifyAddWatch(fd, filepath.Dir(path), unix.IN_MODIFY|unix.IN_CREATE|unix.IN_MOVED_TO)
	ts.Check(err)
	buf := make([]byte, 64<<10)
	for {
		text, _ := os.ReadFile(path) // absent: no lines
		if strings.Count(string(text), "\n") >= want {
			return
		}
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		if n, err := pollAgain(fds, patience); n != 1 || err != nil {
			ts.Fatalf("%s has not %d lines (%v):\n%s", args[1], want, err, text)
		}
		_, _ = unix.Read(fd, buf)
	}
}

// makeHasFifo reports whether there is a make that serves its tokens through a fifo: GNU
// make since 4.4.
func makeHasFifo() bool {
	out, _ := exec.Command("make", "--version").Output() // none: no version
	var major, minor int
	n, _ := fmt.Sscanf(string(out), "GNU Make %d.%d", &major, &minor)
	return n == 2 && (major > 4 || major == 4 && minor >= 4)
}

// mayMount reports whether this process may mount file systems.
var mayMount = sync.OnceValue(func() bool {
	dir, err := os.MkdirTemp("", "tutti-mount")
	if err != nil {
		return false
	}
	defer os.Remove(dir)
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		return false
	}
	return unix.Unmount(dir, 0) == nil
})

// mountTmpfs mounts a small file system: tmpfs DIR SIZE.
func mountTmpfs(ts *testscript.TestScript, neg bool, args []string) {
	dir := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(dir, 0o777))
	ts.Check(unix.Mount("tmpfs", dir, "tmpfs", 0, "size="+args[1]))
	ts.Defer(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
}

// nastyFiles makes files in a folder whose names hold every byte that a name can
// hold, alone and beside others, and words that a shell would act on.
func nastyFiles(ts *testscript.TestScript, neg bool, args []string) {
	dir := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(dir, 0o777))
	names := []string{"a b;rm -rf x$(y)", "-rf", "--", "~", "*", "?", "[a]", "a'b\"c`d`", "$HOME", "!!", "#", "&", "{}", "{1}", "a\nb", " ", "\t", "\\", "é", "a=b", "|cat", ">out"}
	for b := 1; b < 256; b++ {
		if b != '/' && b != '.' {
			names = append(names, "x"+string([]byte{byte(b)})+"y")
		}
	}
	for _, name := range names {
		ts.Check(os.WriteFile(filepath.Join(dir, name), []byte(name), 0o666))
	}
}

// awaitState waits until a process is in a state: state T pid.
func awaitState(ts *testscript.TestScript, neg bool, args []string) {
	ts.Check(inState(strings.TrimSpace(ts.ReadFile(args[1])), args[0]))
}

// inState waits until a process is in a state. It reads that again and again, as there is
// no event for it.
func inState(pid, state string) error {
	for end := time.Now().Add(patience); time.Now().Before(end); unix.Nanosleep(&unix.Timespec{Nsec: 1e6}, nil) {
		stat, err := os.ReadFile("/proc/" + pid + "/stat")
		if err != nil {
			return err
		}
		if fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:])); fields[0] == state {
			return nil
		}
	}
	return fmt.Errorf("process %s is not in state %s", pid, state)
}
