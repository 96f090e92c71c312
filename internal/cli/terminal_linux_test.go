package cli

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// terminal is a real terminal, the kernel's, with an interactive bash in it: keys
// that are typed become signals for the job in the foreground, and bash stops jobs
// and brings them back.
type terminal struct {
	t      *testing.T
	dir    string
	keys   *os.File // what is typed, and what is shown
	mu     sync.Mutex
	more   *sync.Cond // shown has grown, or nothing will come any more
	shown  string
	seen   int // how much of shown was expected already
	closed bool
}

const prompt = "ready> "

// openTerminal starts bash in a terminal of its own and waits for its prompt.
func openTerminal(t *testing.T) *terminal {
	t.Helper()
	keys, name := openPty(t)
	slave, err := os.OpenFile(name, os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer slave.Close()
	quiet(t, slave)
	s := &terminal{t: t, dir: t.TempDir(), keys: keys}
	s.more = sync.NewCond(&s.mu)
	cmd := exec.Command("bash", "--norc", "--noprofile", "--noediting", "-i")
	cmd.Dir = s.dir
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.Env = append(os.Environ(), "PS1="+prompt, "SHELL=/bin/bash", "TMPDIR="+t.TempDir(), "HOME="+t.TempDir(), "TERM=xterm", "SCREEN="+name)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	reader := make(chan struct{})
	go s.read(reader)
	t.Cleanup(func() {
		// The end of the terminal ends what runs in it; bash is asked first, so
		// that it takes its stopped jobs with it.
		_ = cmd.Process.Signal(syscall.SIGHUP)
		_ = cmd.Process.Signal(syscall.SIGCONT)
		_ = cmd.Wait()
		_ = keys.Close()
		<-reader
	})
	s.expect(prompt)
	return s
}

// openPty makes a terminal and returns its master side and the other side's name.
func openPty(t *testing.T) (*os.File, string) {
	t.Helper()
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Skipf("a terminal cannot be had here: %v", err)
	}
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80}); err != nil {
		t.Fatal(err)
	}
	return os.NewFile(uintptr(fd), "/dev/ptmx"), "/dev/pts/" + strconv.Itoa(n)
}

// quiet stops a terminal from showing what is typed, so that only what programs
// print is seen.
func quiet(t *testing.T, slave *os.File) {
	t.Helper()
	modes, err := unix.IoctlGetTermios(int(slave.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	modes.Lflag &^= unix.ECHO
	modes.Oflag &^= unix.ONLCR
	if err := unix.IoctlSetTermios(int(slave.Fd()), unix.TCSETS, modes); err != nil {
		t.Fatal(err)
	}
}

// read takes what is shown, to the end.
func (s *terminal) read(done chan<- struct{}) {
	defer close(done)
	buf := make([]byte, 4<<10)
	for {
		n, err := s.keys.Read(buf)
		s.mu.Lock()
		s.shown += string(buf[:n])
		s.closed = err != nil
		s.mu.Unlock()
		s.more.Broadcast()
		if err != nil {
			return
		}
	}
}

// expect waits until the terminal shows a text that was not expected yet, and
// returns all up to its end that was not either.
func (s *terminal) expect(text string) string {
	s.t.Helper()
	late := false
	timer := time.AfterFunc(patience, func() {
		s.mu.Lock()
		late = true
		s.mu.Unlock()
		s.more.Broadcast()
	})
	defer timer.Stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		if at := strings.Index(s.shown[s.seen:], text); at >= 0 {
			from := s.seen
			s.seen += at + len(text)
			return s.shown[from:s.seen]
		}
		// At the prompt nothing runs any more that could still show it.
		if late || s.closed || strings.HasSuffix(s.shown[s.seen:], prompt) {
			s.t.Fatalf("the terminal does not show %q but\n%q", text, s.shown[s.seen:])
		}
		s.more.Wait()
	}
}

// keysTyped types text.
func (s *terminal) keysTyped(text string) {
	s.t.Helper()
	if _, err := s.keys.WriteString(text); err != nil {
		s.t.Fatal(err)
	}
}

// command types a command line, waits for its end and returns what was shown and
// its exit code.
func (s *terminal) command(line string) (string, int) {
	s.t.Helper()
	s.keysTyped(line + "\n")
	return s.expect(prompt), s.code()
}

// code is the exit code of the last command.
func (s *terminal) code() int {
	s.t.Helper()
	s.keysTyped("echo code=$?.\n")
	s.expect("code=")
	code, err := strconv.Atoi(strings.TrimSuffix(s.expect("."), "."))
	if err != nil {
		s.t.Fatal(err)
	}
	s.expect(prompt)
	return code
}

// pids are the numbers that jobs wrote into the file pids.
func (s *terminal) pids() []string {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, "pids"))
	if err != nil {
		s.t.Fatal(err)
	}
	return strings.Fields(string(text))
}

func (s *terminal) file(name, text string) {
	s.t.Helper()
	write(s.t, filepath.Join(s.dir, name), text)
}

const ctrlC, ctrlZ = "\x03", "\x1a"

