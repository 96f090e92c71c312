package engine

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// killsPool is how many kills one pool of TestRandomKills sees.
const killsPool = 50

// Workers are killed at random moments, -engine.kills of them, while streams and
// callers keep them busy. Every result comes exactly once and is right; nothing
// is left.
func TestRandomKills(t *testing.T) {
	skipUnderRace(t)
	seed := uint64(1)
	for left := *killsWant; left > 0; left -= killsPool {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { randomKills(t, seed, min(left, killsPool), regime{}) })
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
		seed++
	}
}

// The same, shorter, under each policy there is.
func TestRandomKillsUnderEachPolicy(t *testing.T) {
	skipUnderRace(t)
	for i, r := range everyPolicy() {
		t.Run(r.String(), func(t *testing.T) {
			t.Parallel()
			randomKills(t, uint64(i/2+1), killsPolicy, r)
		})
	}
}

// killsPolicy is how many kills each policy sees.
const killsPolicy = 6

func randomKills(t *testing.T, seed uint64, kills int, r regime) {
	p := openTest(t, func(c *Config) {
		c.Workers, c.Lanes, c.InOrder, c.Policy, c.Assign = 3, 3+3*int(seed%2), seed%3 == 0, r.policy, r.assign
	})
	ctx, cancel := context.WithTimeout(t.Context(), 10*patience)
	defer cancel()
	var done atomic.Bool
	beats := make(chan struct{}, 1) // a result was delivered
	var load sync.WaitGroup
	load.Go(func() { echoStream(ctx, t, p.sub, seed, true, &done, beats) })
	load.Go(func() { echoStream(ctx, t, p.sub, ^seed, false, &done, beats) })
	load.Go(func() {
		rnd := rand.New(rand.NewPCG(seed, 3))
		for !done.Load() && ctx.Err() == nil {
			echoCall(ctx, t, p.sub, rnd)
			signal(beats)
		}
	})
	killer(ctx, t, p, rand.New(rand.NewPCG(seed, 4)), kills, beats)
	done.Store(true)
	load.Wait()
	p.empty()
	pids := p.Workers()
	p.end()
	for _, pid := range pids {
		if err := unix.Kill(pid, 0); err != unix.ESRCH {
			t.Errorf("process %d is left: %v", pid, err)
		}
	}
}

// killer kills a random worker that is ready, then waits for some results and for
// a random moment, and so on.
func killer(ctx context.Context, t *testing.T, p *testPool, rnd *rand.Rand, kills int, beats <-chan struct{}) {
	for n := 0; n < kills && ctx.Err() == nil; {
		slot := 1 + rnd.IntN(p.m.Slots-1)
		// Few of the killed are idle: a slot whose idle workers die is started ever
		// later, and waiting for that shows nothing.
		if (p.m.anyRunning(slot) || rnd.IntN(16) == 0) && killSlot(&p.m.slot[slot]) {
			n++
		}
		for range rnd.IntN(8) {
			select {
			case <-beats:
			case <-ctx.Done():
			}
		}
		for range rnd.IntN(100_000) {
			sink++
		}
	}
	if err := ctx.Err(); err != nil {
		t.Errorf("killing: %v", err)
	}
}

// killSlot kills a slot's process if it is ready. The descriptor makes sure that
// no other process is meant by the number.
func killSlot(b *slotBlock) bool {
	pid := int(b.pid.Load())
	if pid == 0 || b.state.Load() != slotReady {
		return false
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	return int(b.pid.Load()) == pid && unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0) == nil
}

// echoSpec is a task of the load.
func echoSpec(hints Hints) *Spec { return &Spec{Fn: fnEcho, MaxAttempts: MaxAttempts, Hints: hints} }

// echoHints draws what a policy may go by.
func echoHints(rnd *rand.Rand) (h Hints) {
	if rnd.IntN(2) == 0 {
		h = Hints{rnd.IntN(5) - 2, rnd.Int64N(1_000_000), Now() + rnd.Int64N(100_000_000) - 50_000_000, rnd.Uint64N(6)}
	}
	return h
}

