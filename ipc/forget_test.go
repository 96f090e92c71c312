package ipc

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"testing"

	"github.com/tutti-run/tutti/shm"
)

// newcomer is a process more in a space of heapSpaces.
func newcomer(tb testing.TB, s *Space) *Space {
	tb.Helper()
	return s.kin.(*goroutines).town.enter(tb, s.seg, Options{})
}

// mustClose closes the space of a process that is done.
func mustClose(tb testing.TB, s *Space) {
	tb.Helper()
	if err := s.Close(); err != nil {
		tb.Fatal(err)
	}
}

// TestWhatIsForgotten has a process use an object and leave, and looks whether its row
// can be had for another name.
func TestWhatIsForgotten(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	lock := func(m interface {
		Lock(context.Context) error
		Unlock() error
	}) error {
		return errors.Join(m.Lock(ctx), m.Unlock())
	}
	for name, c := range map[string]struct {
		use  func(s *Space) error
		kept bool
	}{
		"a mutex":              {use: func(s *Space) error { return lock(must(s.Mutex("x"))) }},
		"a mutex with a rank":  {use: func(s *Space) error { must(s.Mutex("x")).SetRank(3); return nil }, kept: true},
		"a mutex of a dead":    {use: func(s *Space) error { return must(s.Mutex("x")).Lock(ctx) }, kept: true},
		"an rwmutex":           {use: func(s *Space) error { return lock(must(s.RWMutex("x"))) }},
		"an rwmutex of a dead": {use: func(s *Space) error { return must(s.RWMutex("x")).Lock(ctx) }, kept: true},
		"readers":              {use: func(s *Space) error { return must(s.RWMutex("x")).RLock(ctx) }},
		"a semaphore":          {use: func(s *Space) error { return must(s.Semaphore("x", 3)).Acquire(ctx, 2) }},
		"an owned semaphore":   {use: func(s *Space) error { return must(s.OwnedSemaphore("x", 3)).Acquire(ctx, 2) }},
		"units that came":      {use: func(s *Space) error { return must(s.Semaphore("x", 3)).Add(1) }, kept: true},
		"a cond":               {use: func(s *Space) error { must(s.Cond("x", must(s.Mutex("m")))).Signal(); return s.Remove("m") }},
		"a barrier":            {use: func(s *Space) error { return must(s.Barrier("x", 1)).Wait(ctx) }},
		"an event":             {use: func(s *Space) error { e := must(s.Event("x")); e.Set(); e.Reset(); return nil }},
		"an event that is set": {use: func(s *Space) error { must(s.Event("x")).Set(); return nil }, kept: true},
		"a once":               {use: func(s *Space) error { _, err := s.Once("x"); return err }},
		"what was done": {use: func(s *Space) error {
			return must(s.Once("x")).Do(ctx, func() error { return nil })
		}, kept: true},
		"a channel": {use: func(s *Space) error {
			c := must(OpenChan[int](s, "x", 3))
			for i := range 4 {
				if err := c.Send(ctx, i); err != nil {
					return err
				}
				if _, _, err := c.Receive(ctx); err != nil {
					return err
				}
			}
			return nil
		}},
		"a message":            {use: func(s *Space) error { return must(OpenChan[int](s, "x", 3)).Send(ctx, 1) }, kept: true},
		"a channel, closed":    {use: func(s *Space) error { return must(OpenChan[int](s, "x", 3)).Close() }, kept: true},
		"a stream":             {use: func(s *Space) error { _, err := s.Stream("x", 100); return err }},
		"a stream with an end": {use: func(s *Space) error { return must(must(s.Stream("x", 100)).Writer(ctx)).End() }, kept: true},
		"a stream with a past": {use: func(s *Space) error { return streamed(ctx, s) }, kept: true},
		"a topic":              {use: func(s *Space) error { return must(OpenTopic[int](s, "x", 3)).Publish(ctx, 1) }},
		"a topic, closed":      {use: func(s *Space) error { return must(OpenTopic[int](s, "x", 3)).Close() }, kept: true},
		"a server":             {use: func(s *Space) error { _, err := OpenServer[int, [2]int64](s, "x", 2); return err }},
		"a server, closed":     {use: func(s *Space) error { return must(OpenServer[int, [2]int64](s, "x", 2)).Close() }, kept: true},
		"a value":              {use: func(s *Space) error { _, err := OpenVar(s, "x", 1); return err }, kept: true},
		"an empty map":         {use: func(s *Space) error { _, err := OpenMap[int, int](s, "x", 4); return err }},
		"a map":                {use: func(s *Space) error { return must(OpenMap[int, string](s, "x", 4)).Store(1, "one") }, kept: true},
		"a counter":            {use: func(s *Space) error { must(s.Counter("x")).Add(2); return nil }, kept: true},
		"a counter at 0":       {use: func(s *Space) error { must(s.Counter("x")).Add(0); return nil }},
		"a banker":             {use: func(s *Space) error { _, err := s.Banker("x", map[string]int64{"r": 1}); return err }, kept: true},
		"a byte channel":       {use: func(s *Space) error { return must(s.ByteChan("x", 3, true)).Close() }},
		"bytes":                {use: func(s *Space) error { return must(s.ByteChan("x", 3, true)).Send(ctx, []byte("x")) }, kept: true},
		"a byte topic":         {use: func(s *Space) error { return must(s.ByteTopic("x", 3, true)).Publish([]byte("x")) }, kept: true},
		"a byte topic, closed": {use: func(s *Space) error {
			b := must(s.ByteTopic("x", 3, true))
			return errors.Join(b.Publish(nil), b.Close())
		}},
		"the order of locks":    {use: func(s *Space) error { return s.checkOrder() }, kept: true},
		"transactions":          {use: func(s *Space) error { return s.Txn(ctx, func(*Txn) error { return nil }) }, kept: true},
		"twice the same, again": {use: func(s *Space) error { must(s.Mutex("x")); return lock(must(s.Mutex("x"))) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := heapSpaces(t, 1, Options{Objects: 2})[0]
			user := newcomer(t, s)
			if err := c.use(user); err != nil {
				t.Fatal(err)
			}
			if strings.HasSuffix(name, "of a dead") {
				die(user)
				awaitBurial(t, s, user.slot)
			} else {
				mustClose(t, user)
			}
			must(s.Mutex("one"))
			if _, err := s.Mutex("two"); errors.Is(err, ErrTooMany) != c.kept || err != nil && !c.kept {
				t.Errorf("two names in a space for two got %v; kept should be %v", err, c.kept)
			}
			if used := inUse(s); !c.kept && used != 0 {
				t.Errorf("%d bytes are left of what was forgotten", used)
			}
		})
	}
}

