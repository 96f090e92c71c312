package ipc

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
)

// A process that has a space open twice is one process: what its goroutines hold through
// one they hold for the other as well. It never kills itself.
func TestDeadlockOverOneSpaceTwice(t *testing.T) {
	t.Parallel()
	for _, policy := range []Policy{AbortYoungest, KillProcess} {
		name := spaceName(t)
		var spaces [2]*Space
		for i := range spaces {
			spaces[i] = must(OpenWith(name, 0, Options{OnDeadlock: policy}))
			t.Cleanup(func() { _ = spaces[i].Close() })
		}
		errs, held := make(chan error), make(chan bool)
		for i := range spaces {
			go func() {
				mine, next := must(spaces[0].Mutex([2]string{"a", "b"}[i])), must(spaces[1].Mutex([2]string{"b", "a"}[i]))
				err := mine.Lock(soon(t))
				if i == 0 {
					held <- true
				} else {
					<-held
				}
				if err == nil {
					err = next.Lock(soon(t))
				}
				if err == nil {
					err = next.Unlock()
				}
				errs <- errors.Join(err, mine.Unlock())
			}()
		}
		if dead := told(t, <-errs, <-errs); len(dead.Cycle) != 2 || strings.Count(dead.Error(), "circles_linux_test.go:") != 4 {
			t.Error(dead)
		}
		one, other := must(spaces[0].Mutex("a")), must(spaces[1].Mutex("a"))
		if err := one.Lock(soon(t)); err != nil {
			t.Fatal(err)
		}
		err := other.Lock(soon(t))
		if dead := told(t, err, one.Unlock()); len(dead.Cycle) != 1 || strings.Count(dead.Error(), "circles_linux_test.go:") != 2 {
			t.Error(dead)
		}
	}
}

func init() {
	// ask NAME: wait for a message on "there" of one to whom it is to send on "back", and
	// say what comes of it.
	childModes["ask"] = func() error {
		s, err := Open(os.Args[1], 0)
		if err != nil {
			return err
		}
		in, out := must(OpenChan[int](s, "there", 1)), must(OpenChan[int](s, "back", 1))
		must(in.Receiver(1))
		must(out.Sender(1))
		fmt.Println("ready")
		_, ok, err := in.Receive(context.Background())
		switch dead, is := errors.AsType[*DeadlockError](err); {
		case is && strings.Count(dead.Error(), "circles_linux_test.go:") == 4:
			fmt.Println("told")
		case err == nil && !ok:
			fmt.Println("over")
		default:
			fmt.Println(err)
		}
		return s.Close()
	}
}

// Processes that each wait for a message of the other are found, one is told, and not while
// one of them is dead and nobody has taken its place.
func TestDeadlockOfProcessesOverChannels(t *testing.T) {
	t.Parallel()
	name := spaceName(t)
	s := must(OpenWith(name, 1<<20, Options{Report: func(e *DeadlockError) {
		if len(e.Cycle) != 2 {
			t.Error(e)
		}
	}}))
	defer s.Close()
	in, out := must(OpenChan[int](s, "back", 1)), must(OpenChan[int](s, "there", 1))

	first := start(t, "ask", name)
	first.says(t, "ready")
	if !s.kin.sameProgram(first.Process.Pid) || s.kin.sameProgram(os.Getppid()) {
		t.Error("its program is this one, and that of this one's parent is not")
	}
	leave, alsoLeave := must(in.Receiver(1)), must(out.Sender(1)) // later than the other, so it is the younger
	if _, _, err := in.Receive(soon(t)); !errors.Is(err, ErrDeadlock) || strings.Count(err.Error(), "circles_linux_test.go:") != 4 {
		t.Errorf("the younger one waits in a circle: %v", err)
	}
	leave()
	alsoLeave()
	first.kill()

	ended, looked := make(chan error), make(chan bool)
	go func() {
		told := inspected(t)
		go func() { <-told; close(looked) }()
		must(in.Receiver(1))
		must(out.Sender(1))
		_, ok, err := in.Receive(soon(t))
		if ok || err != nil {
			err = fmt.Errorf("received %v: %w", ok, err)
		}
		ended <- err
	}()
	<-looked
	second := start(t, "ask", name)
	second.says(t, "ready")
	second.says(t, "told")
	if err := errors.Join(in.Close(), <-ended); err != nil {
		t.Error(err)
	}
	if err := second.Wait(); err != nil {
		t.Error(err)
	}
}
