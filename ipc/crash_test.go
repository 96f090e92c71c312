package ipc

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"unsafe"
)

// A process dies at every point that it passes. Points are counted by goroutine, so
// that only the victim's count; what it was about is left as it is, since it stops
// there for ever: its deferred functions do not run.

// mortal is the goroutine that is to die.
type mortal struct {
	space  *Space
	passed []string
	last   int                // it dies at the point of this number; -1: never
	on     func(point string) // called at each point, if set
	busy   bool               // with on
	died   chan string
	over   atomic.Bool // it has died, or done all
}

var mortals sync.Map // *mortal by goroutine

// be makes the calling goroutine the mortal until f returns.
func (m *mortal) be(f func()) {
	mortals.Store(self(), m)
	defer mortals.Delete(self())
	f()
}

// atPoints are functions that are called at every fail point, by what they are for.
var atPoints sync.Map

func init() {
	failpoint = func(point string) {
		if v, ok := mortals.Load(self()); ok {
			v.(*mortal).pass(point)
		}
		msgsPoint(point)
		atPoints.Range(func(_, f any) bool { f.(func(string))(point); return true })
	}
}

func (m *mortal) pass(point string) {
	if m.busy {
		return
	}
	if m.on != nil {
		m.busy = true
		m.on(point)
		m.busy = false
	}
	m.passed = append(m.passed, point)
	if len(m.passed)-1 != m.last {
		return
	}
	die(m.space)
	m.died <- point
	m.over.Store(true)
	select {} // it is dead
}

// lockScenario is what a process does until it dies, and what the others then find.
type lockScenario struct {
	name    string
	options Options
	// ready prepares, in a process that lives on.
	ready func(ctx context.Context, s *Space) error
	// act is done by the one that dies.
	act func(ctx context.Context, s *Space) error
	// on, if set, is called in a process that lives on when the one that dies comes to
	// a point.
	on func(ctx context.Context, s *Space, point string)
	// meanwhile, if set, is done by the one that lives on while act waits.
	meanwhile func(ctx context.Context, s *Space, over func() bool) error
	// after is what the one that lives on finds.
	after func(ctx context.Context, s *Space) error
}

// run runs the scenario with a death at point number last and reports where that was.
func (sc *lockScenario) run(t *testing.T, last int) (died string, passed []string) {
	t.Helper()
	spaces := heapSpaces(t, 3, sc.options)
	ctx := soon(t)
	witness := spaces[1]
	must(witness.Event("not what it is about")) // object 0, which a wiped claim names
	if sc.ready != nil {
		if err := sc.ready(ctx, witness); err != nil {
			t.Fatal(err)
		}
	}
	m := &mortal{space: spaces[0], last: last, died: make(chan string, 1)}
	if sc.on != nil {
		m.on = func(point string) { sc.on(ctx, witness, point) }
	}
	ended := make(chan error, 1)
	go func() {
		m.be(func() {
			err := sc.act(ctx, m.space)
			m.over.Store(true)
			ended <- err
		})
	}()
	if sc.meanwhile != nil {
		if err := sc.meanwhile(ctx, witness, m.over.Load); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case died = <-m.died:
	case err := <-ended:
		if err != nil {
			t.Fatal(err)
		}
		passed = m.passed
		die(m.space) // with all that it holds
	}
	awaitBurial(t, witness, m.space.slot)
	if err := sc.after(ctx, witness); err != nil {
		t.Errorf("death at %q: %v", died, err)
	}
	audit(t, witness, m.space.slot)
	return died, passed
}

// awaitBurial waits until nothing of a slot is left.
func awaitBurial(t *testing.T, s *Space, slot int) {
	t.Helper()
	for ctx := soon(t); s.members[slot].load().state() != memberFree; runtime.Gosched() {
		if ctx.Err() != nil {
			t.Fatalf("slot %d is %v", slot, s.members[slot].load().state())
		}
	}
}