func streamed(ctx context.Context, s *Space) error {
	st := must(s.Stream("x", 100))
	w, r := must(st.Writer(ctx)), must(st.Reader(ctx))
	_, err := w.Write([]byte("abc"))
	if err == nil {
		_, err = r.Read(make([]byte, 3))
	}
	return errors.Join(err, w.Close(), r.Close())
}

// inUse is how much memory the objects of a space take.
func inUse(s *Space) (n int64) {
	for _, u := range s.arena.Usage() {
		n += u.InUse
	}
	return n
}

func TestNamesThatAreOpenAreKept(t *testing.T) {
	t.Parallel()
	spaces := heapSpaces(t, 2, Options{Objects: 3})
	slow, s := spaces[0], spaces[1] // slow does nothing, for as long as it likes
	m := must(slow.Mutex("slow"))
	must(OpenVar(s, "value", 1))
	for i := range 50 {
		user := newcomer(t, s)
		l := must(user.Mutex(fmt.Sprint("name ", i)))
		if err := errors.Join(l.Lock(soon(t)), l.Unlock()); err != nil {
			t.Fatal(err)
		}
		mustClose(t, user)
	}
	must(s.Mutex("one more"))
	_, err := s.Mutex("too many")
	if want := "it has 3 names, of which processes have 3 (mutex: 2, variable: 1) open, and none are kept"; !errors.Is(err, ErrTooMany) || !strings.Contains(err.Error(), want) {
		t.Errorf("a name too many got %v, without %q", err, want)
	}
	if err := errors.Join(m.Lock(soon(t)), m.Unlock()); err != nil || m.i != must(s.Mutex("slow")).i {
		t.Errorf("the slow one's mutex is another's by now, or got %v", err)
	}
}

// TestMemoryOfNamesIsForgotten fills the memory, not the rows.
func TestMemoryOfNamesIsForgotten(t *testing.T) {
	t.Parallel()
	s := heapSpaces(t, 1, Options{Objects: 64})[0]
	for i := range 50 {
		user := newcomer(t, s)
		if _, err := user.Stream(fmt.Sprint("stream ", i), 200<<10); err != nil {
			t.Fatalf("after %d streams: %v", i, err)
		}
		mustClose(t, user)
	}
	if _, err := s.Stream("larger than the space", 2<<20); !errors.Is(err, shm.ErrFull) {
		t.Errorf("a stream without room got %v", err)
	}
}

