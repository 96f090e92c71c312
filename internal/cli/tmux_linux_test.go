package cli

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// tmuxScreen is a terminal as people have it, drawn by tmux, with bash in it. What
// stands on its screen can be looked at.
type tmuxScreen struct {
	t      *testing.T
	dir    string
	socket string
	news   chan struct{} // something was shown
	events *bufio.Reader // lines that jobs write into the named pipe event
}

// openTmux starts a server of its own, bash in it, and a client that is told of all
// that is shown.
func openTmux(t *testing.T) *tmuxScreen {
	t.Helper()
	if _, err := exec.LookPath("tmux"); err != nil {
		t.Skip("tmux is not installed: what a screen shows cannot be looked at")
	}
	home, err := os.MkdirTemp("", "tmux") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(home) })
	s := &tmuxScreen{t: t, dir: t.TempDir(), socket: filepath.Join(home, "s"), news: make(chan struct{}, 1)}
	s.openEvents()
	env := append(os.Environ(), "SHELL=/bin/bash", "TMPDIR="+t.TempDir(), "HOME="+home, "LESS=", "LC_ALL=C.UTF-8", "TMUX=")
	start := func(args ...string) *exec.Cmd {
		cmd := exec.Command("tmux", append([]string{"-S", s.socket, "-f", "/dev/null"}, args...)...)
		cmd.Dir, cmd.Env = s.dir, env
		return cmd
	}
	client := start("-C", "new-session", "-s", "s", "-x", "80", "-y", "24", "PS1='"+prompt+"' exec bash --norc --noprofile")
	keep, err := client.StdinPipe() // its end would end the client
	if err != nil {
		t.Fatal(err)
	}
	told, err := client.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	server := start("-D")
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	s.awaitSocket()
	if err := client.Start(); err != nil {
		t.Fatal(err)
	}
	heard := make(chan struct{})
	go func() {
		defer close(heard)
		for lines := bufio.NewScanner(told); lines.Scan(); {
			select {
			case s.news <- struct{}{}:
			default:
			}
		}
	}()
	t.Cleanup(func() {
		_ = start("kill-server").Run()
		<-heard
		_ = keep.Close()
		_ = client.Wait()
		_ = server.Wait()
	})
	s.await("the prompt", func(screen string) bool { return screen == bare })
	return s
}

// awaitSocket waits until the server listens.
func (s *tmuxScreen) awaitSocket() {
	s.t.Helper()
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC)
	if err != nil {
		s.t.Fatal(err)
	}
	defer unix.Close(fd)
	if _, err := unix.InotifyAddWatch(fd, filepath.Dir(s.socket), unix.IN_CREATE); err != nil {
		s.t.Fatal(err)
	}
	for !isFile(s.socket) {
		if n, err := pollAgain([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, patience); n != 1 || err != nil {
			s.t.Fatalf("tmux makes no socket (%v)", err)
		}
		_, _ = unix.Read(fd, make([]byte, 4<<10))
	}
}

// openEvents makes the named pipe by which jobs tell the test something.
func (s *tmuxScreen) openEvents() {
	s.t.Helper()
	path := filepath.Join(s.dir, "event")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		s.t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0) // both ways, so that nobody waits for the other to open it
	if err != nil {
		s.t.Fatal(err)
	}
	_ = f.SetReadDeadline(time.Now().Add(2 * patience))
	s.t.Cleanup(func() { _ = f.Close() })
	s.events = bufio.NewReader(f)
}

// event waits for a line from a job.
func (s *tmuxScreen) event() {
	s.t.Helper()
	if _, err := s.events.ReadString('\n'); err != nil {
		s.t.Fatalf("no job told anything: %v; the screen says\n%s", err, s.screen())
	}
}

// send types text, or presses a key by its name in tmux.
func (s *tmuxScreen) send(args ...string) {
	s.t.Helper()
	args = append([]string{"-S", s.socket, "send-keys", "-t", "s"}, args...)
	if out, err := exec.Command("tmux", args...).CombinedOutput(); err != nil {
		s.t.Fatalf("tmux %q: %v\n%s", args, err, out)
	}
}

