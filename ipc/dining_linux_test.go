package ipc

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tutti-run/tutti/shm"
)

// The dining philosophers, each a process. They are killed at random, and another takes
// the seat. However they take their forks, all eat as often as they shall.

var mealsWant = flag.Int("ipc.meals", 100, "how often each of the dining philosophers eats")

const (
	seats     = 5
	tollEvery = 20 // meals after which a philosopher lets one of all be killed
	chokes    = -1 // rung by the one that is killed for certain, with forks in hand
)

// dinner is what the philosophers see of each other.
type dinner struct {
	s    *Space
	seat int
	want uint64
	me   uint64

	user   []uint64 // by fork: who eats with it; 0: nobody
	meals  []uint64 // by seat
	stuck  *uint64  // how often somebody gave back a fork and did not eat
	ready  *uint64  // how many have their first fork, in the first round
	choked *uint64  // 1: somebody did
	count  *Counter // of meals, counted once more
	toll   *Chan[int64]
}

// sitDown finds the table in a space, where the one that laid it has put its words.
func sitDown(s *Space, laid Slice[uint64], seat int, want uint64) (*dinner, error) {
	v, err := OpenVar(s, "words", laid)
	if err != nil {
		return nil, err
	}
	slice, err := v.Load()
	if err != nil {
		return nil, err
	}
	words, err := slice.Data()
	if err != nil {
		return nil, err
	}
	count, err := s.Counter("meals")
	if err != nil {
		return nil, err
	}
	toll, err := OpenChan[int64](s, "toll", 16)
	return &dinner{
		s: s, seat: seat, want: want, me: uint64(s.slot)<<32 | uint64(s.members[s.slot].load().epoch())<<1 | 1,
		user: words[:seats], meals: words[seats:][:seats], stuck: &words[2*seats], ready: &words[2*seats+1], choked: &words[2*seats+2], count: count, toll: toll,
	}, err
}

func fork(k int) string { return fmt.Sprint("fork ", k%seats) }

// lives reports whether who wrote his mark on a fork lives.
func (d *dinner) lives(who uint64) bool {
	m := &d.s.members[who>>32]
	w := m.load()
	return w.epoch() == uint32(who>>1)&(1<<24-1) && w.state() == memberLive && !shm.LifelineDead(atomic.LoadUint32(&m.lifeline))
}

// eat is a meal with both forks, which nobody else may use meanwhile.
func (d *dinner) eat() error {
	forks := []*uint64{&d.user[d.seat], &d.user[(d.seat+1)%seats]}
	for _, f := range forks {
		if was := atomic.LoadUint64(f); was != 0 && d.lives(was) || !atomic.CompareAndSwapUint64(f, was, d.me) {
			return fmt.Errorf("philosopher %d has a fork with which %#x eats", d.seat, was)
		}
	}
	runtime.Gosched()
	if n := atomic.AddUint64(&d.meals[d.seat], 1); n == tollEvery && d.seat == 0 && atomic.CompareAndSwapUint64(d.choked, 0, 1) {
		if err := d.toll.Send(context.Background(), chokes); err != nil {
			return err
		}
		select {} // until it is killed
	}
	d.count.Add(1)
	for _, f := range forks {
		if !atomic.CompareAndSwapUint64(f, d.me, 0) {
			return fmt.Errorf("somebody took a fork while philosopher %d ate with it", d.seat)
		}
	}
	if n := atomic.LoadUint64(&d.meals[d.seat]); n%tollEvery == 0 {
		if _, err := d.toll.TrySend(int64(n)); err != nil {
			return err
		}
	}
	return nil
}

// washed marks a fork consistent whose last user died with it in hand.
func washed(m *Mutex, err error) error {
	if errors.Is(err, ErrOwnerDied) {
		return m.MarkConsistent()
	}
	return err
}

// yield lets other processes take forks now.
func yield() { _, _, _ = syscall.Syscall(syscall.SYS_SCHED_YIELD, 0, 0, 0) }