// audit checks what must hold when a process is buried and nobody is about anything.
func audit(t *testing.T, s *Space, slot int) {
	t.Helper()
	for i := range s.claims {
		if w := s.claims[i].load(); w.state() != claimFree && w.slot() == slot {
			t.Errorf("claim %d of the dead is in state %d of object %d", i, w.state(), w.object())
		}
	}
	for i := range s.objects {
		o := &s.objects[i]
		if o.kind.Load() == 0 {
			continue
		}
		s.unlock(s.lock(i))
		if w := o.latch.word.Load(); w != 0 {
			t.Errorf("the latch of %q is %#x", pinned(o.name[:]), w)
		}
		if o.kind.Load() == kindTxns {
			rows := s.txnTable(i).rows()
			for k := range rows {
				if w := rows[k].load(); w.state() != txnFree && w.slot() == slot {
					t.Errorf("row %d of the transactions is in state %d of slot %d", k, w.state(), w.slot())
				}
			}
		}
		if o.kind.Load() == kindBanker {
			b := must(s.bankOf(i))
			for k := range bankRows {
				if w := b.row(k).load(); w.state() != bankFree && w.slot() == slot {
					t.Errorf("row %d of a banker is in state %d of the dead", k, w.state())
				}
			}
		}
		if k := o.kind.Load(); k == kindRWMutex || k == kindSemaphore {
			before := stateOf[unitState](o).taken.Load()
			repairUnits(s, i)
			if after := stateOf[unitState](o).taken.Load(); before != after {
				t.Errorf("%q says that %d units are taken, the claims say %d", pinned(o.name[:]), before, after)
			}
		}
	}
}

// heirGets says what the next owner of a lock whose owner may have died is to get.
func heirGets(err error) error {
	if err == nil || errors.Is(err, ErrOwnerDied) {
		return nil
	}
	return err
}

var lockScenarios = []lockScenario{
	{
		name: "mutex",
		act: func(ctx context.Context, s *Space) error {
			m := must(s.Mutex("m"))
			return errors.Join(m.Lock(ctx), m.Unlock(), m.Lock(ctx))
		},
		after: func(ctx context.Context, s *Space) error {
			m := must(s.Mutex("m"))
			return errors.Join(heirGets(m.Lock(ctx)), m.MarkConsistent(), m.Unlock())
		},
	}, {
		name: "units",
		act: func(ctx context.Context, s *Space) error {
			m := must(s.Semaphore("s", 5))
			return errors.Join(m.Acquire(ctx, 3), m.Release(1), m.Release(2), m.Acquire(ctx, 4))
		},
		after: func(ctx context.Context, s *Space) error {
			m := must(s.Semaphore("s", 5))
			return errors.Join(m.Acquire(ctx, 5), m.Release(5))
		},
	}, {
		name:  "units that are waited for",
		ready: func(ctx context.Context, s *Space) error { return must(s.Semaphore("s", 5)).Acquire(ctx, 4) },
		act: func(ctx context.Context, s *Space) error {
			return must(s.Semaphore("s", 5)).Acquire(ctx, 2)
		},
		meanwhile: func(_ context.Context, s *Space, _ func() bool) error { return must(s.Semaphore("s", 5)).Release(4) },
		after: func(ctx context.Context, s *Space) error {
			m := must(s.Semaphore("s", 5))
			return errors.Join(m.Acquire(ctx, 5), m.Release(5))
		},
	}, {
		name: "units given back to one who waits",
		act: func(ctx context.Context, s *Space) error {
			m := must(s.Semaphore("s", 5))
			if err := m.Acquire(ctx, 5); err != nil {
				return err
			}
			for waiting := uint32(0); waiting == 0; runtime.Gosched() {
				o := s.lock(m.i)
				waiting = o.waiting
				s.unlock(o)
			}
			return errors.Join(m.Release(2), m.Release(3))
		},
		meanwhile: func(ctx context.Context, s *Space, over func() bool) error {
			m, given := must(s.Semaphore("s", 5)), must(s.Event("given"))
			for held := int64(0); held != 5 && !over(); runtime.Gosched() {
				_, held = m.Units()
			}
			go func() {
				if m.Acquire(ctx, 5) == nil && m.Release(5) == nil {
					given.Set()
				}
			}()
			return nil
		},
		after: func(ctx context.Context, s *Space) error { return must(s.Event("given")).Wait(ctx) },
	}, {
		name: "readers and writers",
		act: func(ctx context.Context, s *Space) error {
			m := must(s.RWMutex("rw"))
			return errors.Join(m.RLock(ctx), m.RUnlock(), m.Lock(ctx), m.Unlock(), m.Lock(ctx))
		},
		after: func(ctx context.Context, s *Space) error {
			m := must(s.RWMutex("rw"))
			return errors.Join(heirGets(m.Lock(ctx)), m.MarkConsistent(), m.Unlock(), m.RLock(ctx), m.RUnlock())
		},
	}, {
		name: "event",
		act:  func(ctx context.Context, s *Space) error { must(s.Event("e")).Set(); return nil },
		after: func(ctx context.Context, s *Space) error {
			must(s.Event("e")).Set()
			return must(s.Event("e")).Wait(ctx)
		},
	}, {
		name: "once",
		act: func(ctx context.Context, s *Space) error {
			return must(s.Once("o")).Do(ctx, func() error { at("in once"); return nil })
		},
		after: func(ctx context.Context, s *Space) error {
			return must(s.Once("o")).Do(ctx, func() error { return nil })
		},
	}, {
		name: "cond",
		act: func(ctx context.Context, s *Space) error {
			m := must(s.Mutex("m"))
			c := must(s.Cond("c", m))
			if err := m.Lock(ctx); err != nil {
				return err
			}
			return errors.Join(c.Wait(ctx), m.Unlock())
		},
		meanwhile: func(_ context.Context, s *Space, over func() bool) error {
			c := must(s.Cond("c", must(s.Mutex("m"))))
			for ; !over(); runtime.Gosched() { // it may come before the wait, so again
				c.Broadcast()
			}
			return nil
		},
		after: func(ctx context.Context, s *Space) error {
			m := must(s.Mutex("m"))
			c := must(s.Cond("c", m))
			c.Signal()
			return errors.Join(heirGets(m.Lock(ctx)), m.MarkConsistent(), m.Unlock())
		},
	}, {
		name: "barrier",
		act:  func(ctx context.Context, s *Space) error { return must(s.Barrier("b", 1)).Wait(ctx) },
		after: func(ctx context.Context, s *Space) error {
			b := must(s.Barrier("b", 1))
			b.Reset()
			return b.Wait(ctx)
		},
	},
}

