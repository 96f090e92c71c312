package tutti

import (
	"context"
	"errors"
	"testing"
)

var idle = NewFunc("test.inplace.idle", func(_ context.Context, n int) (int, error) { return n, nil })

// What runs in place, for there is no room, ends as it would elsewhere.
func TestInPlace(t *testing.T) {
	t.Parallel()
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := idle.inPlace(over, nil, nil, 1, &options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("begun after its context had ended: %v", err)
	}
	n := 0
	var last error
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	endless := func(yield func(int) bool) {
		for i := 0; yield(i); i++ {
			if i == 2 {
				stop()
			}
		}
	}
	eachInPlace(ctx, endless, func(n int) (int, error) { return n, nil }, func(_ int, _ int, err error) bool {
		n++
		last = err
		return true
	})
	if n != 4 || !errors.Is(last, context.Canceled) {
		t.Errorf("%d results, the last with %v", n, last)
	}
}