// dinings are the ways to take two forks.
var dinings = map[string]func(ctx context.Context, d *dinner) (meal func() error, err error){
	// Each takes the left one first, and all have it once before anybody has two.
	"naive": func(ctx context.Context, d *dinner) (func() error, error) {
		left, right := must(d.s.Mutex(fork(d.seat))), must(d.s.Mutex(fork(d.seat+1)))
		return func() error {
			if err := washed(left, left.Lock(ctx)); err != nil {
				return err
			}
			if atomic.LoadUint64(d.ready) < seats {
				atomic.AddUint64(d.ready, 1)
				for atomic.LoadUint64(d.ready) < seats {
					runtime.Gosched()
				}
			}
			yield()
			err := washed(right, right.Lock(ctx))
			if errors.Is(err, ErrDeadlock) {
				atomic.AddUint64(d.stuck, 1)
				return left.Unlock() // and tries again
			}
			if err == nil {
				err = errors.Join(d.eat(), right.Unlock())
			}
			return errors.Join(err, left.Unlock())
		}, nil
	},
	// Some have ranks, some take both at once: that is the same order.
	"ordered": func(ctx context.Context, d *dinner) (func() error, error) {
		a, b := d.seat, (d.seat+1)%seats
		low, high := must(d.s.Mutex(fork(min(a, b)))), must(d.s.Mutex(fork(max(a, b))))
		low.SetRank(int32(min(a, b) + 1))
		high.SetRank(int32(max(a, b) + 1))
		if d.seat%2 == 0 {
			return func() error {
				unlock, err := LockAll(ctx, high, low)
				if unlock == nil {
					return err
				}
				return errors.Join(low.MarkConsistent(), high.MarkConsistent(), d.eat(), unlock())
			}, nil
		}
		return func() error {
			if err := washed(low, low.Lock(ctx)); err != nil {
				return err
			}
			if err := washed(high, high.Lock(ctx)); err != nil {
				return err
			}
			return errors.Join(d.eat(), high.Unlock(), low.Unlock())
		}, nil
	},
	// In any order: the younger gives way.
	"wound-wait": func(ctx context.Context, d *dinner) (func() error, error) {
		forks := []*Mutex{must(d.s.Mutex(fork(d.seat))), must(d.s.Mutex(fork(d.seat + 1)))}
		return func() error {
			first, runs := rand.IntN(2), 0
			return d.s.Txn(ctx, func(tx *Txn) error {
				if runs++; runs > 1 {
					atomic.AddUint64(d.stuck, 1)
				}
				for k := range forks {
					m := forks[(first+k)%2]
					if err := washed(m, tx.Lock(m)); err != nil {
						return err
					}
					yield()
				}
				return d.eat()
			})
		}, nil
	},
	// The left one first, but nobody gets one that could end in a circle.
	"banker": func(ctx context.Context, d *dinner) (func() error, error) {
		left, right := amounts{fork(d.seat): 1}, amounts{fork(d.seat + 1): 1}
		both := amounts{fork(d.seat): 1, fork(d.seat + 1): 1}
		all := amounts{}
		for k := range seats {
			all[fork(k)] = 1
		}
		b, err := d.s.Banker("forks", all)
		if err != nil {
			return nil, err
		}
		c, err := b.Declare(both)
		if err != nil {
			return nil, err
		}
		return func() error {
			if err := c.Acquire(ctx, left); err != nil {
				return err
			}
			yield()
			if err := c.Acquire(ctx, right); err != nil {
				return err
			}
			return errors.Join(d.eat(), c.Release(both))
		}, nil
	},
}

func init() { childModes["dine"] = dine }

