package ipc

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

type amounts = map[string]int64

// declare is the claim of a process, which must be possible.
func declare(s *Space, total, most amounts) *Claim {
	return must(must(s.Banker("b", total)).Declare(most))
}

// What is free is not given if all could come to wait for each other after that.
func TestBanker(t *testing.T) {
	t.Parallel()
	spaces := heapSpaces(t, 2, Options{})
	ctx := soon(t)
	total := amounts{"fork": 1, "knife": 1}
	first, second := declare(spaces[0], total, total), declare(spaces[1], nil, total)
	if err := first.Acquire(ctx, amounts{"fork": 1}); err != nil {
		t.Fatal(err)
	}
	if got, err := second.TryAcquire(amounts{"knife": 1}); got || err != nil {
		t.Errorf("it is free, and would be a trap: %v, %v", got, err)
	}
	waits := make(chan error)
	go func() { waits <- second.Acquire(ctx, amounts{"knife": 1}) }()
	awaitWaiting(t, spaces[0], first.b.i, 1)
	if err := first.Acquire(ctx, amounts{"knife": 1}); err != nil { // before the one that waits
		t.Fatal(err)
	}
	if have, held := first.b.Units(); have["knife"] != 1 || held["knife"] != 1 || held["fork"] != 1 {
		t.Errorf("%v of %v are held", held, have)
	}
	for _, o := range must(spaces[1].Stat()).Objects {
		if len(o.Holders) != 1 || o.Holders[0].Units != 2 || o.Holders[0].PID != spaces[0].kin.pid() || o.Waiting != 1 {
			t.Errorf("shown as %+v", o)
		}
	}
	if err := first.Release(amounts{"knife": 1}); err != nil {
		t.Fatal(err)
	}
	if n := waitingFor(spaces[0], first.b.i); n != 1 {
		t.Errorf("%d wait: the fork is still held, and who has it may want the knife again", n)
	}
	if err := errors.Join(first.Close(), <-waits, first.Close()); err != nil {
		t.Error(err)
	}
	if err := first.Acquire(ctx, amounts{"fork": 1}); !errors.Is(err, ErrClosed) {
		t.Errorf("with a claim that has ended: %v", err)
	}
	if _, held := second.b.Units(); held["knife"] != 1 || held["fork"] != 0 {
		t.Errorf("held: %v", held)
	}
}

// Who holds nothing does not overtake; who ends his wait lets those behind have theirs.
func TestBankerLine(t *testing.T) {
	t.Parallel()
	s := heapSpaces(t, 1, Options{})[0]
	total := amounts{"unit": 3}
	holder, large, small := declare(s, total, amounts{"unit": 1}), declare(s, total, total), declare(s, total, amounts{"unit": 1})
	if got, err := holder.TryAcquire(amounts{"unit": 1}); !got || err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(soon(t))
	waits := make(chan error)
	go func() { waits <- large.Acquire(ctx, total) }()
	awaitWaiting(t, s, holder.b.i, 1)
	if got, err := small.TryAcquire(amounts{"unit": 1}); got || err != nil {
		t.Errorf("it has overtaken: %v, %v", got, err)
	}
	if err := large.Close(); err == nil {
		t.Error("a claim was closed with which somebody waits")
	}
	if _, err := large.TryAcquire(amounts{"unit": 1}); err == nil || !strings.Contains(err.Error(), "another goroutine waits") {
		t.Errorf("two wait with one claim: %v", err)
	}
	behind := make(chan error)
	go func() { behind <- small.Acquire(soon(t), amounts{"unit": 1}) }()
	awaitWaiting(t, s, holder.b.i, 2)
	why := errors.New("enough")
	cancel(why)
	if err := <-waits; !errors.Is(err, why) {
		t.Error(err)
	}
	if err := errors.Join(<-behind, large.Close(), small.Release(amounts{"unit": 1})); err != nil {
		t.Error(err)
	}
}

