package cli

import (
	"runtime"
	"testing"
)

// While one processor is enough there is one, but for the time of calls that block.
func TestProcessors(t *testing.T) { // not parallel: there is one such number
	before := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(before)
	const all = 3
	runtime.GOMAXPROCS(all)
	p := newProcessors()
	is := func(want int) {
		t.Helper()
		if got := runtime.GOMAXPROCS(0); got != want {
			t.Errorf("%d processors, want %d", got, want)
		}
	}
	p.block(func() { is(all) })
	p.enough(true)
	is(1)
	p.block(func() {
		is(all)
		p.block(func() { is(all) })
		is(all)
		p.enough(false)
		p.enough(true)
		is(all)
	})
	is(1)
	p.enough(false)
	is(all)
}