// dine SPACE WAY SEAT MEALS is a philosopher: it eats until its seat has had so many.
func dine() error {
	firstLook = 2 * time.Millisecond // so that the many deadlocks of the naive do not take long
	way := os.Args[2]
	var alarmed atomic.Bool
	s, err := OpenWith(os.Args[1], 0, Options{Report: func(e *DeadlockError) {
		if way != "naive" {
			fmt.Fprintln(os.Stderr, e)
			alarmed.Store(true)
		}
	}})
	if err != nil {
		return err
	}
	seat, err := strconv.Atoi(os.Args[3])
	if err != nil {
		return err
	}
	want, err := strconv.ParseUint(os.Args[4], 10, 64)
	if err != nil {
		return err
	}
	d, err := sitDown(s, Slice[uint64]{}, seat, want)
	if err != nil {
		return err
	}
	meal, err := dinings[way](context.Background(), d)
	if err != nil {
		return err
	}
	for atomic.LoadUint64(&d.meals[seat]) < want {
		if err := meal(); err != nil {
			return err
		}
		if alarmed.Load() {
			return errors.New("a deadlock where none can be")
		}
	}
	return s.Close()
}

func TestDiningPhilosophers(t *testing.T) {
	for way := range dinings {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			serveDinner(t, way, uint64(*mealsWant))
		})
	}
}

// serveDinner seats philosophers, kills one whenever the toll rings, and seats another.
func serveDinner(t *testing.T, way string, want uint64) {
	s, name := testSpace(t, 1<<20)
	d, err := sitDown(s, must(NewSlice[uint64](s, 2*seats+3)), -1, want)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience+time.Duration(want)*time.Second/2)
	defer cancel()
	var sitting [seats]atomic.Pointer[os.Process]
	var deaths atomic.Uint64
	killed := func() {
		for k := range sitting {
			if p := sitting[k].Load(); p != nil {
				_ = p.Kill()
			}
		}
	}
	defer context.AfterFunc(ctx, killed)()
	var all sync.WaitGroup
	for seat := range seats {
		all.Go(func() {
			for ctx.Err() == nil {
				cmd := exec.Command("/proc/self/exe", name, way, strconv.Itoa(seat), strconv.FormatUint(want, 10))
				cmd.Env = append(os.Environ(), childEnv+"=dine", "GORACE=atexit_sleep_ms=0")
				cmd.Stderr = os.Stderr
				cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // a test that is killed leaves nobody
				if err := cmd.Start(); err != nil {
					t.Error(err)
					cancel()
					return
				}
				sitting[seat].Store(cmd.Process)
				err := cmd.Wait()
				sitting[seat].Store(nil)
				status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
				switch {
				case err == nil:
					return
				case !ok || !status.Signaled() || status.Signal() != syscall.SIGKILL:
					t.Errorf("philosopher %d: %v", seat, err)
					cancel()
					return
				}
				deaths.Add(1)
			}
		})
	}
	over := make(chan bool)
	go func() { all.Wait(); close(over); _ = d.toll.Close() }()
	for rnd := rand.New(rand.NewPCG(1, uint64(len(way)))); ; {
		ring, ok, err := d.toll.Receive(ctx)
		if err != nil || !ok {
			break
		}
		seat := rnd.IntN(seats)
		if ring == chokes {
			seat = 0
		}
		if p := sitting[seat].Load(); p != nil {
			_ = p.Kill() // it may have ended
		}
	}
	<-over
	sum := uint64(0)
	for seat, n := range d.meals {
		if sum += n; n != want {
			t.Errorf("philosopher %d has eaten %d times, and shall %d times", seat, n, want)
		}
	}
	// Who is killed between the two counts has counted once.
	if n := uint64(d.count.Load()); n > sum || sum-n > deaths.Load() {
		t.Errorf("%d meals are eaten, and %d are counted with %d deaths", sum, n, deaths.Load())
	}
	if way == "naive" && *d.stuck == 0 {
		t.Error("no deadlock was ever told")
	}
	if deaths.Load() == 0 {
		t.Error("nobody was killed")
	}
	t.Logf("%d meals, %d killed, %d times a fork was given back for others", sum, deaths.Load(), *d.stuck)
}
