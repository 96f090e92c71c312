package ipc

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// No false alarm: processes do at random what can never end in a deadlock, and are
// killed at random. All that they lock, they lock in one order; transactions, the
// Banker, channels, conditions, barriers, events and Onces come last. Waits are looked at
// after a few microseconds in place of 20 ms, so that pictures are taken in the middle of
// everything.

var opsWant = flag.Int64("ipc.ops", 100_000, "how many operations are done in which no deadlock may be found")

const (
	workers     = 3 // processes
	workersEach = 4 // goroutines
	lookAfter   = 30 * time.Microsecond
)

// worker is what a goroutine of such a process has.
type worker struct {
	s       *Space
	rnd     *rand.Rand
	ordered []any // *Mutex, *RWMutex, *Semaphore, in the order in which they are taken
	txn     []*Mutex
	claim   *Claim
	there   *Chan[int64]
	back    *Chan[int64]
	meeting
	ask, answer *Chan[int64] // this goroutine's alone, and its echo's
	ops         int64
}

// meeting is what goroutines wait for each other at, none for long: whoever does not come
// in time is not waited for.
type meeting struct {
	m       *Mutex
	cond    *Cond
	barrier *Barrier
	event   *Event
	once    *Once
}

const (
	orderedEach = 3 // of each kind
	semUnits    = 3
)

func newWorker(s *Space, seed uint64) *worker {
	w := &worker{s: s, rnd: rand.New(rand.NewPCG(seed, uint64(os.Getpid())))}
	for k := range orderedEach {
		w.ordered = append(w.ordered, must(s.Mutex(fmt.Sprint("m", k))), must(s.RWMutex(fmt.Sprint("rw", k))),
			must(s.Semaphore(fmt.Sprint("s", k), semUnits)), must(s.OwnedSemaphore(fmt.Sprint("o", k), semUnits)))
	}
	for k := range orderedEach {
		w.txn = append(w.txn, must(s.Mutex(fmt.Sprint("t", k))))
	}
	w.claim = declare(s, amounts{"a": 2, "b": 2}, amounts{"a": 1, "b": 2})
	w.there, w.back = must(OpenChan[int64](s, "there", 64)), must(OpenChan[int64](s, "back", 64))
	w.m = must(s.Mutex("meeting"))
	w.meeting = meeting{w.m, must(s.Cond("cond", w.m)), must(s.Barrier("barrier", 2)), must(s.Event("event")), must(s.Once("once"))}
	return w
}

// round takes some locks in their order, does what comes last, and gives all back.
func (w *worker) round(ctx context.Context) (err error) {
	var give []func() error
	defer func() {
		for _, k := range w.rnd.Perm(len(give)) {
			err = errors.Join(err, give[k]())
			w.ops++
		}
	}()
	if w.rnd.IntN(6) == 0 {
		var some []Locker
		for _, k := range w.rnd.Perm(len(w.ordered))[:4] {
			if l, ok := w.ordered[k].(Locker); ok {
				some = append(some, l)
			}
		}
		unlock, err := LockAll(ctx, some...)
		if w.ops += int64(len(some)); unlock == nil {
			return err
		}
		err = nil // what a dead owner left is mended
		for _, l := range some {
			err = errors.Join(err, l.(interface{ MarkConsistent() error }).MarkConsistent())
		}
		give = append(give, unlock)
		return err
	}
	for k, n := 0, w.rnd.IntN(4); k < len(w.ordered) && len(give) < n; k++ {
		if w.rnd.IntN(3) > 0 {
			continue
		}
		back, err := w.take(ctx, w.ordered[k])
		if w.ops++; err != nil {
			return err
		}
		if back != nil {
			give = append(give, back)
		}
	}
	return w.last(ctx)
}

// take takes one lock in one of its ways; nil if it was not to be had in time.
func (w *worker) take(ctx context.Context, lock any) (give func() error, err error) {
	if w.rnd.IntN(8) == 0 {
		short, cancel := context.WithTimeout(ctx, time.Duration(w.rnd.IntN(200))*time.Microsecond)
		defer cancel()
		ctx = short
	}
	got, try, few := true, w.rnd.IntN(8) == 0, w.rnd.IntN(2) == 0
	mended := func() error { return nil }
	switch l := lock.(type) {
	case *Mutex:
		give, mended = l.Unlock, l.MarkConsistent
		if try {
			got, err = l.TryLock()
		} else {
			err = l.Lock(ctx)
		}
	case *RWMutex:
		switch {
		case few && try:
			give = l.RUnlock
			got, err = l.TryRLock()
		case few:
			give = l.RUnlock
			err = l.RLock(ctx)
		default:
			give, mended = l.Unlock, l.MarkConsistent
			err = l.Lock(ctx)
		}
	case *Semaphore:
		n := 1 + w.rnd.Int64N(semUnits)
		give = func() error { return l.Release(n) }
		if few && l.o.flags.Load()&flagOwned == 0 { // somebody else gives it back
			give = func() error {
				back := make(chan error)
				go func() { back <- l.Release(n) }()
				return <-back
			}
		}
		if try {
			got, err = l.TryAcquire(n)
		} else {
			err = l.Acquire(ctx, n)
		}
	}
	switch {
	case errors.Is(err, ErrOwnerDied):
		return give, mended()
	case errors.Is(err, context.DeadlineExceeded) || !got:
		return nil, nil
	}
	return give, err
}

