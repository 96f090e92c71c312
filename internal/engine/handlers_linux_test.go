package engine

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ctl is the control page in a worker.
var ctl *control

// fdPipe is the second of Config.Files.
const fdPipe = fdFiles + 1

// The functions of a test pool, by number.
const (
	fnDouble uint32 = iota
	fnEcho
	fnNest
	fnPoison
	fnHold
	fnStage
	fnMark
	fnPour
	fnCrash
	fnAbandon
	fnCrowd
	fnRelay
	fnRelayBack
)

var testNames = []string{"double", "echo", "nest", "poison", "hold", "stage", "mark", "pour", "crash", "abandon", "crowd", "relay", "relay back"}

var testHandlers = map[string]Handler{
	"double": double, "echo": echo, "nest": nest, "poison": func(*Run) { die() }, "hold": hold,
	"stage": stage, "mark": mark, "pour": pour, "crash": crash, "abandon": abandon, "crowd": crowd,
	"relay": relay, "relay back": relay,
}

// beWorker is what a worker of a test pool does.
func beWorker() {
	var err error
	if ctl, err = mapControl(fdFiles); err != nil {
		fmt.Fprintln(os.Stderr, "control page:", err)
		os.Exit(1)
	}
	ctl.starts.Add(1)
	switch os.Getenv(workerVariable) {
	case "exit":
		os.Exit(3)
	case "hang":
		ctl.await(0) // nobody opens it
	}
	failHook = ctl.strike
	Serve(testHandlers, nil)
}

// leaveValue is a result of 8 bytes.
func leaveValue(r *Run, v uint64) {
	out, err := r.Output(KindValue, 8)
	if err == nil {
		*(*uint64)(out) = v
	}
}

func leaveText(r *Run, kind Kind, text string) {
	if out, err := r.Output(kind, len(text)); err == nil {
		copy(unsafe.Slice((*byte)(out), len(text)), text)
	}
}

// inputBytes is a task's input as a slice.
func inputBytes(r *Run) []byte {
	p, n, err := r.Input()
	if err != nil {
		return nil
	}
	return unsafe.Slice((*byte)(p), n)
}

// echoHead is seed, size of the result, and how long to compute, in rounds of
// some nanoseconds.
const echoHead = 16

// echoInput fills b, which is at least echoHead long: what follows the head is
// made from the seed, so that both sides can tell damage.
func echoInput(b []byte, seed uint64, size, rounds uint32) {
	binary.LittleEndian.PutUint64(b, seed)
	binary.LittleEndian.PutUint32(b[8:], size)
	binary.LittleEndian.PutUint32(b[12:], rounds)
	pattern(b[echoHead:], seed)
}

func pattern(b []byte, seed uint64) {
	x := seed*0x9e3779b97f4a7c15 + 1
	for i := range b {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		b[i] = byte(x)
	}
}

func hasPattern(b []byte, seed uint64) bool {
	want := make([]byte, len(b))
	pattern(want, seed)
	return bytes.Equal(b, want)
}

var sink uint64

// echo checks its input, computes for a while, and leaves size bytes made from
// the seed.
func echo(r *Run) {
	in := inputBytes(r)
	if len(in) < echoHead || !hasPattern(in[echoHead:], binary.LittleEndian.Uint64(in)) {
		leaveText(r, KindError, "the input is damaged")
		return
	}
	seed, size := binary.LittleEndian.Uint64(in), int(binary.LittleEndian.Uint32(in[8:]))
	for range binary.LittleEndian.Uint32(in[12:]) {
		sink = sink*seed + 1
	}
	out, err := r.Output(KindValue, size)
	if err == nil {
		pattern(unsafe.Slice((*byte)(out), size), ^seed)
	}
}

// hold tells that it runs, in note n, and waits for gate n.
func hold(r *Run) {
	n := int(inputBytes(r)[0])
	ctl.notes[n].Store(uint64(os.Getpid())<<32 | uint64(r.Attempt()))
	ctl.await(n)
	leaveValue(r, uint64(r.Attempt()))
}

// stage keeps its thread to itself, tells which it is, and spins until its gate
// opens: a point in user code from which a tracer counts instructions.
func stage(r *Run) {
	n := int(inputBytes(r)[0])
	if r.Attempt() == 1 {
		runtime.LockOSThread() // the loop's goroutine: until the process ends
		ctl.notes[n].Store(uint64(os.Getpid())<<32 | uint64(unix.Gettid()))
		for ctl.gates[n].Load() == 0 {
			pause()
		}
	}
	leaveValue(r, 1)
	ctl.notes[n+1].Store(1) // the cycle begins here
}

// mark says that the cycle before it is complete.
func mark(r *Run) {
	n := int(inputBytes(r)[0])
	ctl.notes[n].Store(uint64(os.Getpid()))
	if r.Attempt() == 1 {
		ctl.await(n)
	}
	leaveValue(r, 1)
}

// pour fills a large result: the first time from a pipe by a thread of its own,
// in one read(2) that never ends; the next time from the seed.
func pour(r *Run) {
	n := int(binary.LittleEndian.Uint32(inputBytes(r)))
	out, err := r.Output(KindValue, n)
	if err != nil {
		return
	}
	b := unsafe.Slice((*byte)(out), n)
	if r.Attempt() == 1 {
		go func() {
			for {
				_, _ = unix.Read(fdPipe, b)
			}
		}()
		ctl.notes[0].Store(uint64(os.Getpid()))
		select {}
	}
	pattern(b, 7)
}

// crash dies as a Go program does.
func crash(*Run) {
	go panic("boom in another goroutine")
	select {}
}

