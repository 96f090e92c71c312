package cli

import (
	"runtime"
	"sync"
)

// processors is how many processors the runtime uses in this process.
//
// With several it wakes a thread for each goroutine that becomes ready, on a processor
// that may itself have to be woken. Where little is to be done and all of it one after the
// other, that is most of the time that it takes; then one is enough. But a thread in a
// system call keeps it until the runtime looks, which may take 20 ms. So calls that may
// take long are made by block.
type processors struct {
	mu      sync.Mutex
	all     int  // as the run found it
	one     bool // is enough
	blocked int  // calls of block
	now     int
}

func newProcessors() *processors {
	n := runtime.GOMAXPROCS(0)
	return &processors{all: n, now: n}
}

// enough says whether one is.
func (p *processors) enough(one bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.one = one
	p.setLocked()
}

// block calls f, which may block in a system call.
func (p *processors) block(f func()) {
	p.blocks(1)
	defer p.blocks(-1)
	f()
}

func (p *processors) blocks(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.blocked += n
	p.setLocked()
}

// setLocked has the runtime use as many as there are to be now.
func (p *processors) setLocked() {
	n := p.all
	if p.one && p.blocked == 0 {
		n = 1
	}
	if n != p.now {
		p.now = n
		runtime.GOMAXPROCS(n)
	}
}

// handOver lets goroutines that are ready run, before the caller makes a system call that
// may block: they would get its processor only when the runtime looks, 20 µs to 20 ms
// later. One Gosched is not enough: each 61st comes back at once, before all others.
func handOver() {
	runtime.Gosched()
	runtime.Gosched()
}