func TestDeathAtEveryPoint(t *testing.T) {
	t.Parallel()
	dieEverywhere(t, lockScenarios)
}

func TestDeathInTransactions(t *testing.T) {
	t.Parallel()
	dieEverywhere(t, txnScenarios, "txn-entering", "txn-running", "txn-wanting", "txn-waiting", "txn-telling", "txn-told", "txn-wounded",
		"txn-unlocked", "txn-again", "txn-leaving")
}

// dieEverywhere runs each scenario with a death at each point that it passes, among
// which are those that are named.
func dieEverywhere(t *testing.T, scenarios []lockScenario, named ...string) {
	met := make(chan string, 10_000)
	t.Cleanup(func() {
		close(met)
		for point := range met {
			named = slices.DeleteFunc(named, func(n string) bool { return n == point })
		}
		if len(named) > 0 && !t.Failed() {
			t.Errorf("never met: %v", named)
		}
	})
	for _, sc := range scenarios {
		t.Run(sc.name, func(t *testing.T) {
			t.Parallel()
			_, points := sc.run(t, -1)
			if len(points) < 3 {
				t.Fatalf("only %v are passed", points)
			}
			for n := range points {
				met <- points[n]
				if died, _ := sc.run(t, n); died != points[n] {
					t.Logf("point %d is %q this time, not %q", n, died, points[n])
				}
			}
		})
	}
}

