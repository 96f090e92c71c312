package cli

import (
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tutti-run/tutti/ipc"
)

// Under a lock a command has the terminal: it reads what is typed, Ctrl-Z stops it
// and fg brings it back, Ctrl-C ends it, and a loop of the shell around it.
func TestTerminalLock(t *testing.T) {
	t.Parallel()
	space, check := freshSpace(t.Name())
	t.Cleanup(check)
	s := openTerminal(t)
	s.command("export TUTTI_SPACE=" + space)
	s.keysTyped("tutti lock a b -- 'echo $$ > pids; test -t 0 -a -t 1 && echo ask.; read x; echo got $x.; exec sleep 1000'\n")
	s.expect("ask.")
	s.keysTyped(ctrlZ)
	s.expect("Stopped")
	s.expect(prompt)
	for _, pid := range s.pids() { // else it might still read what is typed
		awaitStateOf(t, pid, 'T')
	}
	s.keysTyped("fg\n")
	for _, pid := range s.pids() {
		awaitStateOf(t, pid, 'S')
	}
	s.keysTyped("one\n")
	s.expect("got one.")
	s.keysTyped(ctrlC)
	s.expect(prompt)
	if code := s.code(); code != 130 {
		t.Errorf("exit code %d, want 130", code)
	}
	for _, pid := range s.pids() {
		awaitEnd(t, pid)
	}
	s.keysTyped("for i in 1 2; do tutti lock a -- sh -c 'echo round.; exec sleep 1000'; done\n")
	s.expect("round.")
	s.keysTyped(ctrlC)
	s.expect(prompt)
	if _, code := s.command("tutti lock -n a b -- true"); code != 0 {
		t.Errorf("the locks are still held: exit code %d", code)
	}
}

// sem in the foreground gives the terminal, too; and who waits ends with Ctrl-C.
func TestTerminalSem(t *testing.T) {
	t.Parallel()
	space, check := freshSpace(t.Name())
	t.Cleanup(check)
	s := openTerminal(t)
	s.command("export TUTTI_SPACE=" + space)
	s.keysTyped("tutti sem --fg 'echo ask.; read x; echo got $x.'\n")
	s.expect("ask.")
	s.keysTyped("one\n")
	s.expect("got one.")
	s.expect(prompt)
	s.command("mkfifo go; tutti sem 'read x < go; echo first.'")
	s.keysTyped("tutti sem echo second.\n")
	awaitWaiting(t, space)
	s.keysTyped(ctrlC)
	s.expect(prompt)
	if shown, _ := s.command("echo > go; tutti sem --wait"); strings.Contains(shown, "second") {
		t.Errorf("what was given up ran: %q", shown)
	}
}

// awaitWaiting waits until somebody waits for something in a space. Nothing tells of
// that, so it is looked at again and again.
func awaitWaiting(t *testing.T, space string) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); unix.Nanosleep(&unix.Timespec{Nsec: 1e6}, nil) {
		st, _ := spaceRef{Name: space}.peek()
		if slices.ContainsFunc(st.Objects, func(o ipc.ObjectStat) bool { return o.Waiting > 0 }) {
			return
		}
	}
	t.Fatal("nobody waits")
}
