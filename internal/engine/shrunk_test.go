package engine

import (
	"math/bits"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tutti-run/tutti/internal/core"
	"github.com/tutti-run/tutti/sched"
)

// Every field of a word keeps its value at both ends of its range, whatever the
// others hold.
func TestWordPacking(t *testing.T) {
	t.Parallel()
	for _, gen := range []uint64{0, 1, genMask - 1, genMask} {
		for _, owner := range []int{0, 1, MaxSlots - 1} {
			for _, attempt := range []int{0, 1, MaxAttempts} {
				for state := range numStates {
					for _, flags := range []Word{0, flagWaited, flagAlone, flagMask} {
						w := Word(gen)<<genShift | flags
						w = w.withState(state).withOwner(owner).withAttempt(attempt)
						if w.gen() != gen || w.owner() != owner || w.attempt() != attempt || w.state() != state || w&flagMask != flags {
							t.Errorf("%v is not %v owner=%d attempt=%d gen=%d flags=%#x", w, state, owner, attempt, gen, flags)
						}
						next := w.fresh(Writing, owner)
						if next.gen() != (gen+1)&genMask || next.state() != Writing || next.owner() != owner || next.attempt() != 1 || next&flagMask != 0 {
							t.Errorf("after %v comes %v", w, next)
						}
						for _, index := range []uint32{0, 1, 1<<16 - 1} {
							if id := taskID(index, w); id.index() != index || id.gen() != gen {
								t.Errorf("the task of %v in %d is %d of %d", w, index, id.gen(), id.index())
							}
						}
					}
				}
			}
		}
	}
}

// The generation wraps while the table is in use.
func TestGenerationWraps(t *testing.T) {
	t.Parallel()
	for _, ordered := range []bool{true, false} {
		p := newHeapPool(t, 2, 64, 0, double)
		for i := range p.m.Geometry.Tasks {
			p.m.words[i].Store(uint64(Word(genMask-2)<<genShift | Word(Free)))
		}
		runStream(t, p.sub, 2_000, 16, ordered)
		wrapped := 0
		for i := range p.m.Geometry.Tasks {
			if Word(p.m.words[i].Load()).gen() < 1<<20 {
				wrapped++
			}
		}
		if wrapped == 0 {
			t.Error("no generation wrapped: nothing is shown")
		}
	}
}

// A task may be begun as often as its word can count, and not once more.
func TestAttemptsSaturate(t *testing.T) {
	t.Parallel()
	p := newHeapPool(t, 0, 64, 0)
	p.m.slot[0].state.Store(slotReady)
	s := &supervisor{m: p.m, sub: p.sub}
	for _, most := range []int{1, 2, MaxAttempts, MaxAttempts + 1000} {
		index, _ := p.sub.TryAcquire()
		if _, err := p.sub.Input(t.Context(), index, 0); err != nil {
			t.Fatal(err)
		}
		p.sub.Submit(index, &Spec{MaxAttempts: most})
		begun := 0
		for {
			if _, ok := p.m.begin(index, 0, 0); !ok {
				break
			}
			begun++
			// The master's own slot serves for a worker's here: what counts is the word.
			r := p.m.remainsOf(0)
			v := core.Judge(r.tasks, core.Crash, nil)[0]
			if v == core.Retry {
				s.requeue(index, r.word[0], v)
			} else {
				s.fail(index, r.word[0], KindCrash, nil)
			}
		}
		w := Word(p.m.words[index].Load())
		if want := min(most, MaxAttempts); begun != want || w.state() != Failed || w.attempt() != want {
			t.Errorf("%d attempts wanted: begun %d times, %v", most, begun, w)
		}
		p.sub.Release(index)
	}
}

