package cli

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

const ctrlBackslash = "\x1c"

// master is the process number of the run whose job wrote it into the file master.
func (s *terminal) master() int {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, "master"))
	if err != nil {
		s.t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		s.t.Fatal(err)
	}
	return pid
}

// What ended a run is told exactly: how many jobs were done, were ended, and were
// not started.
func TestTerminalEndsAreTold(t *testing.T) {
	t.Parallel()
	s := openTerminal(t)
	s.file("job", `echo $PARALLEL_PID > master
echo "begun." > $SCREEN
read x < go$1`)
	for _, c := range []struct {
		end  func()
		want string
		code int
	}{
		{func() { s.keysTyped(ctrlC) }, `SIGINT: 0 jobs in [0-9.]+ m?s, 2 ended by it, 1 not started`, 130},
		{func() { s.keysTyped(ctrlBackslash) }, `SIGQUIT: 0 jobs in [0-9.]+ m?s, 2 ended by it, 1 not started`, 131},
		{func() {
			if err := syscall.Kill(s.master(), syscall.SIGHUP); err != nil {
				t.Error(err)
			}
			s.expect("SIGHUP: nothing more is started; jobs that run and are waited for: 2; SIGTERM ends them\n")
			s.file("go1", "\n")
			s.file("go2", "\n")
		}, `SIGHUP: 2 jobs in [0-9.]+ m?s, 1 not started`, 129},
	} {
		s.keysTyped("rm -f go*; mkfifo go1 go2; tutti map -j2 bash job ::: 1 2 3\n")
		s.expect("begun.")
		s.expect("begun.")
		c.end()
		shown := s.expect(prompt)
		if !regexp.MustCompile(c.want).MatchString(shown) || strings.Contains(shown, "goroutine") {
			t.Errorf("the terminal showed %q, want %q", shown, c.want)
		}
		if code := s.code(); code != c.code {
			t.Errorf("exit code %d, want %d", code, c.code)
		}
	}
}

// The report of tune begins where the line that showed the measuring was.
func TestTerminalTune(t *testing.T) {
	t.Parallel()
	s := openTerminal(t)
	shown, code := s.command("tutti tune --for 0.5 -j1 true")
	if lines := screenAfter(shown); code != 0 || !strings.Contains(shown, " jobs") || !strings.HasPrefix(lines[0], "Best: ") {
		t.Errorf("exit code %d, and the screen shows %q", code, lines)
	}
}
