package ipc

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/tutti-run/tutti/shm"
)

// dieForgettingAt has a process make room and die at a point of that.
func dieForgettingAt(t *testing.T, victim *Space, point string) {
	t.Helper()
	m := &mortal{space: victim, died: make(chan string, 1)}
	m.on = func(p string) {
		if m.last = -1; p == point {
			m.last = len(m.passed)
		}
	}
	go m.be(func() { _, _ = victim.Mutex("new") })
	<-m.died
}

// Memory that somebody died over while he freed it may be another's by the time that the
// next one makes room: he must not look at it, nor free it again; also when he who was to
// end that has died over it.
func TestRoomAfterDeathInForgetting(t *testing.T) {
	t.Parallel()
	spaces := heapSpaces(t, 3, Options{Objects: 1})
	s := spaces[2]
	user := newcomer(t, s)
	c := must(OpenChan[int](user, "c", 100))
	n := ringBytes(c.capacity, c.state.size)
	mustClose(t, user)
	for i, point := range []string{"forget-freed", "directory-mended"} {
		dieForgettingAt(t, spaces[i], point)
		awaitBurial(t, s, spaces[i].slot)
	}
	ref := must(s.keepBytes(make([]byte, n))) // as the cells of an empty channel are
	if want := c.state.ref; uint64(ref) != want {
		t.Fatalf("the memory at %d was taken, not that at %d", ref, want)
	}
	must(s.findOrMake(kindMutex, "new", nil, true))
	if used := inUse(s); used < int64(n) {
		t.Errorf("%d bytes are in use: memory of %d bytes was freed that is another's", used, n)
	}
}

// An order that somebody learns and leaves while another makes room is of use as long as
// the space: its locks are not forgotten.
func TestLearntWhileRoomIsMade(t *testing.T) {
	t.Parallel()
	spaces := heapSpaces(t, 2, Options{Objects: 4, Claims: 16})
	s := spaces[0]
	user := newcomer(t, s)
	must(user.Event("blank"))
	mustClose(t, user)
	learner := s.kin.(*goroutines).town.enter(t, s.seg, Options{CheckOrder: true})
	a, b := must(learner.Mutex("a")), must(learner.Mutex("b"))
	m := &mortal{space: s, last: -1, on: func(point string) {
		if point != "forget-looking" || learner.closing.Load() {
			return
		}
		if err := errors.Join(a.Lock(soon(t)), b.Lock(soon(t)), b.Unlock(), a.Unlock()); err != nil {
			t.Error(err)
		}
		mustClose(t, learner)
	}}
	m.be(func() { must(s.Mutex("new")) })
	if !learner.closing.Load() {
		t.Fatal("nobody made room")
	}
	_, err := s.Mutex("one more")
	if !errors.Is(err, ErrTooMany) {
		t.Errorf("there was room for one name more: %v", err)
	}
	if err := s.Remove("a"); err != nil {
		t.Errorf("to remove a lock whose order was learnt got %v", err)
	}
}

// What a process said of a channel goes before its row may be another's, whether it dies
// or leaves.
func TestEndsGoBeforeTheRow(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(t *testing.T, s, user *Space){
		"left": func(t *testing.T, _, user *Space) { mustClose(t, user) },
		"dead": func(t *testing.T, s, user *Space) { dieUnheard(user); s.buryIfDead(user.slot) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := heapSpaces(t, 1, Options{Objects: 1})[0]
			user := newcomer(t, s)
			c := must(OpenChan[int](user, "c", 1))
			leave := must(c.Sender(1))
			must(c.Receiver(1))
			served := func() (n int) {
				for i := range s.claims {
					if w := s.claims[i].load(); w.state() == claimHeld && w.object() == c.object {
						n++
					}
				}
				return n
			}
			if err := user.Remove("c"); !errors.Is(err, ErrInUse) {
				t.Errorf("to remove a channel that is served got %v", err)
			}
			closed := false
			m := &mortal{space: user, last: -1, on: func(point string) {
				if n := served(); point == "object-closed" {
					if closed = true; n != 0 {
						t.Errorf("the row may be another's, and %d say that they serve it", n)
					}
				}
			}}
			m.be(func() { end(t, s, user) })
			awaitBurial(t, s, user.slot)
			if !closed {
				t.Error("the row was not closed here")
			}
			leave() // late
			must(s.Mutex("another"))
			if n := served(); n != 0 {
				t.Errorf("%d say that they serve what is a mutex now", n)
			}
			if err := s.Remove("another"); err != nil {
				t.Fatal(err)
			}
			again := must(OpenChan[int](s, "c", 1))
			must(again.Sender(2))
			must(again.Receiver(3))
		})
	}
}

