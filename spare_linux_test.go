package tutti_test

import (
	"os"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tutti-run/tutti"
)

func startSpare(t *testing.T, c tutti.Config) *tutti.Spare {
	t.Helper()
	s, err := tutti.StartSpare(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// A spare is the pool's first worker, and is replaced like any other when it dies.
func TestSpareIsAWorker(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]tutti.Config{
		"alone": {Workers: 1}, "early": {Workers: 1, Early: true}, "lanes": {Workers: 1, TasksPerWorker: 3},
		"its environment": {Workers: 1, Env: append(os.Environ(), "GOMAXPROCS=7")}, "assigned": {Workers: 1, Arch: tutti.AMP},
	} {
		c.Spare = startSpare(t, c)
		pid := c.Spare.PID()
		pool := open(t, c)
		if got, err := Self.Call(t.Context(), pool, 0); got != pid || err != nil {
			t.Errorf("%s: process %d, the spare was %d (%v)", name, got, pid, err)
		}
		if c.Spare.PID() != 0 {
			t.Errorf("%s: process %d is a spare still", name, c.Spare.PID())
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		if got, err := Self.Call(t.Context(), pool, 0); err != nil || got == 0 {
			t.Errorf("%s: after its death %d (%v)", name, got, err)
		}
	}
}

// A pool that a spare does not fit, or that finds it dead or closed, has another worker,
// and the spare is gone.
func TestSpareThatDoesNotFit(t *testing.T) {
	t.Parallel()
	same := tutti.Config{Workers: 1}
	for name, test := range map[string]struct {
		of, pool tutti.Config
		before   func(*tutti.Spare)
	}{
		"another environment": {same, tutti.Config{Workers: 1, Env: append(os.Environ(), "A=B")}, nil},
		"too many files":      {same, tutti.Config{Workers: 1, Files: make([]*os.File, 100)}, nil},
		"closed":              {same, same, (*tutti.Spare).Close},
		"dead":                {same, same, killSpare},
	} {
		test.pool.Spare = startSpare(t, test.of)
		pid := test.pool.Spare.PID()
		if test.before != nil {
			test.before(test.pool.Spare)
		}
		pool := open(t, test.pool)
		if got, err := Self.Call(t.Context(), pool, 0); got == pid || err != nil {
			t.Errorf("%s: process %d, the spare was %d (%v)", name, got, pid, err)
		}
		if err := syscall.Kill(pid, 0); err != syscall.ESRCH {
			t.Errorf("%s: the spare process is there still (%v)", name, err)
		}
	}
	if s, err := tutti.StartSpare(tutti.Config{Groups: []tutti.Group{{Name: "g", Count: 1}}}); err == nil {
		s.Close()
		t.Error("there is a spare for a pool with groups")
	}
	var none *tutti.Spare
	none.Close()
}

// killSpare kills a spare process and waits until it is dead.
func killSpare(s *tutti.Spare) {
	fd, err := unix.PidfdOpen(s.PID(), 0)
	if err != nil {
		panic(err)
	}
	defer unix.Close(fd)
	_ = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
	for _, err = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, -1); err == unix.EINTR; {
		_, err = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, -1)
	}
}

// Others do not wait for ever until the first worker has a task: it may be stopped.
func TestOthersStartBesideAStoppedWorker(t *testing.T) {
	t.Parallel()
	c := tutti.Config{Workers: 2, Early: true}
	c.Spare = startSpare(t, c)
	pid := c.Spare.PID()
	pool := open(t, c)
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Kill(pid, syscall.SIGCONT) }()
	if err := unix.Waitid(unix.P_PID, pid, nil, unix.WSTOPPED, nil); err != nil { // until then it goes on
		t.Fatal(err)
	}
	if got, err := Self.Call(t.Context(), pool, 0); got == pid || err != nil {
		t.Errorf("process %d, %d is stopped (%v)", got, pid, err)
	}
}
