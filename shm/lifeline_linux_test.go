package shm

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func dup(fd int) (int, error) { return unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0) }

// child starts this test binary again in the given mode, with the segment as
// its descriptor 3, and returns it with its standard input and output.
func child(t *testing.T, mode string, s *Segment, args ...string) (*exec.Cmd, io.WriteCloser, io.Reader) {
	t.Helper()
	fd, err := dup(s.FD())
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), "segment")
	defer f.Close()
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), childEnv+"="+mode, "GORACE=atexit_sleep_ms=0")
	cmd.ExtraFiles = []*os.File{f}
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, in, out
}

// inherited attaches the segment in a child.
func inherited() *Segment {
	s, err := Attach(3)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return s
}

func init() {
	childModes["hold"] = func() {
		s := inherited()
		if err := HoldLifeline((*uint32)(s.Base())); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println("held")
		switch os.Args[len(os.Args)-1] {
		case "killed":
			select {} // a lifeline must not keep the garbage collector or the scheduler busy
		case "exec":
			unix.Exec("/bin/true", []string{"true"}, nil)
		}
		// "exit"
	}
}

func TestLifeline(t *testing.T) {
	for _, end := range []string{"killed", "exit", "exec"} {
		var took []time.Duration
		for range 5 {
			took = append(took, lifelineOnce(t, end))
		}
		slices.Sort(took)
		t.Logf("%s: woken after %v", end, took)
	}
}

// lifelineOnce lets a child that holds a lifeline end and returns how long after
// it was told to its watcher woke.
func lifelineOnce(t *testing.T, end string) time.Duration {
	s := newSegment(t, 4096, 4096)
	word := (*uint32)(s.Base())
	cmd, _, out := child(t, "hold", s, end)
	defer cmd.Wait()
	if _, err := io.ReadFull(out, make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	v := atomic.LoadUint32(word)
	if v == 0 || end == "killed" && LifelineDead(v) {
		t.Fatalf("the armed word is %#x", v)
	}
	type death struct {
		word uint32
		when time.Time
	}
	seen := make(chan death)
	go func() {
		for v := v; ; v = atomic.LoadUint32(word) {
			if LifelineDead(v) {
				seen <- death{v, time.Now()}
				return
			}
			if i, err := WaitAny([]WaitWord{{word, v}}, 0); i != 0 || err != nil {
				t.Error(i, err)
			}
		}
	}()
	start := time.Now()
	if end == "killed" {
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
	}
	d := <-seen
	if d.word != lifelineWaiters|lifelineOwnerDied {
		t.Errorf("the word of a dead holder is %#x", d.word)
	}
	return d.when.Sub(start)
}

func TestLifelineOfTheLivingIsDropped(t *testing.T) {
	t.Parallel()
	s := newSegment(t, 4096, 4096)
	word := (*uint32)(s.Base())
	for range 3 {
		if err := HoldLifeline(word); err != nil {
			t.Fatal(err)
		}
		v := atomic.LoadUint32(word)
		if v&lifelineWaiters == 0 || LifelineDead(v) {
			t.Fatalf("the armed word is %#x", v)
		}
		if err := HoldLifeline(word); err == nil {
			t.Fatal("held twice")
		}
		DropLifeline(word)
		if v := atomic.LoadUint32(word); v != 0 {
			t.Fatalf("the dropped word is %#x", v)
		}
		DropLifeline(word)
	}
}
