package proc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// Every way to leave the tree is seen through: the daemon is named after a normal end.
func TestStraysAreNamed(t *testing.T) {
	for name, script := range map[string]string{
		"daemon":           daemon,
		"cleared":          strings.ReplaceAll(daemon, "setsid", "env -i setsid"),
		"same group":       strings.ReplaceAll(daemon, "setsid", ""),
		"group, no mark":   strings.ReplaceAll(daemon, "setsid", "env -i"),
		"with own command": strings.ReplaceAll(daemon, "setsid", "TUTTI_JOB=$TUTTI_JOB/1 setsid"),
	} {
		ready := newFIFO(t)
		res := capture(t.Context(), Command{Argv: shell(script+`; read pid < "$1"; echo $pid`, ready.path)})
		pid, err := strconv.Atoi(strings.TrimSpace(string(res.Stdout.Head)))
		if err != nil || len(res.Strays) == 0 || res.Strays[0] != (Stray{pid, "sh"}) {
			t.Errorf("%s: strays %v, want %d (%v)", name, res.Strays, pid, err)
			continue
		}
		// It is named once, and is nobody else's.
		if again := capture(t.Context(), Command{Argv: []string{"true"}}); again.Strays != nil {
			t.Errorf("%s: named again: %v", name, again.Strays)
		}
		mustEndTree(t, pid)
	}
}

func TestDaemonDiesOnStop(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]string{
		"setsid":     daemon,
		"group":      strings.ReplaceAll(daemon, "setsid", ""),
		"no mark":    strings.ReplaceAll(daemon, "setsid", "env -i"),
		"own daemon": strings.ReplaceAll(daemon, "setsid", "setsid setsid"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, line := stopWhenReady(t, script+"; while :; do sleep 1000; done", nil)
			pid, err := strconv.Atoi(line)
			if err != nil {
				t.Fatal(err)
			}
			mustBeGone(t, pid)
		})
	}
}

