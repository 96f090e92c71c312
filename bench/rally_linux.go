package main

import (
	"math"
	"runtime"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const pageSize = 4096

// rally is two words through which two sides play a number back and forth, each on
// cache lines of its own. One side writes ask, the other answer.
type rally struct{ ask, reply *atomic.Uint32 }

// The two futex operations, which x/sys/unix does not name.
const (
	futexWait = 0
	futexWake = 1
)

// over in ask ends the rally.
const over = math.MaxUint32

// rallyOn lays a rally on a page of zeroes.
func rallyOn(page unsafe.Pointer) rally {
	return rally{ask: (*atomic.Uint32)(page), reply: (*atomic.Uint32)(unsafe.Add(page, 256))}
}

// serve plays n balls and ends the rally; it returns the wall time of the second
// half and how many balls that half had, so that the first one is the warm-up.
func (r rally) serve(n uint32, park bool) (time.Duration, uint32) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	half := n / 2
	var begin time.Time
	for ball := uint32(1); ball <= n; ball++ {
		if ball == half+1 {
			begin = time.Now()
		}
		play(r.ask, ball, park)
		await(r.reply, ball, park)
	}
	elapsed := time.Since(begin)
	play(r.ask, over, park)
	return elapsed, n - half
}

// rested plays n balls with a rest before each, in which the other side goes to sleep,
// and returns the median in µs of a ball there and back. This side sleeps for the reply,
// or polls.
func (r rally) rested(n int64, park bool) (figure, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	ball := uint32(0)
	f, err := medianOf(n, time.Microsecond, func() (time.Duration, error) {
		time.Sleep(rest)
		begin := time.Now()
		ball++
		play(r.ask, ball, true)
		await(r.reply, ball, park)
		return time.Since(begin), nil
	})
	play(r.ask, over, true)
	return f, err
}

// answer returns every ball until the rally is over. It sleeps for the next one, and
// wakes the other side, or neither.
func (r rally) answer(sleep, wake bool) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for ball := uint32(1); await(r.ask, ball, sleep) != over; ball++ {
		play(r.reply, ball, wake)
	}
}

func play(word *atomic.Uint32, ball uint32, park bool) {
	word.Store(ball)
	if park {
		futex(word, futexWake, 1)
	}
}

func await(word *atomic.Uint32, ball uint32, park bool) uint32 {
	for {
		seen := word.Load()
		if seen == ball || seen == over {
			return seen
		}
		if park {
			futex(word, futexWait, seen)
		}
	}
}

// futex is never private: the other side may be another process. Its result does
// not matter, since the word is looked at again.
func futex(word *atomic.Uint32, op int, value uint32) {
	unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(word)), uintptr(op), uintptr(value), 0, 0, 0)
}