// A row that becomes another's while a picture is taken does no harm: what is known of it
// then is what it was.
func TestRowReusedWithinPicture(t *testing.T) {
	t.Parallel()
	s := heapSpaces(t, 1, Options{Objects: 2})[0]
	must(s.Event("row 0"))
	c := must(OpenChan[int](s, "c", 1))
	must(c.Sender(3))
	must(c.Receiver(3))
	for _, kind := range []uint32{kindMutex, kindEvent, kindSemaphore, kindRWMutex, kindChan} {
		p := s.newPicture()
		p.addObject(s, c.object, kind) // as it was, before it was forgotten
		for i := range s.claims {
			p.addClaim(s, i, false)
		}
		p.closeChannels()
		if got, want := len(p.ends), map[bool]int{true: 2}[kind == kindChan]; got != want {
			t.Errorf("%d ends of a %s are served, not %d", got, kindName(kind), want)
		}
	}
}

// What a goroutine of this process is still about is not removed.
func TestRemoveRefusesWhatIsUsed(t *testing.T) {
	t.Parallel()
	s := heapSpaces(t, 1, Options{})[0]
	o := must(s.Once("once"))
	err := o.Do(soon(t), func() error {
		if err := s.Remove("once"); !errors.Is(err, ErrInUse) {
			t.Errorf("to remove a Once whose function runs got %v", err)
		}
		return nil
	})
	if err != nil || !o.Done() {
		t.Errorf("done: %v, %v", o.Done(), err)
	}
	sem := must(s.Semaphore("sem", 1))
	i := must(s.claim(sem.i, 1, false, self(), 0, 0))
	c := &s.claims[i]
	c.word.Store(uint64(c.load().to(claimAborted))) // and its goroutine has not looked
	if err := s.Remove("sem"); !errors.Is(err, ErrInUse) {
		t.Errorf("to remove a semaphore whose waiter was aborted got %v", err)
	}
	c.settle()
	s.unclaim(i)
	if err := errors.Join(s.Remove("sem"), s.Remove("once")); err != nil {
		t.Error(err)
	}
}

// What this process is to an object is said in the object's own words for some kinds: it
// writes or reads a stream, has a Banker's claim, serves a call that nobody waits for.
func TestRemoveRefusesRoles(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		begin  func(ctx context.Context, s *Space) (end func() error)
		advice string
	}{
		"writer": {func(ctx context.Context, s *Space) func() error {
			return must(must(s.Stream("x", 100)).Writer(ctx)).Close
		}, "StreamWriter"},
		"reader": {func(ctx context.Context, s *Space) func() error {
			return must(must(s.Stream("x", 100)).Reader(ctx)).Close
		}, "StreamReader"},
		"claim": {func(ctx context.Context, s *Space) func() error {
			c := must(must(s.Banker("x", map[string]int64{"r": 2})).Declare(map[string]int64{"r": 1}))
			if err := c.Acquire(ctx, map[string]int64{"r": 1}); err != nil {
				t.Error(err)
			}
			return c.Close
		}, "Claim"},
		"claim that holds nothing": {func(ctx context.Context, s *Space) func() error {
			return must(must(s.Banker("x", map[string]int64{"r": 2})).Declare(map[string]int64{"r": 1})).Close
		}, "Claim"},
		"call for nobody": {serveNobody, "serves a call"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := heapSpaces(t, 1, Options{})[0]
			end := c.begin(soon(t), s)
			if err := s.Remove("x"); !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), c.advice) {
				t.Errorf("got %v, not ErrInUse and a word about %s", err, c.advice)
			}
			if err := errors.Join(end(), s.Remove("x")); err != nil {
				t.Errorf("when it had ended: %v", err)
			}
			if used := inUse(s); used != 0 {
				t.Errorf("%d bytes are left", used)
			}
		})
	}
}

// serveNobody has s serve a call whose client has given up.
func serveNobody(ctx context.Context, s *Space) (end func() error) {
	server, client := must(OpenServer[int, int](s, "x", 1)), must(OpenClient[int, int](s, "x", 1))
	calling, giveUp := context.WithCancel(ctx)
	serving, stop := context.WithCancelCause(ctx)
	goOn, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- server.Serve(serving, func(context.Context, int) (int, error) {
			giveUp()
			<-goOn
			return 0, nil
		})
	}()
	if _, err := client.Call(calling, 1); !errors.Is(err, context.Canceled) {
		panic(err)
	}
	over := errors.New("enough")
	return func() error {
		stop(over)
		close(goOn)
		if err := <-ended; err != over {
			return err
		}
		return nil
	}
}

// A death of which the kernel wakes nobody, as when it woke one who was killed in the same
// moment, is noticed all the same, also where nobody waits for the dead.
func TestUnheardDeathIsNoticed(t *testing.T) {
	t.Parallel()
	spaces := heapSpaces(t, 2, Options{})
	for range 100 { // its guardian has looked and sleeps, or is about to
		for shm.Wake(addr(&spaces[1].head.changes), 1) == 0 {
			runtime.Gosched()
		}
	}
	for range 10_000 {
		runtime.Gosched()
	}
	dieUnheard(spaces[0])
	awaitBurial(t, spaces[1], spaces[0].slot)
}