// screen is what stands on the screen, without the empty rows at its end.
func (s *tmuxScreen) screen() string {
	s.t.Helper()
	out, _ := exec.Command("tmux", "-S", s.socket, "capture-pane", "-p", "-t", "s").Output() // there is none at first
	return strings.TrimRight(string(out), "\n")
}

// await waits until the screen is as it is to be, and returns it.
func (s *tmuxScreen) await(what string, is func(screen string) bool) string {
	s.t.Helper()
	late := time.After(patience)
	for {
		screen := s.screen()
		if is(screen) {
			return screen
		}
		select {
		case <-s.news:
		case <-late:
			s.t.Fatalf("the screen does not show %s but\n%s", what, screen)
		}
	}
}

// shows waits for what a regular expression describes.
func (s *tmuxScreen) shows(pattern string) string {
	s.t.Helper()
	return s.await(pattern, regexp.MustCompile(pattern).MatchString)
}

// is waits until the screen is what a pattern of all its rows describes.
func (s *tmuxScreen) is(rows ...string) {
	s.t.Helper()
	s.shows("^" + strings.Join(rows, "\n") + "$")
}

// run types a command line.
func (s *tmuxScreen) run(line string) {
	s.t.Helper()
	s.send("-l", line)
	s.send("Enter")
}

func (s *tmuxScreen) file(name, text string) {
	s.t.Helper()
	write(s.t, filepath.Join(s.dir, name), text)
}

// theRest is what is said of a run that left something over.
const theRest = `to run the rest: tutti resume [0-9]+`

// bare is prompt as it stands on a screen with nothing behind it.
var bare = strings.TrimRight(prompt, " ")

// typed describes the row of a command line.
func typed(line string) string { return regexp.QuoteMeta(prompt + line) }

// Ctrl-C, once: what it did is all that stays.
func TestTmuxCtrlC(t *testing.T) {
	t.Parallel()
	s := openTmux(t)
	s.file("job", `trap 'echo "ended $1"; kill $!; exit 1' TERM
sleep 1000 & echo $$ $! >> pids; echo > event; wait`)
	const line = "tutti map -j2 bash job ::: 1 2 3"
	s.run(line)
	s.event()
	s.event()
	s.shows(`0/3 jobs`)
	s.send("C-c")
	s.is(typed(line), `SIGINT: 0 jobs in [0-9.]+ m?s, 2 ended by it, 1 not started, .*`, theRest, bare)
	s.run("echo code $?")
	s.shows("(?m)^code 130$")
	s.gone("pids")
}

// Ctrl-C, twice: what does not listen is killed.
func TestTmuxCtrlCTwice(t *testing.T) {
	t.Parallel()
	s := openTmux(t)
	s.file("job", `trap 'echo > event' TERM
sleep 1000 & echo $$ $! >> pids; echo > event
while :; do wait; done`)
	const line = "tutti map -j2 --termseq TERM,86400000,KILL bash job ::: 1 2 3"
	s.run(line)
	s.event()
	s.event()
	s.send("C-c")
	s.event()
	s.event()
	s.send("C-c")
	s.is(typed(line), `SIGINT: 0 jobs in [0-9.]+ m?s, 2 ended by it, 1 not started, .*`, theRest, bare)
	s.run("echo code $?")
	s.shows("(?m)^code 130$")
	s.gone("pids")
}

// gone waits for the end of the processes whose numbers are in a file.
func (s *tmuxScreen) gone(file string) {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, file))
	if err != nil {
		s.t.Fatal(err)
	}
	for _, pid := range strings.Fields(string(text)) {
		awaitEnd(s.t, pid)
	}
}

