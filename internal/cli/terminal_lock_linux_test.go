package cli

import "testing"

// Under a lock a command has the terminal: it reads what is typed, Ctrl-Z stops it
// and fg brings it back, Ctrl-C ends it, and a loop of the shell around it.
func TestTerminalLock(t *testing.T) {
	t.Parallel()
	space, check := freshSpace()
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
	space, check := freshSpace()
	t.Cleanup(check)
	s := openTerminal(t)
	s.command("export TUTTI_SPACE=" + space)
	s.keysTyped("tutti sem --fg 'echo ask.; read x; echo got $x.'\n")
	s.expect("ask.")
	s.keysTyped("one\n")
	s.expect("got one.")
	s.expect(prompt)
	s.command("mkfifo go; tutti sem 'read x < go; echo first.'")
	s.keysTyped("sh -c 'tutti sem echo second & wait $!; echo waited.' & tutti sem echo third\n")
	s.keysTyped(ctrlC)
	s.expect(prompt)
	s.command("echo > go; tutti sem --wait")
}
