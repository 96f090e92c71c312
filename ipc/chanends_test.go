package ipc

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
)

// ends opens a channel with one place and says who alone uses it; 0: nobody says so.
func ends(t *testing.T, s *Space, name string, senders, receivers int) *Chan[int] {
	t.Helper()
	c := must(OpenChan[int](s, name, 1))
	if senders > 0 {
		must(c.Sender(senders))
	}
	if receivers > 0 {
		must(c.Receiver(receivers))
	}
	return c
}

// told is the deadlock among errors of which the others are none.
func told(t *testing.T, errs ...error) (found *DeadlockError) {
	t.Helper()
	for _, err := range errs {
		dead, ok := errors.AsType[*DeadlockError](err)
		switch {
		case ok && found != nil:
			t.Errorf("two were told:\n%v\n%v", found, dead)
		case ok:
			found = dead
		case err != nil && !errors.Is(err, ErrClosed):
			t.Error(err)
		}
	}
	if found == nil {
		t.Fatal("nobody was told of a deadlock")
	}
	return found
}

// Goroutines of two processes each wait for a message of the other.
func TestDeadlockOfReceivers(t *testing.T) {
	t.Parallel()
	spaces := heapSpaces(t, 2, Options{})
	errs := make(chan error)
	for i, s := range spaces {
		go func() {
			out, in := ends(t, s, [2]string{"a", "b"}[i], 1, 0), ends(t, s, [2]string{"b", "a"}[i], 0, 1)
			_, _, err := in.Receive(soon(t))
			errs <- errors.Join(err, out.Close())
		}()
	}
	dead := told(t, <-errs, <-errs)
	if text := dead.Error(); len(dead.Cycle) != 2 || strings.Count(text, "chanends_test.go:") != 4 ||
		strings.Count(text, "is a sender of channel") != 2 || strings.Count(text, "waits for a message of channel") != 2 {
		t.Error(text)
	}
}

// A goroutine that has a mutex sends to a full channel whose only receiver waits for the
// mutex.
func TestDeadlockOfMutexAndChan(t *testing.T) {
	t.Parallel()
	spaces := heapSpaces(t, 2, Options{})
	errs, locked := make(chan error), make(chan bool)
	go func() {
		c, m := ends(t, spaces[0], "c", 0, 0), must(spaces[0].Mutex("m"))
		err := errors.Join(m.Lock(soon(t)), c.Send(soon(t), 1))
		close(locked)
		errs <- errors.Join(err, c.Send(soon(t), 2), m.Unlock())
	}()
	go func() {
		c, m := ends(t, spaces[1], "c", 0, 1), must(spaces[1].Mutex("m"))
		<-locked
		err := m.Lock(soon(t))
		if err == nil {
			err = m.Unlock()
		}
		_, _, rest := c.Receive(soon(t))
		errs <- errors.Join(err, rest)
	}()
	text := told(t, <-errs, <-errs).Error()
	for _, want := range []string{`holds mutex "m"`, `waits for room in channel "c"`, `is a receiver of channel "c"`, `waits for mutex "m"`} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in:\n%s", want, text)
		}
	}
}

// Who waits for one of several channels is helped by any; only when all that could do
// that wait for him there is a deadlock.
func TestDeadlockOfSelect(t *testing.T) {
	t.Parallel()
	spaces := heapSpaces(t, 3, Options{})
	errs, looked, helper := make(chan error, 3), make(chan bool), make(chan bool)
	go func() { // waits for either of the others
		a, b := ends(t, spaces[0], "a", 0, 1), ends(t, spaces[0], "b", 0, 1)
		back := ends(t, spaces[0], "back", 1, 0)
		told := inspected(t)
		go func() { <-told; close(looked) }()
		_, err := Select(soon(t), a.Receiving(nil, nil), b.Receiving(nil, nil))
		errs <- errors.Join(err, back.Close())
	}()
	waitBack := func(s *Space, name string) {
		c, back := ends(t, s, name, 1, 0), ends(t, s, "back", 0, 2)
		if name == "b" {
			<-helper
		}
		_, _, err := back.Receive(soon(t))
		errs <- errors.Join(err, c.Close())
	}
	go waitBack(spaces[1], "a")
	go waitBack(spaces[2], "b")
	<-looked
	for !hasStated(spaces[1]) {
		pause()
	}
	select {
	case err := <-errs:
		t.Errorf("while one could help: %v", err)
	default:
	}
	close(helper)
	if dead := told(t, <-errs, <-errs, <-errs); len(dead.Cycle) != 2 || strings.Count(dead.Error(), "chanends_test.go:") != 4 {
		t.Error(dead)
	}
}