// A question stands until it is answered: neither what is drawn nor what other jobs
// print meanwhile runs over it.
func TestTmuxQuestions(t *testing.T) {
	t.Parallel()
	s := openTmux(t)
	s.file("job", `sleep 0.5; echo "out $1"; echo "err $1" >&2; echo > event`) // longer than two drawings are apart
	const line = "tutti map -j2 -p bash job ::: 1 2"
	s.run(line)
	s.is(typed(line), regexp.QuoteMeta("bash job 1 ?..."))
	s.run("y")
	s.is(typed(line), regexp.QuoteMeta("bash job 1 ?...y"), regexp.QuoteMeta("bash job 2 ?..."))
	s.event()
	s.run("n")
	s.is(typed(line), regexp.QuoteMeta("bash job 1 ?...y"), regexp.QuoteMeta("bash job 2 ?...n"), "out 1", "err 1",
		"1 job in .*", theRest, bare)
}

// One after the other: what a job prints comes before the next question. Ctrl-C is
// an answer, and Ctrl-Z puts the question off.
func TestTmuxQuestionsInOrder(t *testing.T) {
	t.Parallel()
	s := openTmux(t)
	const line = "tutti map -j1 -p echo ::: 1 2 3"
	s.run(line)
	s.is(typed(line), `echo 1 \?\.\.\.`)
	s.run("y")
	s.is(typed(line), `echo 1 \?\.\.\.y`, "1", `echo 2 \?\.\.\.`)
	s.send("C-z")
	s.shows(`Stopped .*\n` + bare + "$")
	s.run("fg")
	s.shows(`ready> fg\n.*\necho 2 \?\.\.\.$`)
	s.run("y")
	s.shows(`echo 2 \?\.\.\.y\n2\necho 3 \?\.\.\.$`)
	s.send("C-c")
	s.shows(`echo 3 \?\.\.\..*\nSIGINT: 2 jobs in .*, 1 not started, .*\n` + theRest + `\n` + bare + "$")
}

// A pager has its screen for itself; a program that writes elsewhere disturbs nobody.
func TestTmuxPager(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("less"); err != nil {
		t.Skip("less is not installed")
	}
	s := openTmux(t)
	var rows []string
	for n := range 23 {
		rows = append(rows, fmt.Sprint(n+1))
	}
	s.run("{ seq 30 | tutti map -j1 -k 'sleep 0.02; echo {}'; echo > event; } | less")
	s.event()
	s.is(append(rows, ":")...)
	s.send("q")
	s.shows(bare + "$")
	s.run("clear; { tutti map 'echo {}; exit {}' ::: 0 1; echo > event; } | cat")
	s.event()
	s.shows(`2 jobs in .*, 1 failed, .*\n +job 2, exit status 1: `)
	s.run("clear; tutti map -j1 'sleep 0.5; echo {}' ::: a b | cat > file")
	s.shows("1/2 jobs")
	s.shows("^2 jobs in .*\n" + bare + "$")
	s.run("clear; tutti map --progress -j1 'sleep 0.5; echo {}' ::: a b | cat > /dev/tty")
	s.shows("1/2 jobs")
	s.shows("2 jobs in .*\n" + bare + "$")
}

// Ctrl-Z takes away what is drawn, and fg brings it back.
func TestTmuxCtrlZ(t *testing.T) {
	t.Parallel()
	s := openTmux(t)
	s.file("job", `echo > event; read x < go$1; echo "through $1"`)
	const line = "mkfifo go1 go2; tutti map -j2 -k bash job ::: 1 2"
	s.run(line)
	s.event()
	s.event()
	s.shows("0/2 jobs")
	s.send("C-z")
	s.is(typed(line), "", `\[1\]\+ +Stopped +`+regexp.QuoteMeta("tutti map -j2 -k bash job ::: 1 2"), bare)
	s.run("fg")
	s.shows(`fg\n.*tutti map .*\n.*0/2 jobs.*$`)
	s.file("go1", "\n")
	s.file("go2", "\n")
	s.is(typed(line), "", `\[1\]\+ +Stopped +.*`, typed("fg"), "tutti map .*", "through 1", "through 2", "2 jobs in .*", bare)
}