// last is what is done with locks held that nobody takes who does such things.
func (w *worker) last(ctx context.Context) (err error) {
	switch w.rnd.IntN(7) {
	case 0:
		w.ops += 4
		return w.s.Txn(ctx, func(tx *Txn) error {
			for _, k := range w.rnd.Perm(len(w.txn))[:2] {
				if err := washed(w.txn[k], tx.Lock(w.txn[k])); err != nil {
					return err
				}
			}
			return nil
		})
	case 1:
		w.ops += 3
		return errors.Join(w.claim.Acquire(ctx, amounts{"a": 1}), w.claim.Acquire(ctx, amounts{"b": 1 + w.rnd.Int64N(2)}),
			w.claim.Close(), w.redeclare())
	case 2: // somebody who has no lock takes all that is sent, and sends for ever
		w.ops += 2
		if err := w.there.Send(ctx, w.ops); err != nil {
			return err
		}
		_, ok, err := w.back.Receive(ctx)
		if err == nil && !ok {
			err = ErrClosed
		}
		return err
	case 3:
		w.ops += 2
		return w.meet(ctx)
	case 4:
		w.ops += 4
		err := errors.Join(w.ask.Send(ctx, 1), w.ask.Send(ctx, 2))
		for got := 0; got < 2 && err == nil; {
			var is int
			if is, err = Select(ctx, w.answer.Receiving(nil, nil), w.there.Sending(1)); is == 0 {
				got++
			}
		}
		return err
	}
	return nil
}

// pair gives the worker two channels that it has alone with an echo, which both say so.
func (w *worker) pair(k int) (echo func(ctx context.Context)) {
	w.ask, w.answer = must(OpenChan[int64](w.s, fmt.Sprintf("ask %d of %d", k, w.s.slot), 1)), must(OpenChan[int64](w.s, fmt.Sprintf("answer %d of %d", k, w.s.slot), 1))
	for _, c := range []*Chan[int64]{w.ask, w.answer} { // what a dead one left there
		for ok := true; ok; {
			_, ok, _, _ = c.TryReceive()
		}
	}
	must(w.ask.Sender(1))
	must(w.answer.Receiver(1))
	return func(ctx context.Context) {
		must(w.ask.Receiver(1))
		must(w.answer.Sender(1))
		for n, err := range w.ask.All(ctx) {
			if err == nil {
				err = w.answer.Send(ctx, n)
			}
			if err != nil {
				return
			}
		}
	}
}

// meet waits for others who may not come.
func (w *worker) meet(ctx context.Context) (err error) {
	short, cancel := context.WithTimeout(ctx, time.Duration(w.rnd.IntN(500))*time.Microsecond)
	defer cancel()
	switch w.rnd.IntN(4) {
	case 0:
		if err = w.m.Lock(ctx); errors.Is(err, ErrOwnerDied) {
			err = w.m.MarkConsistent()
		}
		if err != nil {
			return err
		}
		w.cond.Signal()
		if err = w.cond.Wait(short); errors.Is(err, ErrOwnerDied) {
			err = w.m.MarkConsistent()
		}
		if errors.Is(err, context.DeadlineExceeded) {
			err = nil
		}
		return errors.Join(err, w.m.Unlock())
	case 1:
		if err = w.barrier.Wait(short); err != nil {
			w.barrier.Reset() // whoever waited there has been told
		}
	case 2:
		if w.rnd.IntN(2) == 0 {
			w.event.Set()
		} else {
			w.event.Reset()
		}
		err = w.event.Wait(short)
	case 3: // it is never done
		if err = w.once.Do(short, func() error { return errAgain }); errors.Is(err, errAgain) {
			err = nil
		}
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrBroken) {
		err = nil
	}
	return err
}

var errAgain = errors.New("once more")

func (w *worker) redeclare() (err error) {
	w.claim, err = w.claim.b.Declare(amounts{"a": 1, "b": 2})
	return err
}

func init() { childModes["work"] = work }