// nestInput is the number of children of each kind.
//
// nest submits children in every way there is, waits for them and adds up.
func nest(r *Run) {
	submitting.Add(1)
	defer submitting.Add(-1)
	in := inputBytes(r)
	width, base := int(in[0]), int64(in[1])
	sum, err := nestAll(r, width, base)
	if err != nil {
		leaveText(r, KindError, err.Error())
		return
	}
	leaveValue(r, uint64(sum))
}

// nestSum is what nest leaves.
func nestSum(width, base int) uint64 {
	n := 0
	for i := range width {
		n += 3 * 2 * (base + i)
	}
	return uint64(n)
}

func nestAll(r *Run, width int, base int64) (sum int64, err error) {
	ctx, s := context.Background(), r.Submitter()
	spec := Spec{Fn: fnDouble, Parent: r.ID(), Caller: r.Caller(r.ID()), MaxAttempts: MaxAttempts}
	var later []*Pending
	for i := range width {
		if index, ok := put(ctx, s, base+int64(i)); ok {
			later = append(later, s.Go(index, &spec))
		} else {
			sum += 2 * (base + int64(i))
		}
	}
	for i := range width {
		v, err := callOnce(ctx, s, &spec, base+int64(i))
		if err != nil {
			return 0, err
		}
		sum += v
	}
	// One that is taken back while it waits, or after another worker took it.
	if index, ok := put(ctx, s, base); ok {
		s.Cancel(s.Submit(index, &spec))
		if err := s.Wait(ctx, spec.Caller, index); err != nil {
			return 0, err
		}
		s.Release(index)
	}
	for i, p := range later {
		res, err := p.Wait(ctx, spec.Caller)
		if err != nil || res.Kind != KindValue {
			return 0, fmt.Errorf("child %d: kind %d, %v", i, res.Kind, err)
		}
		sum += *(*int64)(unsafe.Pointer(&res.Data[0]))
	}
	v, err := nestStream(ctx, s, spec, width, base, true)
	return sum + v, err
}

// put fills a descriptor with a number; false when there is none.
func put(ctx context.Context, s *Submitter, v int64) (uint32, bool) {
	index, ok := s.TryAcquire()
	if !ok {
		return 0, false
	}
	p, err := s.Input(ctx, index, 8)
	if err != nil {
		s.Unacquire(index)
		return 0, false
	}
	*(*int64)(p) = v
	return index, true
}

// callOnce doubles v by a task, or in place when the table is full.
func callOnce(ctx context.Context, s *Submitter, spec *Spec, v int64) (int64, error) {
	index, ok := put(ctx, s, v)
	if !ok {
		return inPlace(s, spec, v), nil
	}
	s.Submit(index, spec)
	if err := s.Wait(ctx, spec.Caller, index); err != nil {
		return 0, err
	}
	res, err := s.Result(index)
	defer s.Release(index)
	if err != nil || res.Kind != KindValue {
		return 0, fmt.Errorf("child: kind %d, %v", res.Kind, err)
	}
	return *(*int64)(unsafe.Pointer(&res.Data[0])), nil
}

// inPlace doubles v where it is called.
func inPlace(s *Submitter, spec *Spec, v int64) (sum int64) {
	in := unsafe.Slice((*byte)(unsafe.Pointer(&v)), 8)
	if s.worker == nil {
		return 2 * v // the master's callers only want a number
	}
	s.InPlace(context.Background(), spec, in, func(*Run) { sum = 2 * v })
	return sum
}

// nestStream doubles by a stream of a small window.
func nestStream(ctx context.Context, s *Submitter, spec Spec, width int, base int64, ordered bool) (sum int64, err error) {
	st := s.NewStream(spec, 4, ordered)
	if !st.Reserve() { // the table is full: in place
		st.Fed(nil)
		st.Stop()
		for i := range int64(width) {
			sum += inPlace(s, &spec, base+i)
		}
		return sum, nil
	}
	go func() {
		for i := range width {
			index, err := st.Room(ctx)
			if err != nil {
				st.Fed(err)
				return
			}
			p, err := st.Input(ctx, index, 8)
			if err != nil {
				st.Fed(err)
				return
			}
			*(*int64)(p) = base + int64(i)
			st.Submit(index)
		}
		st.Fed(nil)
	}()
	defer st.Stop()
	for {
		index, ok, err := st.Next(ctx)
		if err != nil || !ok {
			return sum, err
		}
		res, err := st.Result(index)
		if err != nil || res.Kind != KindValue {
			return 0, fmt.Errorf("child in a stream: kind %d, %v", res.Kind, err)
		}
		sum += *(*int64)(unsafe.Pointer(&res.Data[0]))
		st.Advance(index)
	}
}

// abandon submits children and leaves them.
func abandon(r *Run) {
	s := r.Submitter()
	for i := range int64(inputBytes(r)[0]) {
		if index, ok := put(context.Background(), s, i); ok {
			s.Go(index, &Spec{Fn: fnDouble, Parent: r.ID()}).Abandon()
		}
	}
	leaveValue(r, 1)
}

// crowd takes every descriptor that there is and makes its calls in place.
func crowd(r *Run) {
	s := r.Submitter()
	var all []uint32
	for {
		index, ok := s.TryAcquire()
		if !ok {
			break
		}
		all = append(all, index)
	}
	submitting.Add(1)
	sum := int64(0)
	for i := range int64(inputBytes(r)[0]) {
		sum += inPlace(s, &Spec{Fn: fnDouble, Parent: r.ID(), MaxAttempts: MaxAttempts, TimeoutNs: int64(patience)}, i)
	}
	submitting.Add(-1)
	for _, index := range all {
		s.Unacquire(index)
	}
	leaveValue(r, uint64(sum))
}
