package ipc

import (
	"fmt"
	"math/rand/v2"

	"github.com/tutti-run/tutti/shm"
)

// A space within a segment that somebody else made, a pool's: a part of it, zeros at
// first. Who makes the segment founds the space, before others can enter it. Programs
// get to it through their pool.

// SpaceBytes returns how long a part must be for a space with room for data bytes.
func SpaceBytes(data int64, o Options) (int64, error) {
	o = o.orDefaults()
	l, err := layOut(o.Objects, o.Claims, data)
	if err != nil {
		return 0, fmt.Errorf("ipc: %w", err)
	}
	return l.size, nil
}

// Found makes a space in a part that is SpaceBytes long. It takes a page of memory. What
// o.OnDeadlock says holds for all who enter. KillProcess then kills any of them but the
// one that founded the space, which is to start others in their place.
func Found(seg *shm.Segment, data int64, o Options) error {
	k := newKin()
	if k == nil {
		return ErrUnsupported
	}
	o = o.orDefaults()
	l, err := layOut(o.Objects, o.Claims, data)
	if err == nil && l.size != seg.Size() {
		err = fmt.Errorf("%d bytes, where %d are needed", seg.Size(), l.size)
	}
	if err == nil {
		err = seg.Commit(0, pageBytes)
	}
	if err != nil {
		return fmt.Errorf("ipc: found a space: %w", err)
	}
	furnish(seg, l, o, k, rand.Uint64())
	h := (*header)(seg.Base())
	h.founder, h.policy = uint32(k.pid()), uint32(o.OnDeadlock)
	return nil
}

// Enter opens the space that was founded in a part, with the OnDeadlock that it was
// founded with. The segment must stay mapped as long as anything of the space is used,
// whether it is closed or not.
func Enter(seg *shm.Segment, o Options) (*Space, error) {
	k := newKin()
	if k == nil {
		return nil, ErrUnsupported
	}
	h := (*header)(seg.Base())
	l, err := h.check(seg.Size())
	if err == nil {
		o.OnDeadlock = Policy(h.policy)
		err = seg.Commit(0, l.committed) // nothing, but for the first who comes
	}
	var s *Space
	if err == nil {
		s, err = enterSpace(seg, 0, o, k)
	}
	if err != nil {
		return nil, fmt.Errorf("ipc: enter a space: %w", err)
	}
	return s, nil
}
