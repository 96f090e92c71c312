package tutti_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/tutti-run/tutti"
)

// Carry stands at a gate with something heavy in its hands.
type Carry struct {
	Visit Visit
	Load  []byte
}

var CarryTo = tutti.NewFunc("test.carry", func(ctx context.Context, c Carry) (int, error) {
	return len(c.Load), stand(ctx, c.Visit)
})

// An input for which slices leave no memory waits for that of another, and is
// refused where no other will give any back.
func TestMemoryFullOfSlices(t *testing.T) {
	t.Parallel()
	pool, g := open(t, tutti.Config{Workers: 1, Memory: 16 << 20}), newGate(t)
	var slices []tutti.Slice[byte]
	for {
		s, err := tutti.NewSlice[byte](pool, 1<<20)
		if err != nil {
			break
		}
		slices = append(slices, s)
	}
	for range 3 {
		if err := slices[0].Free(); err != nil {
			t.Fatal(err)
		}
		slices = slices[1:]
	}
	load := make([]byte, 5<<18) // of 4 MiB that inputs may take
	var calls []*tutti.Future[int]
	for i := range 2 {
		f, err := CarryTo.Go(t.Context(), pool, Carry{g.visit(i), load})
		if err != nil {
			t.Fatal(err)
		}
		calls = append(calls, f)
	}
	guest := g.await(1)[0]
	if _, err := CarryTo.Call(t.Context(), pool, Carry{g.visit(2), load}, tutti.NoWait()); !errors.Is(err, tutti.ErrFull) {
		t.Errorf("where it would have to wait: %v", err)
	}
	third := make(chan error, 1)
	go func(ended chan<- error) {
		_, err := CarryTo.Call(t.Context(), pool, Carry{g.visit(2), load})
		ended <- err
	}(third)
	guest.letGo()
	for visits := 0; visits < 2 || third != nil; {
		select {
		case err := <-third:
			if err != nil {
				t.Fatal(err)
			}
			third = nil
		case guest := <-g.arrivals:
			guest.letGo()
			visits++
		}
	}
	for _, f := range calls {
		if n, err := f.Wait(t.Context()); n != len(load) || err != nil {
			t.Errorf("%d, %v", n, err)
		}
	}
	for {
		if _, err := tutti.NewSlice[byte](pool, 1<<18); err != nil {
			break
		}
	}
	_, err := Size.Call(t.Context(), pool, load)
	if !errors.Is(err, tutti.ErrFull) || !strings.Contains(err.Error(), "Config.Memory") {
		t.Errorf("where nothing will be freed: %v", err)
	}
}

// What cannot be had from a pool is refused, in a line that says what can.
func TestOptionsThatCannotBe(t *testing.T) {
	t.Parallel()
	pool := open(t, tutti.Config{Workers: 2})
	for says, option := range map[string]tutti.Option{
		"tutti: Timeout(-1ns): a time limit is above 0, or 0 for none": tutti.Timeout(-1),
		"tutti: Retries(-1): between 0 and 254":                        tutti.Retries(-1),
		"tutti: Retries(255): between 0 and 254":                       tutti.Retries(255),
		"tutti: Affinity(3): the workers are 1 to 2, and 0 is any":     tutti.Affinity(3),
		"tutti: Affinity(-1): the workers are 1 to 2, and 0 is any":    tutti.Affinity(-1),
	} {
		if _, err := Echo.Call(t.Context(), pool, 1, option); err == nil || err.Error() != says {
			t.Errorf("Call says %v, want %s", err, says)
		}
		for _, err := range Echo.Map(t.Context(), pool, count(3), option) {
			if err == nil || err.Error() != says {
				t.Errorf("Map says %v, want %s", err, says)
			}
		}
	}
	if n, err := Echo.Call(t.Context(), pool, 1, tutti.Timeout(0), tutti.Retries(254), tutti.Affinity(2)); n != 1 || err != nil {
		t.Errorf("what can be had: %d, %v", n, err)
	}
}
