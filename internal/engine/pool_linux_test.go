package engine

import (
	"bytes"
	"context"
	"os"
	"slices"
	"sync"
	"testing"
	"unsafe"

	"github.com/tutti-run/tutti/internal/core"
	"github.com/tutti-run/tutti/shm"
)

// testPool is a pool of real processes: this one and copies of the test binary.
type testPool struct {
	*Master
	tb  testing.TB
	ctl *control
	out *output
}

// output keeps what workers print.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// testConfig is a small pool that forgives any number of deaths.
func testConfig(out *output, files ...*os.File) Config {
	return Config{
		Workers: 2, Lanes: 2, Threads: 2, Tasks: 256, Memory: 128 * shm.SpanBytes,
		Limits:  core.StopLimits{Grace: 300 * core.Millisecond, QuitGrace: 2 * core.Second},
		Restart: core.Intensity{Max: 1 << 20, Period: core.Minute},
		Attach:  30 * core.Second,
		Env:     append(os.Environ(), "GORACE=atexit_sleep_ms=0"),
		Files:   files, Stdout: out, Stderr: out, Names: testNames,
	}
}

// openTest opens a pool that edit may have changed, and closes it with the test.
func openTest(tb testing.TB, edit func(*Config)) *testPool {
	tb.Helper()
	p, err := tryOpen(tb, edit)
	if err != nil {
		tb.Fatalf("%v\n%s", err, p.out)
	}
	return p
}

func tryOpen(tb testing.TB, edit func(*Config)) (*testPool, error) {
	tb.Helper()
	c, file, err := newControl()
	if err != nil {
		tb.Fatal(err)
	}
	p := &testPool{tb: tb, ctl: c, out: &output{}}
	cfg := testConfig(p.out, file)
	if edit != nil {
		edit(&cfg)
	}
	p.Master, err = Open(context.Background(), cfg)
	tb.Cleanup(func() {
		if p.Master != nil {
			p.end()
		}
		if err := file.Close(); err != nil {
			tb.Error(err)
		}
		if err := c.unmap(); err != nil {
			tb.Error(err)
		}
		if tb.Failed() && p.out.String() != "" {
			tb.Logf("workers said:\n%.4000s", p.out)
		}
	})
	return p, err
}

// end closes the pool and, which only a test may do, unmaps its segment. Twice is
// harmless.
func (p *testPool) end() {
	p.Close()
	if err := p.seg.Close(); err != nil {
		p.tb.Error(err)
	}
}

// task fills a descriptor from in and submits it.
func (p *testPool) task(spec Spec, in []byte) *Pending {
	p.tb.Helper()
	ctx, s := p.tb.Context(), p.sub
	index, err := s.Acquire(ctx)
	if err != nil {
		p.tb.Fatal(err)
	}
	to, err := s.Input(ctx, index, len(in))
	if err != nil {
		p.tb.Fatal(err)
	}
	copy(unsafe.Slice((*byte)(to), len(in)), in)
	return s.Go(index, &spec)
}

// number is a task's input of 8 bytes.
func number(v int64) []byte { return unsafe.Slice((*byte)(unsafe.Pointer(&v)), 8) }

// wait returns a task's result.
func (p *testPool) wait(f *Pending) Result {
	p.tb.Helper()
	r, err := f.Wait(p.tb.Context(), nil)
	if err != nil {
		p.tb.Fatal(err)
	}
	return r
}

// value waits for a result of 8 bytes.
func (p *testPool) value(f *Pending) uint64 {
	p.tb.Helper()
	r := p.wait(f)
	if r.Kind != KindValue || len(r.Data) != 8 {
		p.tb.Fatalf("kind %d, data %.300q", r.Kind, r.Data)
	}
	return *(*uint64)(unsafe.Pointer(&r.Data[0]))
}

// doubles has n numbers doubled by a stream and checks each result.
func (p *testPool) doubles(n int64, ordered bool) {
	p.tb.Helper()
	runStreamOf(p.tb, p.sub, Spec{Fn: fnDouble, MaxAttempts: MaxAttempts}, n, 32, ordered)
}

// ready waits until every worker slot is ready.
func (p *testPool) ready() {
	p.tb.Helper()
	until(p.tb, "all workers are ready", func() bool { return len(p.Workers()) == p.m.Slots-1 })
}

// slotOf returns the slot of a process.
func (p *testPool) slotOf(pid int) (slot int) {
	p.tb.Helper()
	until(p.tb, "the process has a slot", func() bool {
		for slot = range p.m.slot {
			if int(p.m.slot[slot].pid.Load()) == pid {
				return true
			}
		}
		return false
	})
	return slot
}

// kill ends the process of a slot and waits until another has taken its place.
func (p *testPool) kill(slot int) {
	p.tb.Helper()
	b := &p.m.slot[slot]
	epoch := b.epoch.Load()
	until(p.tb, "a worker can be killed", func() bool { return killSlot(b) })
	p.replaced(slot, epoch)
}

// replaced waits until the slot's process is a later one than epoch's, and ready.
func (p *testPool) replaced(slot int, epoch uint64) {
	p.tb.Helper()
	b := &p.m.slot[slot]
	until(p.tb, "a dead worker is replaced", func() bool {
		return b.epoch.Load() > epoch && b.state.Load() == slotReady && b.pid.Load() != 0
	})
}

// settle has the master collect what nobody waits for.
func (p *testPool) settle() {
	<-p.sub.lead
	p.sub.drain()
	p.sub.lead <- struct{}{}
}

// idle checks that nothing is left of any task: no word but FREE and the
// descriptors that living processes keep, no hint, no byte.
func (p *testPool) idle() {
	p.tb.Helper()
	if !eventually(func() bool { p.settle(); return p.remnants() == nil }) {
		p.tb.Fatalf("left in the table: %q", p.remnants())
	}
}

func (p *testPool) remnants() []string {
	var left []string
	for i := range p.m.inUse() {
		if w := Word(p.m.words[i].Load()); w.state() != Free && w.state() != Writing {
			left = append(left, w.String())
		}
	}
	for q := range p.m.queue {
		for c := range p.m.queue[q] {
			if p.m.queue[q][c].len() != 0 {
				left = append(left, "hints in a queue")
			}
		}
	}
	for _, u := range p.m.arena.Usage() {
		if u.InUse != 0 {
			left = append(left, "bytes in the arena")
		}
	}
	return left
}

// empty kills every worker and checks that then the whole table is FREE, and
// every descriptor can be had again.
func (p *testPool) empty() {
	p.tb.Helper()
	p.idle()
	p.ctl.armed.Store(0)
	p.ready()
	for slot := 1; slot < p.m.Slots; slot++ {
		p.kill(slot)
	}
	p.idle()
	var all []uint32
	for {
		i, ok := p.sub.TryAcquire()
		if !ok {
			break
		}
		all = append(all, i)
	}
	slices.Sort(all)
	if all = slices.Compact(all); len(all) != p.sub.Tasks() {
		p.tb.Errorf("%d of %d descriptors can be had: %q", len(all), p.sub.Tasks(), words(p.m, all))
	}
	for _, i := range all {
		p.m.freed(i)
	}
	if left, all := p.m.reserve.len(), p.m.inUse()-p.m.Geometry.Tasks; left != all {
		p.tb.Errorf("%d of %d of the reserve can be had", left, all)
	}
}

// words describes the descriptors that are not in have.
func words(m *memory, have []uint32) (not []string) {
	for i := range m.Geometry.Tasks {
		if _, found := slices.BinarySearch(have, uint32(i)); !found {
			not = append(not, Word(m.words[i].Load()).String())
		}
	}
	return not
}