func TestRemoveObject(t *testing.T) {
	t.Parallel()
	spaces := heapSpaces(t, 2, Options{Objects: 3})
	a, b := spaces[0], spaces[1]
	ctx := soon(t)
	if err := a.Remove("nothing"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("to remove nothing got %v", err)
	}
	m := must(a.Mutex("m"))
	if err := b.Remove("m"); !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), "process 1 (test) has it open") {
		t.Errorf("to remove another's mutex got %v", err)
	}
	if err := errors.Join(m.Lock(ctx), a.Remove("m")); !errors.Is(err, ErrInUse) {
		t.Errorf("to remove a mutex that is held got %v", err)
	}
	sem := must(a.Semaphore("s", 2))
	if err := errors.Join(sem.Acquire(ctx, 1), a.Remove("s")); !errors.Is(err, ErrInUse) {
		t.Errorf("to remove units that are held got %v", err)
	}
	if err := errors.Join(m.Unlock(), a.Remove("m"), sem.Release(1), a.Remove("s")); err != nil {
		t.Error(err)
	}
	must(OpenVar(b, "v", long("value")))
	if err := errors.Join(b.Remove("v"), a.Remove("v")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("to remove a value twice got %v", err)
	}
	if v := must(OpenVar(a, "v", "another")); must(v.Load()) != "another" {
		t.Error("what was removed is still there")
	}
	if used := inUse(a); used != 0 {
		t.Errorf("%d bytes are left", used)
	}
	if err := a.Txn(ctx, func(*Txn) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if err := a.Remove(txnsName); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("to remove what the space needs got %v", err)
	}
	if err := errors.Join(a.Close(), a.Remove("v")); !errors.Is(err, ErrClosed) {
		t.Errorf("to remove from a closed space got %v", err)
	}
}

// TestDeathInForgetting has a process die at each point of making room, and of Remove:
// all names can be had afterwards, and no memory is in use twice.
func TestDeathInForgetting(t *testing.T) {
	t.Parallel()
	for name, act := range map[string]func(s *Space) error{
		"room":   func(s *Space) error { _, err := s.Mutex("new"); return err },
		"remove": func(s *Space) error { return s.Remove("map") },
		"open":   func(s *Space) error { _, err := OpenMap[int, string](s, "map", 4); return err },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			seen := map[string]bool{}
			for last := 0; ; last++ {
				died := dieForgetting(t, act, last)
				if died == "" {
					break
				}
				seen[died] = true
			}
			want := map[string][]string{
				"room":   {"forget-looking", "forget-going", "forget-freed", "forgotten", "object-filled", "object-made"},
				"remove": {"forget-closed", "forget-going", "forget-freed", "forgotten"},
				"open":   {"object-opened"},
			}[name]
			for _, p := range want {
				if !seen[p] {
					t.Errorf("nobody died at %q", p)
				}
			}
		})
	}
}

func dieForgetting(t *testing.T, act func(s *Space) error, last int) (died string) {
	t.Helper()
	const rows = 5
	spaces := heapSpaces(t, 2, Options{Objects: rows})
	victim, s := spaces[0], spaces[1]
	user := newcomer(t, s)
	must(user.Semaphore("sem", 3))
	must(OpenChan[int](user, "chan", 100))
	b := must(OpenMap[int, string](user, "map", 4))
	if err := b.Store(1, long("one")); err != nil || !must(b.Delete(1)) {
		t.Fatal(err)
	}
	must(user.ByteChan("bytes", 3, true))
	must(user.Counter("counter"))
	mustClose(t, user)
	m := &mortal{space: victim, last: last, died: make(chan string, 1)}
	ended := make(chan error, 1)
	go m.be(func() { err := act(victim); m.over.Store(true); ended <- err })
	select {
	case died = <-m.died:
	case err := <-ended:
		if err != nil {
			t.Fatal(err)
		}
		die(victim)
	}
	awaitBurial(t, s, victim.slot)
	for i := range rows {
		if _, err := OpenVar(s, fmt.Sprint("var ", i), long(fmt.Sprint(i))); err != nil {
			t.Fatalf("death at %q: name %d: %v", died, i, err)
		}
	}
	for i := range rows {
		if got := must(must(OpenVar(s, fmt.Sprint("var ", i), "")).Load()); got != long(fmt.Sprint(i)) {
			t.Errorf("death at %q: value %d is %.20q", died, i, got)
		}
	}
	audit(t, s, victim.slot)
	return died
}

// TestNamesComeAndGo has processes come, lock one of more names than there is room for,
// and go: two that lock the same name must never be in it at once.
func TestNamesComeAndGo(t *testing.T) {
	t.Parallel()
	const names, workers, rounds = 9, 4, 60
	first := heapSpaces(t, 1, Options{Objects: workers + 1, Claims: 256})[0]
	var guarded [names]int // by the mutex of the name: the race detector looks on
	var wait sync.WaitGroup
	for w := range workers {
		wait.Go(func() {
			for r := range rounds {
				k := (w*7 + r*(w+1)) % names
				s := newcomer(t, first)
				m, err := s.Mutex(fmt.Sprint("name ", k))
				if err == nil {
					err = m.Lock(context.Background())
				}
				if err != nil {
					t.Errorf("name %d: %v", k, err)
					return
				}
				guarded[k]++
				if err := errors.Join(m.Unlock(), s.Close()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
	total := 0
	for _, n := range guarded {
		total += n
	}
	if total != workers*rounds {
		t.Errorf("%d of %d times somebody was alone in a name", total, workers*rounds)
	}
}