// No deadlock is found while somebody may help, or might be about to.
func TestNoDeadlockOfChans(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		senders, receivers int                 // that the two say there are
		help               func(in *Chan[int]) // is one of those
	}{
		"nobody said anything":         {0, 0, nil},
		"one of two senders is absent": {2, 1, nil},
		"a sender left": {2, 1, func(in *Chan[int]) {
			leave := must(in.Sender(2))
			leave()
			leave()
		}},
		"a sender runs": {2, 1, func(in *Chan[int]) { must(in.Sender(2)) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spaces := heapSpaces(t, 2, Options{Report: func(e *DeadlockError) { t.Error(e) }})
			errs := make(chan error)
			var looked sync.WaitGroup
			looked.Add(2)
			if c.help != nil {
				c.help(must(OpenChan[int](spaces[0], "b", 1)))
			}
			for i, s := range spaces {
				go func() {
					ends(t, s, [2]string{"a", "b"}[i], []int{min(c.senders, 1), c.senders}[i], 0)
					in := ends(t, s, [2]string{"b", "a"}[i], 0, c.receivers)
					told := inspected(t)
					go func() { <-told; looked.Done() }()
					_, _, err := in.Receive(soon(t))
					errs <- err
				}()
			}
			looked.Wait()
			for _, name := range []string{"a", "b"} {
				if err := must(OpenChan[int](spaces[0], name, 1)).Send(soon(t), 1); err != nil {
					t.Error(err)
				}
			}
			if err := errors.Join(<-errs, <-errs); err != nil {
				t.Error(err)
			}
		})
	}
}

// Who is stopped before it looks for a message that has come, or after it has taken it
// and before it could say so, does not wait for the one that sent it and waits for the
// answer.
func TestReceivedStopped(t *testing.T) {
	t.Parallel()
	for _, point := range []string{"await-sleeping", "await-woken", "ring-freed"} {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			spaces := heapSpaces(t, 2, Options{Report: func(e *DeadlockError) { t.Error(e) }})
			errs, stopped, goOn, looked := make(chan error, 2), make(chan bool), make(chan bool), make(chan bool)
			var all sync.WaitGroup
			all.Go(func() {
				in, out := ends(t, spaces[0], "ask", 0, 1), ends(t, spaces[0], "answer", 1, 0)
				me, once := self(), sync.Once{}
				atPoints.Store(stopped, func(p string) {
					if p == point && self() == me {
						once.Do(func() {
							close(stopped)
							<-goOn
						})
					}
				})
				_, _, err := in.Receive(soon(t))
				errs <- errors.Join(err, out.Send(soon(t), 2))
			})
			t.Cleanup(func() { atPoints.Delete(stopped) })
			all.Go(func() {
				out, in := ends(t, spaces[1], "ask", 1, 0), ends(t, spaces[1], "answer", 0, 1)
				if point == "await-sleeping" {
					<-stopped
				}
				for point != "await-sleeping" && !hasStated(spaces[0]) {
					pause()
				}
				err := out.Send(soon(t), 1)
				<-stopped
				told := inspected(t)
				go func() { <-told; close(looked) }()
				_, _, rest := in.Receive(soon(t))
				errs <- errors.Join(err, rest)
			})
			<-looked
			close(goOn)
			all.Wait()
			if err := errors.Join(<-errs, <-errs); err != nil {
				t.Error(err)
			}
		})
	}
}

// When one of those who send dies nobody is deadlocked, until another one has taken its
// place and waits as well.
func TestDeadlockAfterDeath(t *testing.T) {
	t.Parallel()
	spaces := heapSpaces(t, 3, Options{})
	errs, looked := make(chan error, 2), make(chan bool)
	must(must(OpenChan[int](spaces[2], "a", 1)).Sender(1))
	go func() {
		in, out := ends(t, spaces[0], "a", 0, 1), ends(t, spaces[0], "b", 1, 0)
		told := inspected(t)
		go func() { <-told; close(looked) }()
		_, _, err := in.Receive(soon(t))
		errs <- errors.Join(err, out.Close())
	}()
	<-looked
	die(spaces[2])
	awaitBurial(t, spaces[0], spaces[2].slot)
	go func() {
		out, in := ends(t, spaces[1], "a", 1, 0), ends(t, spaces[1], "b", 0, 1)
		_, _, err := in.Receive(soon(t))
		errs <- errors.Join(err, out.Close())
	}()
	told(t, <-errs, <-errs)
}

// All who serve a channel must agree on how many they are.
func TestEndsRefused(t *testing.T) {
	t.Parallel()
	s := heapSpaces(t, 1, Options{})[0]
	c := must(OpenChan[int](s, "c", 1))
	leave := must(c.Sender(1))
	for n, want := range map[int]string{0: "1 to 64 are possible", 1: "must leave first", 2: "the same number"} {
		if _, err := c.Sender(n); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("one of %d: %v", n, err)
		}
	}
	must(c.Receiver(2)) // the other end
	leave()
	must(c.Sender(2))
	if err := c.Send(context.Background(), 1); err != nil {
		t.Error(err)
	}
}

// Who says that he serves a channel may die at any moment: another one has his place.
func TestDeathInEnds(t *testing.T) {
	t.Parallel()
	dieEverywhere(t, []lockScenario{{
		name: "ends of a channel",
		act: func(_ context.Context, s *Space) error {
			c := must(OpenChan[int](s, "c", 1))
			leave, err := c.Sender(1)
			if err != nil {
				return err
			}
			at("an end held")
			leave()
			_, err = c.Receiver(1)
			return err
		},
		after: func(_ context.Context, s *Space) error {
			c := must(OpenChan[int](s, "c", 1))
			_, err1 := c.Sender(1)
			_, err2 := c.Receiver(1)
			return errors.Join(err1, err2)
		},
	}})
}