func TestBankerRefuses(t *testing.T) {
	t.Parallel()
	s := heapSpaces(t, 1, Options{})[0]
	c := declare(s, amounts{"tape": 3, "disk": 2}, amounts{"tape": 2})
	if err := c.Acquire(soon(t), amounts{"tape": 1}); err != nil {
		t.Fatal(err)
	}
	many := amounts{}
	for i := range bankResources + 1 {
		many[strings.Repeat("x", i+1)] = 1
	}
	bank := func(name string, units amounts) error { _, err := s.Banker(name, units); return err }
	claim := func(units amounts) error { _, err := c.b.Declare(units); return err }
	for want, err := range map[string]error{
		`banker "b": 4 of "tape" declared, and there are 3 at all`: claim(amounts{"tape": 4}),
		`there is no "drum"; there is disk, tape`:                  claim(amounts{"drum": 1}),
		`-1 of "disk"`: claim(amounts{"disk": -1}),
		`"tape": 2 asked for, 1 held, and only 2 claimed`:  c.Acquire(soon(t), amounts{"tape": 2}),
		`"disk": 1 asked for, 0 held, and only 0 claimed`:  c.Acquire(soon(t), amounts{"disk": 1}),
		`2 of "tape" given back to banker "b", 1 are held`: c.Release(amounts{"tape": 2}),
		`it has map[disk:2 tape:3], not map[tape:3]`:       bank("b", amounts{"tape": 3}),
		`it is not there`:        bank("none", nil),
		`-3 of "tape": 0 to`:     bank("none", amounts{"tape": -3}),
		`1 to 32 bytes`:          bank("none", amounts{"": 1}),
		`17 resources: up to 16`: bank("none", many),
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v\ndoes not say %q", err, want)
		}
	}
	if err := c.Release(amounts{"tape": 2}); !errors.Is(err, ErrNotOwner) {
		t.Error(err)
	}
	var err error
	for n := 1; err == nil && n <= bankRows; n++ {
		_, err = c.b.Declare(nil)
	}
	if !errors.Is(err, ErrTooMany) {
		t.Error(err)
	}
	if err := c.Acquire(soon(t), nil); err != nil {
		t.Errorf("nothing: %v", err)
	}
}