// work SPACE SEED OPERATIONS TOLL is a process that works until all together have done
// so many operations, looked for deadlocks, and lost somebody. It rings after each TOLL
// of its own.
func work() error {
	seed, want, toll := must(strconv.ParseUint(os.Args[2], 10, 64)), must(strconv.ParseInt(os.Args[3], 10, 64)), must(strconv.ParseInt(os.Args[4], 10, 64))
	firstLook = lookAfter
	fail := func(err error) { // at once: others may wait for what it holds
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	s, err := OpenWith(os.Args[1], 0, Options{Report: func(e *DeadlockError) { fail(e) }, CheckOrder: seed%2 == 1})
	if err != nil {
		return err
	}
	ops, looks, deaths := must(s.Counter("ops")), must(s.Counter("looks")), must(s.Counter("deaths"))
	rings := must(OpenChan[int64](s, "toll", 64))
	atPoints.Store("looks", func(point string) {
		if point == "inspected" {
			looks.Add(1)
		}
	})
	var mine atomic.Int64
	var all, echoes sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	for k := range workersEach {
		all.Go(func() {
			w := newWorker(s, seed*workersEach+uint64(k))
			echo := w.pair(k)
			echoes.Go(func() { echo(ctx) })
			for ops.Load() < want || looks.Load() == 0 || deaths.Load() == 0 {
				if err := w.round(context.Background()); err != nil {
					fail(err)
				}
				if w.ops > 100 {
					ops.Add(w.ops)
					if n := mine.Add(w.ops); n/toll != (n-w.ops)/toll {
						if _, err := rings.TrySend(n); err != nil {
							fail(err)
						}
					}
					w.ops = 0
				}
			}
		})
	}
	all.Wait()
	cancel()
	echoes.Wait()
	return s.Close()
}

func TestNoAlarmAmongCorrectProcesses(t *testing.T) {
	t.Parallel()
	name := spaceName(t)
	s, err := OpenWith(name, 1<<20, Options{Objects: 256, Claims: 512})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	newWorker(s, 0) // makes all, in the order in which LockAll takes them
	want := *opsWant
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	// However slow they are, they do not hang as long as they ring.
	limit := patience + time.Duration(tollOf(want)*workers)*100*time.Microsecond
	hang := time.AfterFunc(limit, cancel)
	defer hang.Stop()
	ops, looks, deaths := must(s.Counter("ops")), must(s.Counter("looks")), must(s.Counter("deaths"))
	toll := must(OpenChan[int64](s, "toll", 64))
	go func() {
		for range must(OpenChan[int64](s, "there", 64)).All(ctx) {
		}
	}()
	go func() {
		back := must(OpenChan[int64](s, "back", 64))
		for n := int64(0); back.Send(ctx, n) == nil; n++ {
		}
	}()
	var seats [workers]atomic.Pointer[os.Process]
	var seeds atomic.Uint64
	var all sync.WaitGroup
	for k := range workers {
		all.Go(func() {
			for again := true; again && ctx.Err() == nil; {
				var err error
				if again, err = runWorker(&seats[k], name, seeds.Add(1), want); again {
					deaths.Add(1)
				}
				if err != nil {
					t.Errorf("a process that was not killed: %v", err)
					cancel()
				}
			}
		})
	}
	stop := context.AfterFunc(ctx, func() {
		for k := range seats {
			if p := seats[k].Load(); p != nil {
				_ = p.Kill()
			}
		}
	})
	defer stop()
	go func() { all.Wait(); _ = toll.Close() }()
	for rnd := rand.New(rand.NewPCG(1, 2)); ; {
		if _, ok, err := toll.Receive(ctx); err != nil || !ok {
			break
		}
		hang.Reset(limit)
		if p := seats[rnd.IntN(workers)].Load(); p != nil {
			_ = p.Kill() // it may have ended
		}
	}
	all.Wait()
	if ctx.Err() != nil && !t.Failed() {
		t.Errorf("they hang: %+v", must(s.Stat()))
	}
	t.Logf("%d operations, %d killed, %d times a deadlock was looked for", ops.Load(), deaths.Load(), looks.Load())
}

// tollOf is after how many of its operations a process rings.
func tollOf(want int64) int64 { return min(max(want/16, 1000), 50_000) }

// runWorker runs a process until it ends, and reports whether it was killed, so that
// another is to follow.
func runWorker(seat *atomic.Pointer[os.Process], name string, seed uint64, want int64) (killed bool, err error) {
	cmd := exec.Command("/proc/self/exe", name, fmt.Sprint(seed), fmt.Sprint(want), fmt.Sprint(tollOf(want)))
	cmd.Env = append(os.Environ(), childEnv+"=work", "GORACE=atexit_sleep_ms=0")
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // a test that is killed leaves nobody
	if err := cmd.Start(); err != nil {
		return false, err
	}
	seat.Store(cmd.Process)
	err = cmd.Wait()
	seat.Store(nil)
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() && status.Signal() == syscall.SIGKILL {
		return true, nil
	}
	return false, err
}
