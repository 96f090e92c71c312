package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tutti-run/tutti/ipc"
)

// awaitBarrier waits at a barrier for n.
func awaitBarrier(r spaceRef, name string, n int, give time.Duration) error {
	return diedOf(barrierWait(r, name, n, give))
}

func barrierWait(r spaceRef, name string, n int, give time.Duration) (err error) {
	s, err := enterShellSpace(r)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.leave()) }()
	b, err := s.Barrier(name, n)
	if err != nil {
		return err
	}
	st, err := s.Stat()
	if err != nil {
		return err
	}
	for _, o := range st.Objects {
		if o.Name == name && o.Broken && len(o.Holders)+len(o.Waiters) == 0 {
			b.Reset() // those for whom it broke have left
		}
	}
	ctx, stop := untilSignal(context.Background())
	defer stop()
	if give > 0 {
		timed, stop := context.WithTimeout(ctx, give)
		defer stop()
		ctx = timed
	}
	err = b.Wait(ctx)
	b.Leave()
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return &exitError{1, fmt.Errorf("barrier %q: not all %d have come when --timeout passed; those who wait are told that it is broken", name, n)}
	case errors.Is(err, ipc.ErrBroken):
		return &exitError{1, fmt.Errorf("barrier %q is broken: one of those who waited was killed or gave up, so not all %d will come", name, n)}
	}
	return err
}
