package tutti

import (
	"fmt"

	"github.com/tutti-run/tutti/ipc"
)

// spaceMax bounds the data of a pool's space, in bytes. It is taken from the system
// only as it is used.
const spaceMax = 4 << 30

// spaceData is how much data a pool's space has room for.
func spaceData(memory int64) int64 { return min(memory, spaceMax) }

// foundSpace lays out the pool's space, before anybody can ask for it.
func (p *Pool) foundSpace(memory int64, onDeadlock ipc.Policy) error {
	part, err := p.sub.Extra()
	if err != nil {
		return err
	}
	return ipc.Found(part, spaceData(memory), ipc.Options{OnDeadlock: onDeadlock})
}

// Space returns the pool's space: locks, channels and values that the master and the
// functions in its workers find by their names. It is the same one in all processes of
// the pool, who become its members when they first ask for it; FromContext gives a
// function its pool. It lies in the pool's own memory, with room for as many bytes of
// data as Config.Memory, besides, but at most 4 GiB, and ends with the pool: then who
// waits for something in it gets ipc.ErrClosed. Nobody need close it.
//
// What a worker holds that dies is handed on, as ipc says; a function that is run
// again in another worker may find its own traces.
func (p *Pool) Space() (*ipc.Space, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.closed:
		return nil, ErrClosed
	case p.space != nil:
		return p.space, nil
	}
	part, err := p.sub.Extra()
	if err != nil {
		return nil, fmt.Errorf("tutti: %w", err)
	}
	s, err := ipc.Enter(part, ipc.Options{})
	if err != nil {
		return nil, err
	}
	p.lent.Store(true) // what is in it may be looked at after Close
	p.space = s
	return s, nil
}

// closeSpace leaves the space, if this process has asked for it. The pool is closed
// for new calls.
func (p *Pool) closeSpace() {
	p.mu.Lock()
	s := p.space
	p.mu.Unlock()
	if s != nil {
		_ = s.Close() // gives no error
	}
}