// What dead processes held comes back to those who wait, and is never held by two.
func TestBankerOfMany(t *testing.T) {
	t.Parallel()
	spaces := heapSpaces(t, 3, Options{Report: func(e *DeadlockError) { t.Error(e) }})
	total := amounts{"a": 2, "b": 3}
	var held [2]atomic.Int64
	var all sync.WaitGroup
	for i, s := range spaces {
		for k := range 3 {
			all.Go(func() {
				rnd := rand.New(rand.NewPCG(uint64(i), uint64(k)))
				for range 60 {
					if _, err := s.Stat(); err != nil { // looks in the middle of all
						t.Error(err)
					}
					most := amounts{"a": rnd.Int64N(3), "b": rnd.Int64N(4)}
					c := declare(s, total, most)
					for _, r := range rnd.Perm(2) {
						name := []string{"a", "b"}[r]
						for range most[name] {
							if err := c.Acquire(soon(t), amounts{name: 1}); err != nil {
								t.Error(err)
								return
							}
							if n := held[r].Add(1); n > total[name] {
								t.Errorf("%d of %q are held", n, name)
							}
						}
					}
					for r, name := range []string{"a", "b"} {
						held[r].Add(-most[name])
					}
					if err := c.Close(); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	all.Wait()
	dead := declare(spaces[0], total, total)
	if err := dead.Acquire(soon(t), total); err != nil {
		t.Fatal(err)
	}
	die(spaces[0])
	if c := declare(spaces[1], total, total); errors.Join(c.Acquire(soon(t), total), c.Close()) != nil {
		t.Error("what a dead process held")
	}
}

var bankerTotal = amounts{"a": 2, "b": 2}

var bankerScenarios = []lockScenario{
	{
		name: "a Banker that lends",
		act: func(ctx context.Context, s *Space) error {
			c := declare(s, bankerTotal, bankerTotal)
			return errors.Join(c.Acquire(ctx, amounts{"a": 1}), c.Acquire(ctx, amounts{"a": 1, "b": 2}), c.Release(amounts{"b": 1}),
				c.Close(), declare(s, bankerTotal, bankerTotal).Acquire(ctx, amounts{"a": 2}))
		},
		after: allOf(bankerTotal),
	}, {
		name: "a Banker that is waited for",
		ready: func(ctx context.Context, s *Space) error {
			return declare(s, bankerTotal, bankerTotal).Acquire(ctx, bankerTotal)
		},
		act: func(ctx context.Context, s *Space) error {
			return declare(s, bankerTotal, bankerTotal).Acquire(ctx, amounts{"a": 1})
		},
		meanwhile: func(_ context.Context, s *Space, over func() bool) error {
			b := must(s.Banker("b", bankerTotal))
			for waitingFor(s, b.i) == 0 && !over() {
				pause()
			}
			return b.takeAllBack()
		},
		after: allOf(bankerTotal),
	}, {
		name: "a Banker's request, given up",
		ready: func(ctx context.Context, s *Space) error {
			return declare(s, bankerTotal, bankerTotal).Acquire(ctx, amounts{"a": 1})
		},
		act: func(ctx context.Context, s *Space) error {
			_, err := declare(s, bankerTotal, bankerTotal).TryAcquire(amounts{"b": 1})
			return err
		},
		after: func(ctx context.Context, s *Space) error {
			return errors.Join(must(s.Banker("b", bankerTotal)).takeAllBack(), allOf(bankerTotal)(ctx, s))
		},
	}, {
		name: "a Banker's units, granted to others",
		ready: func(ctx context.Context, s *Space) error {
			for range 2 {
				c := declare(s, bankerTotal, bankerTotal)
				go func() { // gets what the dead one gives back, or had
					err := must(s.Event("lent")).Wait(ctx)
					err = errors.Join(err, c.Acquire(ctx, amounts{"a": 1, "b": 2}), c.Acquire(ctx, amounts{"a": 1}), c.Close())
					if err := errors.Join(err, must(s.Barrier("ended", 3)).Wait(ctx)); err != nil {
						panic(err)
					}
				}()
			}
			return nil
		},
		act: func(ctx context.Context, s *Space) error {
			c := declare(s, bankerTotal, bankerTotal)
			err := c.Acquire(ctx, bankerTotal)
			must(s.Event("lent")).Set()
			for waitingFor(s, c.b.i) < 2 {
				pause()
			}
			return errors.Join(err, c.Release(bankerTotal))
		},
		after: func(ctx context.Context, s *Space) error {
			must(s.Event("lent")).Set()
			return errors.Join(must(s.Barrier("ended", 3)).Wait(ctx), allOf(bankerTotal)(ctx, s))
		},
	},
}

func TestDeathInBanker(t *testing.T) {
	t.Parallel()
	dieEverywhere(t, bankerScenarios, "banker-filled", "banker-declared", "banker-asking", "banker-waiting", "banker-listed", "banker-wanting", "banker-added",
		"banker-granted", "banker-told", "banker-settled", "banker-withdrawn", "banker-counted", "banker-released", "banker-ringing", "banker-closed")
}

// allOf finds that all that a Banker has is free.
func allOf(total amounts) func(ctx context.Context, s *Space) error {
	return func(ctx context.Context, s *Space) error {
		c := declare(s, total, total)
		return errors.Join(c.Acquire(ctx, total), c.Close())
	}
}

// waitingFor is how many wait for an object.
func waitingFor(s *Space, object int) uint32 {
	o := s.lock(object)
	defer s.unlock(o)
	return o.waiting
}

// takeAllBack ends all claims of this process.
func (b *Banker) takeAllBack() error {
	var err error
	for k := range bankRows {
		if w := b.row(k).load(); w.state() == bankDeclared && w.slot() == b.s.slot {
			err = errors.Join(err, (&Claim{b, k, w.owner()}).Close())
		}
	}
	return err
}
