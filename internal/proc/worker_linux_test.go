package proc

import (
	"errors"

	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func mustStart(t *testing.T, s Spec) *Process {
	t.Helper()
	p, err := Start(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestWait(t *testing.T) {
	t.Parallel()
	for script, want := range map[string]string{
		"exit 0":        "exit status 0",
		"exit 3":        "exit status 3",
		"exit 255":      "exit status 255",
		"kill -TERM $$": "signal 15 (terminated)",
		"kill -KILL $$": "signal 9 (killed)",
	} {
		p := mustStart(t, Spec{Path: "/bin/sh", Args: []string{"-c", script}})
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				if s := p.Wait(); s.String() != want {
					t.Errorf("%s: %v, want %s", script, s, want)
				}
			})
		}
		wg.Wait()
		if err := p.Signal(syscall.SIGTERM); !errors.Is(err, os.ErrProcessDone) {
			t.Errorf("signal after the end: %v", err)
		}
		mustBeGone(t, p.PID())
	}
}

func TestStartDescriptors(t *testing.T) {
	t.Parallel()
	inR, inW := pipe(t)
	outR, outW := pipe(t)
	p := mustStart(t, Spec{
		Path: "/bin/sh", Name: "renamed", Args: []string{"-c", `cat; echo "$1"; pwd; echo extra >&4; echo "$V"`, "zero", "one"},
		Env: []string{"V=value"}, Dir: "/", Stdin: inR, Stdout: outW, Extra: []*os.File{nil, outW},
	})
	outW.Close()
	inR.Close()
	io.WriteString(inW, "input\n")
	inW.Close()
	got, err := io.ReadAll(outR)
	if want := "input\none\n/\nextra\nvalue\n"; err != nil || string(got) != want {
		t.Errorf("%q, want %q (%v)", got, want, err)
	}
	if s := p.Wait(); s.Exit != 0 {
		t.Error(s)
	}
}

func TestStartErrors(t *testing.T) {
	t.Parallel()
	if _, err := Start(Spec{Path: "/nonexistent"}); !errors.Is(err, syscall.ENOENT) {
		t.Error(err)
	}
	closed, w := pipe(t)
	closed.Close()
	w.Close()
	if _, err := Start(Spec{Path: "/bin/true", Stdin: closed}); !errors.Is(err, os.ErrClosed) {
		t.Error(err)
	}
	if _, err := Start(Spec{Path: "/bin/sleep", Args: []string{"1000"}, OOMScoreAdj: 5000}); !errors.Is(err, syscall.EINVAL) {
		t.Error("an impossible oom_score_adj was taken:", err)
	}
}

func TestOOMScoreAdj(t *testing.T) {
	t.Parallel()
	p := mustStart(t, Spec{Path: "/bin/sleep", Args: []string{"1000"}, OOMScoreAdj: 700})
	text, err := os.ReadFile("/proc/" + strconv.Itoa(p.PID()) + "/oom_score_adj")
	if strings.TrimSpace(string(text)) != "700" {
		t.Errorf("%q, %v", text, err)
	}
	p.Signal(syscall.SIGKILL)
	p.Wait()
}

func TestStopAndContinue(t *testing.T) {
	t.Parallel()
	r, w := pipe(t)
	p := mustStart(t, Spec{Path: "/bin/sh", Args: []string{"-c", "echo up; trap 'echo woken; exit 4' CONT; kill -STOP $$; exit 5"}, Stdout: w})
	w.Close()
	var info exitInfo
	if err := waitid(unix.P_PID, p.PID(), unix.WSTOPPED, &info, nil); err != nil || syscall.Signal(info.status) != syscall.SIGSTOP {
		t.Errorf("%v, %v", info, err)
	}
	if ended(p.child.pidfd, 0) {
		t.Error("a stopped process passes for a dead one")
	}
	if err := p.Signal(syscall.SIGCONT); err != nil {
		t.Error(err)
	}
	if s := p.Wait(); s.Exit != 4 {
		t.Error(s)
	}
	mustEnd(t, r)
}

// Many waits hold no threads. Threads are never given back, so those that exist
// afterwards tell how many there were.
func TestWaitHoldsNoThreads(t *testing.T) {
	const many = 64
	before := threads(t)
	var wg sync.WaitGroup
	defer wg.Wait() // after the signals: deferred calls run backwards
	for range many {
		p := mustStart(t, Spec{Path: "/bin/sleep", Args: []string{"1000"}})
		if !canPark(p) {
			t.Fatal("the netpoller refuses pidfds")
		}
		wg.Go(func() { p.Wait() })
		defer p.Signal(syscall.SIGKILL)
	}
	if after := threads(t); after > before+many/2 {
		t.Errorf("%d threads before, %d after", before, after)
	}
}

// canPark reports whether the netpoller took the descriptor: it alone has deadlines.
func canPark(p *Process) bool { return p.pidfd.SetDeadline(time.Time{}) == nil }

func threads(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func TestCloseOnExecFrom(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"range", "listed"} {
		r, w := pipe(t)
		spec := helperSpec(t, "fds", how)
		spec.Stdout, spec.Extra = w, []*os.File{w, w}
		p := mustStart(t, spec)
		w.Close()
		got, _ := io.ReadAll(r)
		if s := p.Wait(); string(got) != "0 1 2\n" || s.Exit != 0 {
			t.Errorf("%s: descriptors %q, %v", how, got, s)
		}
	}
}

// helperFDs tells which descriptors a command of this process sees.
func helperFDs() error {
	mark := closeOnExecListed
	if os.Args[1] == "range" {
		mark = CloseOnExecFrom
	}
	if err := mark(3); err != nil {
		return err
	}
	return syscall.Exec("/bin/sh", []string{"sh", "-c", `for f in 0 1 2 3 4 5 6 7 8 9; do [ -e /proc/$$/fd/$f ] && l="$l$f "; done; echo ${l% }`}, nil)
}

// Bad news travels once: a status that other code took away is told as missing.
func TestStolenStatus(t *testing.T) {
	t.Parallel()
	p := mustStart(t, Spec{Path: "/bin/true"})
	if _, err := syscall.Wait4(p.PID(), nil, 0, nil); err != nil {
		t.Fatal(err)
	}
	if s := p.Wait(); s.Exit != -1 {
		t.Error(s)
	}
}