// One Ctrl-C: nothing new starts, what runs is asked to end, and the exit code
// says so.
func TestTerminalCtrlC(t *testing.T) {
	t.Parallel()
	s := openTerminal(t)
	s.file("job", `trap 'echo "ended $1." > $SCREEN; kill $!; exit 1' TERM
sleep 1000 & echo $$ $! >> pids
echo "begun." > $SCREEN
wait`)
	s.keysTyped("tutti map -j2 bash job ::: 1 2 3 4 5 6\n")
	shown := s.expect("begun.") + s.expect("begun.")
	s.keysTyped(ctrlC)
	shown += s.expect(prompt)
	if code := s.code(); code != 130 {
		t.Errorf("exit code %d, want 130", code)
	}
	if strings.Count(shown, "begun.") != 2 || len(regexp.MustCompile(`ended [1-6]\.`).FindAllString(shown, -1)) != 2 {
		t.Errorf("the terminal showed %q", shown)
	}
	for _, pid := range s.pids() {
		awaitEnd(t, pid)
	}
}

// A second Ctrl-C kills at once what does not listen.
func TestTerminalCtrlCTwice(t *testing.T) {
	t.Parallel()
	s := openTerminal(t)
	s.file("job", `trap 'echo "no." > $SCREEN' TERM
trap '' INT
sleep 1000 & echo $$ $! >> pids
echo "begun." > $SCREEN
while :; do wait; done`)
	s.keysTyped("tutti map -j2 --termseq TERM,86400000,KILL bash job ::: 1 2 3 4\n")
	s.expect("begun.")
	s.expect("begun.")
	s.keysTyped(ctrlC)
	s.expect("no.")
	s.expect("no.")
	s.keysTyped(ctrlC)
	shown := s.expect(prompt)
	if code := s.code(); code != 130 {
		t.Errorf("exit code %d, want 130", code)
	}
	if strings.Contains(shown, "begun") {
		t.Errorf("a job was started after Ctrl-C: %q", shown)
	}
	if n := len(s.pids()); n != 4 {
		t.Errorf("%d processes, want 4", n)
	}
	for _, pid := range s.pids() {
		awaitEnd(t, pid)
	}
}

// Ctrl-C while the inputs are typed, before there is any, and in a dry run that
// reads without end.
func TestTerminalCtrlCEarly(t *testing.T) {
	t.Parallel()
	s := openTerminal(t)
	s.keysTyped("tutti map echo got\n")
	s.expect("inputs are read from the terminal")
	s.keysTyped("first\n")
	s.expect("got first")
	s.keysTyped(ctrlC)
	s.expect(prompt)
	if code := s.code(); code != 130 {
		t.Errorf("exit code %d, want 130", code)
	}
	s.keysTyped("yes | tutti map --dry-run echo | tee >(sed -un 1p > $SCREEN) > /dev/null\n")
	s.expect("echo y\n")
	s.keysTyped(ctrlC)
	s.expect(prompt)
}

// Ctrl-Z stops the trees of all commands, and fg lets them go on.
func TestTerminalCtrlZ(t *testing.T) {
	t.Parallel()
	s := openTerminal(t)
	s.file("job", `mkfifo go$1; exec 5<>go$1
(read x < go$1; echo through $1) & echo $$ $! >> pids
echo "begun." > $SCREEN
wait`)
	s.keysTyped("tutti map -k -j2 bash job ::: 1 2\n")
	s.expect("begun.")
	s.expect("begun.")
	s.keysTyped(ctrlZ)
	s.expect("Stopped")
	s.expect(prompt)
	pids := s.pids()
	if len(pids) != 4 {
		t.Errorf("%d processes, want 4", len(pids))
	}
	for _, pid := range pids {
		awaitStateOf(t, pid, 'T')
	}
	s.keysTyped("fg\n")
	for _, pid := range pids {
		awaitStateOf(t, pid, 'S')
	}
	s.file("go1", "\n")
	s.file("go2", "\n")
	s.expect("through 1\n")
	s.expect("through 2\n")
	s.expect(prompt)
	if code := s.code(); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
}

// Ctrl-Z, then kill: what was stopped ends too.
func TestTerminalKillStopped(t *testing.T) {
	t.Parallel()
	s := openTerminal(t)
	s.file("job", `sleep 1000 & echo $$ $! >> pids
echo "begun." > $SCREEN
wait`)
	s.keysTyped("tutti map -j2 bash job ::: 1 2 3\n")
	s.expect("begun.")
	s.expect("begun.")
	s.keysTyped(ctrlZ)
	s.expect("Stopped")
	s.expect(prompt)
	s.keysTyped("kill %1; fg\n")
	s.expect(prompt)
	if code := s.code(); code != 143 {
		t.Errorf("exit code %d, want 143", code)
	}
	for _, pid := range s.pids() {
		awaitEnd(t, pid)
	}
}