// A process dies while it buries another, at every point of that.
func TestDeathOfTheGravedigger(t *testing.T) {
	t.Parallel()
	bury := func(last int) []string {
		spaces := heapSpaces(t, 4, Options{})
		ctx := soon(t)
		first := spaces[0]
		m, sem := must(first.Mutex("m")), must(first.Semaphore("s", 3))
		if err := errors.Join(m.Lock(ctx), sem.Acquire(ctx, 2), must(first.RWMutex("rw")).Lock(ctx), declare(first, amounts{"b": 1}, amounts{"b": 1}).Acquire(ctx, amounts{"b": 1})); err != nil {
			t.Fatal(err)
		}
		must(first.Once("o")).o.word.Store(first.owner) // it was about that
		digger := &mortal{space: spaces[1], last: last, died: make(chan string, 1)}
		ended := make(chan bool)
		first.closing.Store(true)
		go func() {
			digger.be(func() {
				dieUnheard(first) // so that it is this one who finds it
				spaces[1].buryIfDead(first.slot)
				close(ended)
			})
		}()
		select {
		case <-ended:
		case <-digger.died:
		}
		spaces[2].buryTheDead()
		awaitBurial(t, spaces[2], first.slot)
		if last >= 0 && len(digger.passed) > last {
			awaitBurial(t, spaces[2], spaces[1].slot)
		}
		s := spaces[2]
		m, sem = must(s.Mutex("m")), must(s.Semaphore("s", 3))
		if err := errors.Join(heirGets(m.Lock(ctx)), sem.Acquire(ctx, 3), heirGets(must(s.RWMutex("rw")).Lock(ctx)), allOf(amounts{"b": 1})(ctx, s),
			must(s.Once("o")).Do(ctx, func() error { return nil })); err != nil {
			t.Errorf("point %d: %v", last, err)
		}
		audit(t, s, first.slot)
		return digger.passed
	}
	points := bury(-1)
	if len(points) < 5 || !slices.Contains(points, "banker-buried") || !slices.Contains(points, "once-nameless") {
		t.Fatalf("only %v are passed", points)
	}
	for n := range points {
		bury(n)
	}
}

// A header that was damaged is never a crash, and an error where that can be seen.
func FuzzAttach(f *testing.F) {
	f.Add(uint16(0), byte(1))
	f.Add(uint16(8), byte(2))
	f.Add(uint16(12), byte(255))
	f.Fuzz(func(t *testing.T, at uint16, value byte) {
		spaces := heapSpaces(t, 1, Options{})
		image := unsafe.Slice((*byte)(unsafe.Pointer(spaces[0].head)), 128)
		i := int(at) % len(image)
		was := image[i]
		image[i] = value
		s, err := enterSpace(spaces[0].seg, 0, Options{}, &goroutines{&town{lifelines: map[int]*uint32{}}, 7})
		if err == nil {
			_ = s.Close()
		}
		// What the counts and the id are cannot be told from the rest.
		if told := i < 12 || i >= 24 && i < 32 || i >= 40 && i < 64; err == nil && was != value && told {
			t.Errorf("byte %d was %d, is %d, and nothing is said", i, was, value)
		}
		image[i] = was
	})
}

// While a dead process's claim is forfeited nobody else gets its row: what is done to it
// after that would be done to another's.
func TestForfeitedRowIsNobodys(t *testing.T) {
	t.Parallel()
	spaces := heapSpaces(t, 3, Options{})
	dying, witness, other := spaces[0], spaces[1], spaces[2]
	if err := must(dying.Semaphore("s", 1)).Acquire(soon(t), 1); err != nil {
		t.Fatal(err)
	}
	row := -1
	for i := range dying.claims {
		if w := dying.claims[i].load(); w.state() == claimHeld {
			row = i
		}
	}
	m := must(other.Semaphore("another", 1))
	var once sync.Once
	atPoints.Store(t.Name(), func(point string) {
		if point == "unit-forfeited" && dying.claims[row].load().state() != claimHeld {
			once.Do(func() {
				if err := m.Acquire(soon(t), 1); err != nil {
					t.Error(err)
				}
			})
		}
	})
	defer atPoints.Delete(t.Name())
	die(dying)
	awaitBurial(t, witness, dying.slot)
	i, ok := other.holds(m.i, self(), false, true)
	if w := other.claims[i].load(); !ok || w.state() != claimHeld || w.slot() != other.slot {
		t.Errorf("the claim of one who lives is %v, in state %d of slot %d", ok, w.state(), w.slot())
	}
	for _, i := range other.idle.rows {
		if w := other.claims[i].load(); w.slot() != other.slot {
			t.Errorf("row %d, which is another's, is slot %d's", i, w.slot())
		}
	}
}
