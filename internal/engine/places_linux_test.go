package engine

import (
	"slices"
	"sync/atomic"
	"testing"

	"github.com/tutti-run/tutti/topo"
)

// A CPU goes offline while tasks run, and comes back: its worker moves, one that is started
// meanwhile starts where it would have been moved to, and both go home. That the CPU is
// offline is only said here, as nobody but the machine's owner can take one away; the
// bindings are real.
func TestWorkersLeaveAnOfflineCPU(t *testing.T) {
	t.Parallel()
	usable, err := topo.Usable()
	if err != nil || len(usable) < 2 {
		t.Skipf("it takes two CPUs, and there are %v: %v", usable, err)
	}
	usable = usable[:2]
	var online atomic.Pointer[[]int]
	online.Store(&usable)
	p := openTest(t, func(c *Config) {
		c.CPUs = []topo.CPU{{ID: usable[0]}, {ID: usable[1]}}
		c.CPUsNow = func() ([]int, error) { return *online.Load(), nil }
	})
	p.ready()
	// bound waits until each worker is bound to the one CPU, and policies know it there.
	bound := func(what string, want ...int) {
		t.Helper()
		until(t, what, func() bool {
			for i, cpu := range want {
				b := &p.m.slot[i+1]
				is, err := topo.AffinityOf(int(b.pid.Load()))
				if err != nil || !slices.Equal(is, []int{cpu}) || int(b.cpu.Load()) != cpu {
					return false
				}
			}
			return true
		})
		p.doubles(100, true) // work goes on
	}
	first, second := usable[0], usable[1]
	bound("each worker is at home", first, second)
	for _, left := range []int{first, second} {
		online.Store(&[]int{left})
		bound("both workers are on the CPU that is left", left, left)
		p.kill(1)
		bound("one that starts is there as well", left, left)
		online.Store(&usable)
		bound("each worker is home again", first, second)
	}
	online.Store(&[]int{}) // nothing is known: that is no reason to move
	p.kill(2)
	bound("with no CPU at all each stays at home", first, second)
}
