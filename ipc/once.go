package ipc

import (
	"context"
	"errors"

	"github.com/tutti-run/tutti/shm"
)

// Once has something done once, in whichever process comes first.
type Once struct {
	s *Space
	o *onceState
	i int
}

// onceState is a mutex's state, so that who waits for whom can be seen. The word is 0,
// not done; slot + 1 of the process that is about it; or onceDone.
type onceState struct{ mutexState }

const onceDone = 1 << 31

// errRecursive is why Do cannot wait for what it is called by.
var errRecursive = errors.New("Do was called within its own function, which would wait for its own end: call it when that has returned, or do there what is needed without it")

// Once returns the Once of a name, and makes it if it is not there.
func (s *Space) Once(name string) (*Once, error) {
	i, err := s.find(kindOnce, name, nil)
	if err != nil {
		return nil, err
	}
	return &Once{s, stateOf[onceState](&s.objects[i]), i}, nil
}

// Do calls f unless it was done before, and otherwise waits until somebody has done
// it. If f returns an error, which is returned, or the process dies in it, it is not
// done, and the next one tries. Nor is it if the space is closed while f runs: then the
// error of an f that came to its end is ErrClosed.
//
//go:noinline
func (o *Once) Do(ctx context.Context, f func() error) error {
	agent, pc, cycles := here()
	for {
		w := o.o.word.Load()
		switch {
		case w == onceDone:
			shm.Acquire(ptr(&o.o.word))
			return nil
		case w == 0:
			if begun, err := o.begin(agent, pc, cycles); begun {
				return o.do(f)
			} else if err != nil {
				return err
			}
		case o.o.holder() == o.s.holder(agent):
			return o.s.inItsWay(o.i, pc, errRecursive)
		default:
			err := o.s.waitWord(ctx, o.i, &o.o.word, agent, pc, cycles, func(now uint32) bool { return now != w })
			if err != nil {
				return err
			}
		}
	}
}

// begin has this process be about it, unless another one is by now.
func (o *Once) begin(agent, pc, cycles uint64) (begun bool, err error) {
	if err := o.s.enter(); err != nil {
		return false, err
	}
	defer o.s.leave()
	if begun = o.o.word.CompareAndSwap(0, o.s.owner); begun {
		o.o.own(o.s.holder(agent), pc, cycles)
	}
	return begun, nil
}

// do calls f. When f panics, or ends its goroutine, it is not done.
func (o *Once) do(f func() error) (err error) {
	at("once-begun")
	end := uint32(0)
	defer func() {
		// Close does not wait for f, and gives back what this process is about: from then
		// on the word is another's, or of another name.
		if closed := o.s.enter(); closed != nil {
			if end == onceDone {
				err = closed
			}
			return
		}
		defer o.s.leave()
		o.o.setHolder(0)
		o.s.objects[o.i].site.Store(0)
		at("once-wiped")
		shm.Release(ptr(&o.o.word))
		o.o.word.Store(end)
		wake(addr(&o.o.word), wakeAll)
	}()
	if err = f(); err == nil {
		end = onceDone
	}
	return err
}

// Done reports whether it was done.
func (o *Once) Done() bool { return o.o.word.Load() == onceDone }

// buryOnce has another do what a dead process did not come to the end of.
func buryOnce(s *Space, object, slot int) {
	o := stateOf[onceState](&s.objects[object])
	if o.word.Load() != uint32(slot)+1 {
		return
	}
	o.setHolder(0)
	s.objects[object].site.Store(0)
	at("once-nameless")
	if o.word.CompareAndSwap(uint32(slot)+1, 0) {
		wake(addr(&o.word), wakeAll)
	}
}