// A table of 64 with far more submitters than descriptors.
func TestManySubmittersFewDescriptors(t *testing.T) {
	t.Parallel()
	p := newHeapPool(t, 2, 64, 0, double)
	var sum atomic.Int64
	done := make(chan error)
	const goroutines, calls = 80, 30
	for range goroutines {
		go func() { done <- callMany(t.Context(), p.sub, calls, &sum) }()
	}
	for range goroutines {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	if want := int64(goroutines * calls * (calls - 1)); sum.Load() != want {
		t.Errorf("sum %d, want %d", sum.Load(), want)
	}
}

// A hint that is found stale, of a descriptor that is used next, changes nothing
// about the order in which tasks start.
func TestStaleHintKeepsOrder(t *testing.T) {
	t.Parallel()
	p := newHeapPool(t, 0, 64, 0)
	p.m.head.inOrder = 1
	w := newWorker(p.m, 0, sched.NewWorkStealing(), sched.NewWorkStealing(), []Handler{double})
	second, _ := p.sub.TryAcquire() // they come from a stack
	first, _ := p.sub.TryAcquire()
	run := w.runs.Get().(*Run)
	// The first look meets the hint of a task that is not submitted yet.
	queue, rank := p.sub.place(&Spec{}, 0)
	p.m.queue[queue][sched.Class(rank)].add(int(first>>6), 1<<(first&63))
	if leaf, batch := w.find(1); batch != 0 {
		t.Fatalf("found %d, %b, where nothing waits", leaf, batch)
	}
	for _, i := range []uint32{first, second} {
		if _, err := p.sub.Input(t.Context(), i, 8); err != nil {
			t.Fatal(err)
		}
		p.sub.Submit(i, &Spec{})
	}
	for _, want := range []uint32{first, second} {
		leaf, batch := w.find(1)
		if got := uint32(leaf<<6 + bits.TrailingZeros64(batch)); batch == 0 || got != want {
			t.Fatalf("found %d, want %d", got, want)
		}
		w.runOne(run, want)
	}
}

// What a look found is not begun when it has become another task meanwhile, whose
// predecessors nobody looked for.
func TestReusedDescriptorKeepsOrder(t *testing.T) {
	t.Parallel()
	p := newHeapPool(t, 0, 64, 0)
	p.m.head.inOrder = 1
	w := newWorker(p.m, 0, sched.NewWorkStealing(), sched.NewWorkStealing(), []Handler{double})
	run := w.runs.Get().(*Run)
	index, _ := p.sub.TryAcquire()
	submit := func() {
		if _, err := p.sub.Input(t.Context(), index, 8); err != nil {
			t.Fatal(err)
		}
		p.sub.Submit(index, &Spec{})
	}
	submit()
	if _, batch := w.find(1); batch == 0 {
		t.Fatal("nothing found")
	}
	word, _ := p.m.begin(index, 0, 0) // another was quicker
	p.m.end(index, word, Done)
	submit()
	w.runOne(run, index)
	if again := Word(p.m.words[index].Load()); again.state() != Queued {
		t.Errorf("begun out of turn: %v", again)
	}
}

// Streams whose tasks start in order hint each before the next one can be seen.
func TestInOrderHintsAtOnce(t *testing.T) {
	t.Parallel()
	p := newHeapPool(t, 0, 256, 0)
	p.m.head.inOrder = 1
	st := p.sub.NewStream(Spec{}, 16, false)
	for range 16 {
		index, err := st.Room(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := st.Input(t.Context(), index, 8); err != nil {
			t.Fatal(err)
		}
		st.fast.Store(true)
		st.Submit(index)
		if queue, rank := p.sub.place(&Spec{}, 0); p.m.queue[queue][sched.Class(rank)].leaves[index>>6].Load()>>(index&63)&1 == 0 {
			t.Fatalf("task %d has no hint", st.tail.Load()-1)
		}
	}
}

// Late news of a task that was collected is not taken for the end of the next one in
// its descriptor, whose word still is that of the first until it is submitted.
func TestLateNewsOfAnotherTask(t *testing.T) {
	t.Parallel()
	p := newHeapPool(t, 1, 64, 0, double)
	st := p.sub.NewStream(Spec{}, 1, false)
	for round := range 2 {
		index, err := st.Room(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := st.Input(t.Context(), index, 8); err != nil {
			t.Fatal(err)
		}
		if round == 1 { // in the middle of Submit
			st.enlist(index, 1)
			p.m.ended[p.sub.slot].add(int(index>>6), 1<<(index&63))
			p.sub.drain()
			if len(st.ready) > 0 {
				t.Fatal("taken for the end of a task that is not submitted yet")
			}
		}
		st.Submit(index)
		if got, ok, err := st.Next(t.Context()); got != index || !ok || err != nil {
			t.Fatal(got, ok, err)
		}
		if _, err := st.Result(index); err != nil {
			t.Errorf("round %d: %v", round, err)
		}
		st.Advance(index)
	}
	st.Fed(nil)
	st.Stop()
}

// A task that ends while it is being submitted is counted before its stream hears of its
// end. A collector that took it sooner would be ahead of the count, and wait for one more
// when the input has ended.
func TestStreamCountsBeforeItTells(t *testing.T) { // not parallel: the hook is everybody's
	defer func() { failHook = nil }()
	for _, each := range []bool{false, true} {
		p := newHeapPool(t, 0, 64, 0)
		st := p.sub.NewStream(Spec{Each: each}, 1, false)
		index, err := st.Room(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := st.Input(t.Context(), index, 8); err != nil {
			t.Fatal(err)
		}
		failHook = func(at Point) {
			if at == PointQueued { // in the middle of Submit, with nobody told yet
				w, _ := p.m.begin(index, 0, 0)
				p.m.end(index, w, Done)
				st.mu.Lock()
			}
		}
		submitted := make(chan struct{})
		go func() { st.Submit(index); close(submitted) }()
		for start := time.Now(); st.tail.Load() == 0; runtime.Gosched() {
			if time.Since(start) > 10*time.Second {
				t.Fatalf("each %v: told before it is counted", each)
			}
		}
		st.mu.Unlock()
		<-submitted
		failHook = nil
		if got, ok, err := st.Next(t.Context()); got != index || !ok || err != nil {
			t.Fatal(got, ok, err)
		}
		st.Advance(index)
		st.Fed(nil)
		if _, ok, err := st.Next(t.Context()); ok || err != nil {
			t.Fatal("more than one, or", err)
		}
		st.Stop()
	}
}