// -p asks before each command.
func TestTerminalInteractive(t *testing.T) {
	t.Parallel()
	s := openTerminal(t)
	s.keysTyped("tutti map -p touch ::: yes no also\n")
	for _, c := range []struct{ ask, answer string }{{"touch yes", "y\n"}, {"touch no", "n\n"}, {"touch also", "Yes\n"}} {
		s.expect(c.ask)
		s.keysTyped(c.answer)
	}
	s.expect(prompt)
	for name, want := range map[string]bool{"yes": true, "no": false, "also": true} {
		if isFile(filepath.Join(s.dir, name)) != want {
			t.Errorf("touch %s: run %v, want %v", name, !want, want)
		}
	}
}

// --tty gives the terminal itself to one command after the other.
func TestTerminalTty(t *testing.T) {
	t.Parallel()
	s := openTerminal(t)
	s.keysTyped("tutti map --tty 'test -t 0 -a -t 1 && echo ask{}; read x; echo got $x' ::: 1 2\n")
	s.expect("ask1\n")
	s.keysTyped("one\n")
	s.expect("got one\n")
	s.expect("ask2\n")
	s.keysTyped("two\n")
	s.expect("got two\n")
	s.expect(prompt)
	if code := s.code(); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
}

// --latest-line shows one line for each job, and leaves the last one of each.
func TestTerminalLatestLine(t *testing.T) {
	t.Parallel()
	s := openTerminal(t)
	shown, code := s.command("tutti map -j2 --latest-line 'echo {}1; sleep 0.4; echo {}2' ::: a b")
	lines := strings.Join(screenAfter(shown), "\n") + "\n"
	if code != 0 || !strings.Contains(lines, "a2\n") || !strings.Contains(lines, "b2\n") || strings.Contains(lines, "a1\n") {
		t.Errorf("exit code %d; the screen says %q; shown was %q", code, lines, shown)
	}
}

// awaitStateOf waits until a process is in a state. There is no event for it, so
// it reads again and again.
func awaitStateOf(t *testing.T, pid string, state byte) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); unix.Nanosleep(&unix.Timespec{Nsec: 1e6}, nil) {
		stat, err := os.ReadFile("/proc/" + pid + "/stat")
		if err != nil {
			t.Fatal(err)
		}
		if at := strings.LastIndexByte(string(stat), ')'); stat[at+2] == state {
			return
		}
	}
	t.Errorf("process %s is not in state %c", pid, state)
}

// What a person sees while a run goes on does not stay among the output.
func TestTerminalCleanOutput(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"", "--progress", "--bar", "--eta", "--line-buffer", "--progress --line-buffer"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			s := openTerminal(t)
			s.file("job", `echo one; sleep 0.6; echo two; sleep 0.3`)
			shown, code := s.command("tutti map -j1 " + how + " bash job ::: a b")
			lines := screenAfter(shown)
			if code != 0 || strings.Join(lines[:min(4, len(lines))], " ") != "one two one two" {
				t.Errorf("exit code %d; the screen says %q; shown was %q", code, lines, shown)
			}
			shown, code = s.command("tutti map -j1 " + how + " bash job ::: a b 2> errors > out; cat out")
			if code != 0 || shown != "one\ntwo\none\ntwo\n"+prompt {
				t.Errorf("exit code %d; standard output was %q", code, shown)
			}
		})
	}
}

// screenAfter is what stands on a screen after text was shown on it: as much of a
// terminal as a progress display needs.
func screenAfter(text string) []string {
	lines, row, col := [][]rune{nil}, 0, 0
	escape := regexp.MustCompile("^\x1b\\[([?0-9;]*)([A-Za-z])")
	for text != "" {
		if m := escape.FindStringSubmatch(text); m != nil {
			text = text[len(m[0]):]
			n, _ := strconv.Atoi(m[1])
			switch m[2] {
			case "A":
				row = max(row-max(n, 1), 0)
			case "B":
				row = min(row+max(n, 1), len(lines)-1)
			case "G":
				col = max(n-1, 0)
			case "K":
				if n == 2 {
					lines[row] = nil
				} else {
					lines[row] = lines[row][:min(col, len(lines[row]))]
				}
			case "J":
				lines = lines[:row+1]
				lines[row] = lines[row][:min(col, len(lines[row]))]
			}
			continue
		}
		r := []rune(text)[0]
		text = text[len(string(r)):]
		switch {
		case r == '\r':
			col = 0
		case r == '\n': // the terminal's translation is off, as quiet left it
			row, col = row+1, 0
			if row == len(lines) {
				lines = append(lines, nil)
			}
		case r >= ' ':
			for len(lines[row]) <= col {
				lines[row] = append(lines[row], ' ')
			}
			lines[row][col] = r
			col++
		}
	}
	var out []string
	for _, line := range lines {
		out = append(out, strings.TrimRight(string(line), " "))
	}
	return out
}

func TestScreenAfter(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, want string }{
		{"a\nb", `["a" "b"]`},
		{"12%\r\x1b[Ka\n50%\r\x1b[K", `["a" ""]`},
		{"x\ny\nz\x1b[2A\r\x1b[Jdone\n", `["done" ""]`},
		{"abc\rx\x1b[2Ky", `[" y"]`},
	} {
		if got := fmt.Sprintf("%q", screenAfter(c.text)); got != c.want {
			t.Errorf("%q leaves %s, want %s", c.text, got, c.want)
		}
	}
}
