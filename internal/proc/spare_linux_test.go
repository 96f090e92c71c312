package proc

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// helperSpare is a spare process that tells its role, and which descriptors it has from 3
// on, with c for close-on-exec.
func helperSpare() error {
	message, ok, err := AwaitRole()
	if err != nil || !ok {
		return err
	}
	fmt.Print(message)
	for fd := firstFree; fd < firstFree+spareRoom; fd++ {
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		var stat unix.Stat_t
		if err != nil || unix.Fstat(fd, &stat) != nil || stat.Mode&unix.S_IFMT != unix.S_IFIFO {
			continue // the runtime may have opened one of its own
		}
		fmt.Print(" ", fd)
		if flags&unix.FD_CLOEXEC != 0 {
			fmt.Print("c")
		}
	}
	fmt.Println()
	in, err := io.ReadAll(os.Stdin)
	fmt.Printf("%s", in)
	return err
}

// helperLeaves starts a spare process, tells its number, and ends.
func helperLeaves() error {
	s, err := StartSpare(Spec{Path: Self(), Env: []string{helperVariable + "=spare"}}) // not this one's, too
	if err == nil {
		fmt.Println(s.PID())
	}
	return err
}

func mustStartSpare(t *testing.T) *Spare {
	t.Helper()
	s, err := StartSpare(helperSpec(t, "spare"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// A spare process gets its descriptors under the numbers that Start would give them, and
// no others.
func TestSpareBecomes(t *testing.T) {
	t.Parallel()
	s := mustStartSpare(t)
	pid := s.PID()
	inR, inW := pipe(t)
	outR, outW := pipe(t)
	p, err := s.Become("a role", Spec{Stdin: inR, Stdout: outW, Extra: []*os.File{outW, nil, outW}})
	if err != nil {
		t.Fatal(err)
	}
	if p.PID() != pid || s.PID() != 0 {
		t.Errorf("process %d, the spare %d was %d", p.PID(), s.PID(), pid)
	}
	outW.Close()
	inR.Close()
	fmt.Fprint(inW, "read")
	inW.Close()
	got, err := io.ReadAll(outR)
	if want := "a role 3c 5c\nread"; string(got) != want || err != nil {
		t.Errorf("%q, want %q (%v)", got, want, err)
	}
	if status := p.Wait(); status.Exit != 0 || status.Signal != 0 {
		t.Error(status)
	}
	if err := s.Close(); err != nil {
		t.Errorf("close behind a role: %v", err)
	}
	mustBeGone(t, pid)
}

// What a spare cannot become ends it, and so do Close and its parent's death.
func TestSpareEnds(t *testing.T) {
	t.Parallel()
	many := make([]*os.File, spareRoom+1)
	for name, end := range map[string]func(s *Spare) error{
		"closed":         func(s *Spare) error { return s.Close() },
		"too many files": func(s *Spare) error { _, err := s.Become("role", Spec{Extra: many}); return err },
		"no role":        func(s *Spare) error { _, err := s.Become("", Spec{}); return err },
		"a closed file": func(s *Spare) error {
			f, _ := pipe(t)
			f.Close()
			_, err := s.Become("role", Spec{Stdout: f})
			return err
		},
		"killed": func(s *Spare) error {
			pid := s.PID()
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				return nil
			}
			ended(s.proc.child.pidfd, -1)
			_, err := s.Become("role", Spec{})
			return err
		},
	} {
		s := mustStartSpare(t)
		pid := s.PID()
		if err := end(s); (err == nil) != (name == "closed") {
			t.Errorf("%s: %v", name, err)
		}
		mustBeGone(t, pid)
		if p, err := s.Become("role", Spec{}); err == nil {
			t.Errorf("%s: it became process %d", name, p.PID())
		}
	}
}

func TestSpareEndsWithItsParent(t *testing.T) {
	t.Parallel()
	r, w := pipe(t)
	spec := helperSpec(t, "leaves")
	spec.Stdout = w
	p := mustStart(t, spec)
	w.Close()
	line, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	p.Wait()
	// It is ours now, since this process is a subreaper.
	if _, err := syscall.Wait4(pid, nil, 0, nil); err != nil {
		t.Error(err)
	}
	mustBeGone(t, pid)
}