// Of two commands in one worker that both left a daemon, only the stopped one's dies.
func TestNeighboursAreToldApart(t *testing.T) {
	a, b, hold := newFIFO(t), newFIFO(t), newFIFO(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	doneA := begin(ctx, Command{Argv: shell(daemon+"; while :; do sleep 1000; done", a.path)})
	doneB := begin(t.Context(), Command{Argv: shell(daemon+`; read go < "$2"`, b.path, hold.path)})
	pidA, pidB := a.pid(t), b.pid(t)
	cancel()
	if res := <-doneA; res.Stopped == "" || res.Strays != nil {
		t.Errorf("%+v", res)
	}
	mustBeGone(t, pidA)
	if err := os.WriteFile(hold.path, []byte("go\n"), 0); err != nil {
		t.Fatal(err)
	}
	res := <-doneB
	if len(res.Strays) == 0 || res.Strays[0].PID != pidB {
		t.Errorf("%+v, want %d as a stray", res, pidB)
	}
	mustEndTree(t, pidB)
}

// bomb forks $1 levels of three processes each, every second of them into a
// session of its own; each writes a byte and stays.
const bomb = `n=$1
echo
if [ $n -gt 0 ]; then
	sh "$0" $((n-1)) & setsid sh "$0" $((n-1)) & (sh "$0" $((n-1)) &)
fi
while :; do sleep 1000; done
`

func TestKillTreeForkBomb(t *testing.T) {
	script := filepath.Join(t.TempDir(), "bomb")
	if err := os.WriteFile(script, []byte(bomb), 0o600); err != nil {
		t.Fatal(err)
	}
	const all = 364 // 1 + 3 + 9 + 27 + 81 + 243
	for _, wait := range []int{1, 50, all} {
		r, w := pipe(t)
		p := mustStart(t, Spec{Path: "/bin/sh", Args: []string{script, "5"}, Stdout: w, Stderr: w})
		w.Close()
		if _, err := io.ReadFull(r, make([]byte, wait)); err != nil {
			t.Fatal(err)
		}
		if err := KillTree(p.PID()); err != nil {
			t.Error(err)
		}
		if s := p.Wait(); s.Signal != syscall.SIGKILL {
			t.Error(s)
		}
		mustEnd(t, r) // else a process still holds the pipe
		if hasChildren() {
			t.Errorf("after %d of %d: children are left", wait, all)
		}
	}
}

func TestKillTreeOfNothing(t *testing.T) {
	t.Parallel()
	p := mustStart(t, Spec{Path: "/bin/true"})
	p.Wait()
	if err := KillTree(p.PID()); err != nil {
		t.Error(err)
	}
}

func TestKillOrphans(t *testing.T) {
	ready := newFIFO(t)
	// A worker dies and leaves a daemon and a plain child; another worker lives.
	other := mustStart(t, Spec{Path: "/bin/sleep", Args: []string{"1000"}})
	worker := mustStart(t, Spec{Path: "/bin/sh", Args: shell(daemon+`
		sh -c 'echo $$ > "$0"; while :; do sleep 1000; done' "$1"`, ready.path)[1:]})
	orphans := []int{ready.pid(t), ready.pid(t)}
	worker.Signal(syscall.SIGKILL)
	if s := worker.Wait(); s.Signal != syscall.SIGKILL || s.OOM {
		t.Errorf("%+v", s)
	}
	if killed, err := KillOrphans(func(int) bool { return true }); len(killed) != 0 || err != nil {
		t.Errorf("what is mine was killed: %v, %v", killed, err)
	}
	killed, err := KillOrphans(func(int) bool { return false })
	for _, pid := range orphans {
		if !slices.Contains(killed, pid) {
			t.Errorf("killed %v, not %d", killed, pid)
		}
		mustBeGone(t, pid)
	}
	if err != nil || ended(other.child.pidfd, 0) {
		t.Errorf("another worker's life: %v", err)
	}
	other.Signal(syscall.SIGKILL)
	other.Wait()
	if killed, err := KillOrphans(func(int) bool { return false }); killed != nil || err != nil {
		t.Errorf("%v, %v", killed, err)
	}
}

func TestReapZombies(t *testing.T) {
	ready := newFIFO(t)
	if err := unix.Mkfifo(ready.path+".go", 0o600); err != nil {
		t.Fatal(err)
	}
	p := mustStart(t, Spec{Path: "/bin/sh", Args: shell(`(sh -c 'echo $$ > "$0"; read go < "$0.go"' "$1" &)`, ready.path)[1:]})
	pid := ready.pid(t)
	p.Wait()
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	none, all := func(int) bool { return true }, func(int) bool { return false }
	if n := ReapZombies(all); n != 0 {
		t.Errorf("reaped %d of the living", n)
	}
	if err := os.WriteFile(ready.path+".go", []byte("go\n"), 0); err != nil {
		t.Fatal(err)
	}
	ended(fd, -1)
	if a, b, c := ReapZombies(none), ReapZombies(all), ReapZombies(all); a != 0 || b != 1 || c != 0 {
		t.Errorf("reaped %d, %d, %d", a, b, c)
	}
	mustBeGone(t, pid)
}

func TestSignalCommands(t *testing.T) {
	ready := newFIFO(t)
	done := begin(t.Context(), Command{Argv: shell(`echo > "$1"; sh -c 'echo $$ > "$0"; exec sleep 1000' "$1"`, ready.path)})
	ready.line(t)
	pid := ready.pid(t)
	parent, err := readStat(pid)
	if err != nil {
		t.Fatal(err)
	}
	SignalCommands(syscall.SIGSTOP)
	var info exitInfo
	if err := waitid(unix.P_PID, parent.ppid, unix.WSTOPPED, &info, nil); err != nil {
		t.Error(err)
	}
	SignalCommands(syscall.SIGCONT)
	if err := waitid(unix.P_PID, parent.ppid, unix.WCONTINUED, &info, nil); err != nil {
		t.Error(err)
	}
	SignalCommands(syscall.SIGTERM)
	if res := <-done; res.Status.Signal != syscall.SIGTERM || res.Stopped != "" {
		t.Errorf("%+v", res)
	}
	// The command may have ended before its child did, of the same signal.
	if err := KillTree(pid); err != nil {
		t.Error(err)
	}
	mustBeGone(t, pid)
}

// Where the kernel keeps no lists of children the parents are read instead.
func TestKinAgree(t *testing.T) {
	r, w := pipe(t)
	p := mustStart(t, Spec{Path: "/bin/sh", Args: []string{"-c", "sleep 1000 & sleep 1000 & echo; wait"}, Stdout: w})
	w.Close()
	if _, err := r.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	scanned, err := scanParents()
	if err != nil {
		t.Fatal(err)
	}
	for _, pid := range []int{p.PID(), os.Getpid()} {
		listed, err1 := kin{}.children(pid)
		read, err2 := scanned.children(pid)
		slices.Sort(listed)
		slices.Sort(read)
		if hasLists() && !slices.Equal(listed, read) || len(read) == 0 || errors.Join(err1, err2) != nil {
			t.Errorf("children of %d: %v and %v (%v, %v)", pid, listed, read, err1, err2)
		}
	}
	own, err := children.list(scanned, os.Getpid())
	if err != nil || !slices.Equal(own, []ownChild{{p.PID(), true}}) {
		t.Errorf("own children %v, %v", own, err)
	}
	if err := KillTree(p.PID()); err != nil {
		t.Error(err)
	}
	p.Wait()
}

// A dying worker: commands run in several goroutines, daemons are about, and after
// KillAllChildren the pipe that all of them hold has no holder left, nor is a file
// left that was made for a command.
func TestKillAllChildren(t *testing.T) {
	ready := newFIFO(t)
	held, holder := pipe(t)
	out, w := pipe(t)
	spec := helperSpec(t, "die", ready.path)
	spec.Stdout, spec.Extra = w, []*os.File{holder}
	p := mustStart(t, spec)
	holder.Close()
	w.Close()
	text, err := io.ReadAll(out)
	if s := p.Wait(); string(text) != "ended\n" || err != nil || s.Exit != 0 {
		t.Errorf("%q, %v, %v", text, err, s)
	}
	mustEnd(t, held)
	for range 3 {
		mustBeGone(t, ready.pid(t))
	}
	if hasChildren() {
		t.Error("something was left to the parent")
	}
}

func helperDie() error {
	if err := BecomeSubreaper(); err != nil {
		return err
	}
	unix.CloseOnExec(3) // it is handed on as standard output
	holder := os.NewFile(3, "holder")
	script := strings.ReplaceAll(daemon, ">/dev/null", "") + "; while :; do sleep 1000; done"
	ready, err := os.OpenFile(os.Args[1], os.O_RDWR, 0)
	if err != nil {
		return err
	}
	results := make(chan Result)
	for range 3 {
		go func() {
			results <- Run(context.Background(), Command{Argv: shell(script, os.Args[1]), Stdout: holder})
		}()
	}
	// Read three numbers, and give them back for the test.
	buf := make([]byte, 0, 100)
	for strings.Count(string(buf), "\n") < 3 {
		n, err := ready.Read(buf[len(buf):cap(buf)])
		if err != nil {
			return err
		}
		buf = buf[:len(buf)+n]
	}
	if _, err := ready.Write(buf); err != nil {
		return err
	}
	path := os.Args[1] + ".input"
	create := func() error { return unix.Mkfifo(path, 0o600) }
	if err := MakeFile(path, create); err != nil {
		return err
	}
	if err := KillAllChildren(); err != nil {
		return err
	}
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("a command's file is left: %v", err)
	}
	if err := MakeFile(path, create); !errors.Is(err, ErrEnding) {
		return fmt.Errorf("a file was made after the end: %v", err)
	}
	for range 3 {
		if res := <-results; res.Status.Signal != syscall.SIGKILL {
			return errors.New(res.Status.String())
		}
	}
	if _, err := Start(Spec{Path: "/bin/true"}); !errors.Is(err, ErrEnding) {
		return errors.New("a process was started after the end")
	}
	if hasChildren() {
		return errors.New("children are left")
	}
	_, err = os.Stdout.WriteString("ended\n")
	return err
}
