package ipc

import (
	"context"
	"errors"
	"fmt"
	"runtime"
)

// callScenarios are about servers, topics and Select, for TestSIGKILLAtEveryPoint. The
// service has one row, so that one which is left over would be waited for for ever.
var callScenarios = []lockScenario{
	{
		name:  "a client",
		ready: serveDoubles,
		act: func(ctx context.Context, s *Space) error {
			return errors.Join(callDoubles(ctx, s, 1), callDoubles(ctx, s, 2))
		},
		after: func(ctx context.Context, s *Space) error { return callDoubles(ctx, s, 3) },
	}, {
		name:  "a server",
		ready: func(_ context.Context, s *Space) error { _, err := OpenServer[int64, int64](s, "s", 1); return err },
		act: func(ctx context.Context, s *Space) error {
			ctx, cancel := context.WithCancelCause(ctx)
			served := 0
			err := must(OpenServer[int64, int64](s, "s", 1)).Serve(ctx, func(_ context.Context, n int64) (int64, error) {
				if served++; served == 2 {
					cancel(errServed)
				}
				return 2 * n, nil
			})
			if err == errServed {
				err = nil
			}
			return err
		},
		meanwhile: func(ctx context.Context, s *Space, over func() bool) error {
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			go func() {
				for !over() && ctx.Err() == nil {
					runtime.Gosched()
				}
				cancel()
			}()
			for n := int64(0); ctx.Err() == nil; n++ {
				err := callDoubles(ctx, s, n)
				if err != nil && err != context.Canceled && !errors.Is(err, ErrServerDied) {
					return err
				}
			}
			return nil
		},
		after: func(ctx context.Context, s *Space) error {
			return errors.Join(serveDoubles(ctx, s), callDoubles(ctx, s, 3), callDoubles(ctx, s, 4))
		},
	}, {
		name:  "a topic",
		ready: func(_ context.Context, s *Space) error { _, err := OpenTopic[int](s, "t", 2); return err },
		act: func(ctx context.Context, s *Space) error {
			t := must(OpenTopic[int](s, "t", 2))
			first := t.Subscribe()
			err := errors.Join(t.Publish(ctx, 1), t.Publish(ctx, 2), t.Publish(ctx, 3))
			_, _, missed := first.Next(ctx)
			if _, ok := missed.(*MissedError); !ok {
				err = errors.Join(err, fmt.Errorf("it missed nothing: %w", missed))
			}
			return errors.Join(err, t.Close())
		},
		after: func(ctx context.Context, s *Space) error {
			t := must(OpenTopic[int](s, "t", 2))
			sub := t.Subscribe()
			for n := range 5 { // all cells, dead ones as well
				if err := t.Publish(ctx, n); err != nil {
					if err == ErrClosed {
						_, _, err = sub.Next(ctx)
					}
					return err
				}
				if v, ok, err := sub.Next(ctx); v != n || !ok || err != nil {
					return fmt.Errorf("%d, %v, %w came in place of %d", v, ok, err, n)
				}
			}
			return t.Close()
		},
	}, {
		name: "a select",
		ready: func(_ context.Context, s *Space) error {
			_, err := OpenChan[int](s, "a", 1)
			_, err2 := OpenChan[int](s, "b", 1)
			return errors.Join(err, err2)
		},
		act: func(ctx context.Context, s *Space) error {
			a, b := must(OpenChan[int](s, "a", 1)), must(OpenChan[int](s, "b", 1))
			v := 0
			sent, err := Select(ctx, a.Sending(1), b.Receiving(&v, nil))
			got, err2 := Select(ctx, a.Sending(2), b.Receiving(&v, nil)) // waits
			if err = errors.Join(err, err2); err == nil && (sent != 0 || got != 1 || v != 3) {
				err = fmt.Errorf("cases %d and %d were chosen, with %d", sent, got, v)
			}
			return err
		},
		meanwhile: func(ctx context.Context, s *Space, over func() bool) error {
			b := must(OpenChan[int](s, "b", 1))
			for !s.claimed(b.object) && !over() {
				runtime.Gosched()
			}
			return b.Send(ctx, 3)
		},
		after: func(ctx context.Context, s *Space) error {
			for name, want := range map[string]int{"a": 1, "b": 3} {
				c := must(OpenChan[int](s, name, 1))
				v, ok, _, err := c.TryReceive()
				if ok && v != want {
					err = fmt.Errorf("%d came on %s, not %d", v, name, want)
				}
				err = errors.Join(err, c.Send(ctx, 4))
				if v, ok, err2 := c.Receive(ctx); v != 4 || !ok {
					err = errors.Join(err, fmt.Errorf("%d came on %s: %w", v, name, err2))
				}
				if err != nil {
					return err
				}
			}
			return nil
		},
	},
}

var errServed = errors.New("enough is served")

// serveDoubles answers with twice the number until the space is closed.
func serveDoubles(_ context.Context, s *Space) error {
	v, err := OpenServer[int64, int64](s, "s", 1)
	if err == nil {
		go func() {
			_ = v.Serve(context.Background(), func(_ context.Context, n int64) (int64, error) { return 2 * n, nil })
		}()
	}
	return err
}

func callDoubles(ctx context.Context, s *Space, n int64) error {
	got, err := must(OpenClient[int64, int64](s, "s", 1)).Call(ctx, n)
	if err == nil && got != 2*n {
		err = fmt.Errorf("twice %d is not %d", n, got)
	}
	return err
}