// echoTask draws how large a task's input and result are: most fit descriptor and
// cell, some lie in the arena, a few take whole spans.
func echoTask(rnd *rand.Rand) (in, out int) {
	switch rnd.IntN(20) {
	case 0:
		return echoHead + rnd.IntN(20_000), rnd.IntN(100_000)
	case 1, 2, 3, 4:
		return echoHead + rnd.IntN(200), rnd.IntN(300)
	}
	return echoHead + rnd.IntN(inlineIn-echoHead+1), rnd.IntN(inlineOut + 1)
}

// echoStream feeds a stream until done and checks every result.
func echoStream(ctx context.Context, t *testing.T, s *Submitter, seed uint64, ordered bool, done *atomic.Bool, beats chan struct{}) {
	spec := *echoSpec(Hints{})
	spec.Each = !s.lots // with one kind of task for all, lots are what is to be tested
	st := s.NewStream(spec, 24, ordered)
	var fed atomic.Int64
	var sizes sync.Map // by position
	go func() {
		rnd := rand.New(rand.NewPCG(seed, 1))
		for !done.Load() {
			index, err := st.Room(ctx)
			if err != nil {
				st.Fed(err)
				return
			}
			in, out := echoTask(rnd)
			to, err := st.Input(ctx, index, in)
			if err != nil {
				st.Fed(err)
				return
			}
			n := fed.Load()
			sizes.Store(n, out)
			echoInput(unsafe.Slice((*byte)(to), in), seed+uint64(n), uint32(out), uint32(rnd.IntN(300_000)))
			fed.Add(1)
			if spec.Each {
				st.Hint(echoHints(rnd))
			}
			st.Submit(index)
		}
		st.Fed(nil)
	}()
	defer st.Stop()
	got := map[int64]bool{}
	for {
		index, ok, err := st.Next(ctx)
		if err != nil {
			t.Errorf("stream, ordered %v: after %d results: %v", ordered, len(got), err)
			done.Store(true)
			return
		}
		if !ok {
			break
		}
		pos := st.Position(index)
		res, err := st.Result(index)
		size, _ := sizes.LoadAndDelete(pos)
		if err != nil || res.Kind != KindValue || got[pos] || len(res.Data) != size || !hasPattern(res.Data, ^(seed+uint64(pos))) {
			t.Errorf("result %d (seen before: %v): kind %d, %d bytes, want %v: %v", pos, got[pos], res.Kind, len(res.Data), size, err)
		}
		got[pos] = true
		st.Advance(index)
		signal(beats)
	}
	if int64(len(got)) != fed.Load() {
		t.Errorf("%d results of %d tasks", len(got), fed.Load())
	}
}

// echoCall submits one task and waits for it.
func echoCall(ctx context.Context, t *testing.T, s *Submitter, rnd *rand.Rand) {
	index, err := s.Acquire(ctx)
	if err != nil {
		t.Error(err)
		return
	}
	in, out := echoTask(rnd)
	seed := rnd.Uint64()
	to, err := s.Input(ctx, index, in)
	if err != nil {
		t.Error(err)
		return
	}
	echoInput(unsafe.Slice((*byte)(to), in), seed, uint32(out), uint32(rnd.IntN(300_000)))
	s.Submit(index, echoSpec(echoHints(rnd)))
	if err := s.Wait(ctx, nil, index); err != nil {
		t.Errorf("call: %v: %v", err, Word(s.m.words[index].Load()))
		return
	}
	res, err := s.Result(index)
	if err != nil || res.Kind != KindValue || len(res.Data) != out || !hasPattern(res.Data, ^seed) {
		t.Errorf("call: kind %d, %d bytes, want %d: %v", res.Kind, len(res.Data), out, err)
	}
	s.Release(index)
}
