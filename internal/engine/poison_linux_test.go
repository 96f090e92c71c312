package engine

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tutti-run/tutti/shm"
)

// A task that kills every worker that runs it fails after its attempts, and
// nobody else pays: neither what waits behind it in a batch, nor what runs
// beside it on another lane.
func TestPoison(t *testing.T) {
	skipUnderRace(t)
	for _, lanes := range []int{1, 4} {
		t.Run(fmt.Sprint(lanes, " lanes"), func(t *testing.T) {
			t.Parallel()
			const workers, innocents = 2, 500
			p := openTest(t, func(c *Config) { c.Workers, c.Lanes, c.Tasks = workers, workers*lanes, 1024 })
			var all []*Pending
			var poison []*Pending
			for i := range innocents {
				if i%200 == 100 {
					poison = append(poison, p.task(Spec{Fn: fnPoison, MaxAttempts: 3}, nil))
				}
				in := make([]byte, echoHead)
				echoInput(in, uint64(i), 64, 200_000)
				all = append(all, p.task(Spec{Fn: fnEcho, MaxAttempts: 1}, in))
			}
			for i, f := range all {
				r := p.wait(f)
				if r.Kind != KindValue || r.Attempt != 1 || !hasPattern(r.Data, ^uint64(i)) {
					t.Errorf("innocent %d: kind %d, attempt %d: %s", i, r.Kind, r.Attempt, r.Data)
				}
			}
			for _, f := range poison {
				c := p.crash(f)
				if c.Attempt != 3 || c.Signal != int(syscall.SIGKILL) || c.PID == 0 || c.Worker == 0 {
					t.Errorf("the poison's end: %+v", c)
				}
			}
			p.empty()
		})
	}
}

// crash waits for a task whose worker is to die with it.
func (p *testPool) crash(f *Pending) Crash {
	p.tb.Helper()
	r := p.wait(f)
	var c Crash
	if err := json.Unmarshal(r.Data, &c); r.Kind != KindCrash || err != nil {
		p.tb.Fatalf("kind %d, want a crash: %q, %v", r.Kind, r.Data, err)
	}
	return c
}

// A death is explained: status, attempt and the trace of what crashed.
func TestCrashIsExplained(t *testing.T) {
	skipUnderRace(t)
	t.Parallel()
	p := openTest(t, nil)
	c := p.crash(p.task(Spec{Fn: fnCrash, MaxAttempts: 2}, nil))
	if c.Exit != 2 || c.Attempt != 2 || !strings.Contains(c.Trace, "boom in another goroutine") || !strings.Contains(c.Trace, "goroutine ") {
		t.Errorf("%+v", c)
	}
	c = p.crash(p.task(Spec{Fn: fnPoison, AtMostOnce: true, MaxAttempts: 5}, nil))
	if c.Attempt != 1 || c.Signal != int(syscall.SIGKILL) {
		t.Errorf("at most once: %+v", c)
	}
	p.empty()
}

// The first 16 KiB of a trace and its last 4 are kept, and all of a short one.
func TestTrace(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, 20 << 10, 20<<10 + 1, 1 << 20} {
		b := make([]byte, size)
		pattern(b, uint64(size))
		got := trace(func(off int64, n int) []byte { return b[off : int(off)+n] }, int64(size))
		if size <= 20<<10 {
			if got != string(b) {
				t.Errorf("%d bytes: not kept whole", size)
			}
			continue
		}
		if len(got) > 20<<10+16 || !strings.HasPrefix(got, string(b[:16<<10])) || !strings.HasSuffix(got, string(b[size-4<<10:])) {
			t.Errorf("%d bytes: first or last are not kept", size)
		}
	}
}

// A worker dies while another of its threads is inside a read(2) into the room
// for a result. What the kernel still writes there reaches nobody else's memory,
// and the retried task's result is right.
func TestKilledInsideRead(t *testing.T) {
	skipUnderRace(t)
	t.Parallel()
	const size, rounds = 8 << 20, 5
	for range rounds {
		var pipe [2]int
		if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
			t.Fatal(err)
		}
		in := os.NewFile(uintptr(pipe[0]), "pipe")
		p := openTest(t, func(c *Config) { c.Memory, c.Files = 64<<20, append(c.Files, in) })
		f := p.task(Spec{Fn: fnPour}, number(size)[:4])
		until(t, "the worker pours", func() bool { return p.ctl.notes[0].Load() != 0 })
		slot := p.slotOf(int(p.ctl.notes[0].Load()))
		epoch := p.m.slot[slot].epoch.Load()
		// Bytes flow before, while and after the worker is killed.
		junk, flowing, stopped := make([]byte, 64<<10), make(chan struct{}), make(chan struct{})
		go func() {
			defer close(stopped)
			for n := 0; ; n++ {
				if n == 16 {
					close(flowing)
				}
				if _, err := unix.Write(pipe[1], junk); err != nil {
					return
				}
			}
		}()
		<-flowing
		if !killSlot(&p.m.slot[slot]) {
			t.Fatal("no process to kill")
		}
		// Others take memory as soon as there is any.
		var refs []shm.Ref
		for p.m.slot[slot].epoch.Load() == epoch || len(refs) < 64 {
			r, err := p.sub.heap.Alloc(512 << 10)
			if err != nil {
				break
			}
			b, err := p.sub.Memory(r, 512<<10)
			if err != nil {
				t.Fatal(err)
			}
			pattern(b, uint64(r))
			refs = append(refs, r)
		}
		p.replaced(slot, epoch)
		for _, r := range refs {
			b, err := p.sub.Memory(r, 512<<10)
			if err != nil || !hasPattern(b, uint64(r)) {
				t.Errorf("memory of another was written to: %v", err)
			}
			if err := p.sub.FreeMemory(r); err != nil {
				t.Error(err)
			}
		}
		r := p.wait(f)
		if r.Kind != KindValue || r.Attempt != 2 || len(r.Data) != size || !hasPattern(r.Data, 7) {
			t.Errorf("the poured task: kind %d, attempt %d, %d bytes", r.Kind, r.Attempt, len(r.Data))
		}
		p.idle()
		p.end()
		_ = in.Close() // the writer ends: nobody reads any more
		<-stopped
		_ = unix.Close(pipe[1])
		if t.Failed() {
			return
		}
	}
}
