package tutti_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/tutti-run/tutti"
	"github.com/tutti-run/tutti/ipc"
)

var (
	// tryLock takes and gives back the lock of a name, and says whether it was free.
	tryLock = tutti.NewFunc("test.trylock", func(ctx context.Context, name string) (bool, error) {
		m, err := mutexOf(tutti.FromContext(ctx), name)
		if err != nil {
			return false, err
		}
		ok, err := m.TryLock()
		if ok {
			err = errors.Join(err, m.Unlock())
		}
		return ok, err
	})
	// dieLocked dies with the lock of a name.
	dieLocked = tutti.NewFunc("test.dielocked", func(ctx context.Context, name string) (int, error) {
		m, err := mutexOf(tutti.FromContext(ctx), name)
		if err == nil {
			err = m.Lock(ctx)
		}
		if err == nil {
			deaths["kill"]()
		}
		return 0, err
	})
	// countUp counts in all ways that a space has.
	countUp = tutti.NewFunc("test.countup", func(ctx context.Context, key int) (int, error) {
		s, err := tutti.FromContext(ctx).Space()
		if err != nil {
			return 0, err
		}
		v, err := ipc.OpenVar(s, "all", 0)
		if err != nil {
			return 0, err
		}
		m, err := ipc.OpenMap[string, ipc.Slice[int64]](s, "each", 10)
		if err != nil {
			return 0, err
		}
		c, err := s.Counter("calls")
		if err != nil {
			return 0, err
		}
		c.Add(1)
		at, ok, err := m.Load(fmt.Sprint(key))
		if !ok || err != nil {
			return 0, fmt.Errorf("no slice for key %d: %w", key, err)
		}
		data, err := at.Data()
		if err != nil {
			return 0, err
		}
		data[0]++
		return v.Update(ctx, func(n int) (int, error) { return n + 1, nil })
	})
)

func mutexOf(p *tutti.Pool, name string) (*ipc.Mutex, error) {
	s, err := p.Space()
	if err != nil {
		return nil, err
	}
	return s.Mutex(name)
}

// Master and workers have the same locks, and a lock outlives who held it.
func TestSpaceOfAPool(t *testing.T) {
	t.Parallel()
	pool := open(t, tutti.Config{Workers: 2})
	m, err := mutexOf(pool, "m")
	if err != nil {
		t.Fatal(err)
	}
	if free, err := tryLock.Call(t.Context(), pool, "m"); !free || err != nil {
		t.Errorf("a free lock: %v, %v", free, err)
	}
	if err := m.Lock(t.Context()); err != nil {
		t.Fatal(err)
	}
	if free, err := tryLock.Call(t.Context(), pool, "m"); free || err != nil {
		t.Errorf("the master holds the lock: %v, %v", free, err)
	}
	if err := m.Unlock(); err != nil {
		t.Fatal(err)
	}
	var crash *tutti.CrashError
	if _, err := dieLocked.Call(t.Context(), pool, "m", tutti.AtMostOnce()); !errors.As(err, &crash) {
		t.Errorf("the worker lives: %v", err)
	}
	if err := m.Lock(t.Context()); !errors.Is(err, ipc.ErrOwnerDied) {
		t.Fatalf("the owner was killed: %v", err)
	}
	if err := errors.Join(m.MarkConsistent(), m.Unlock()); err != nil {
		t.Error(err)
	}
	if free, err := tryLock.Call(t.Context(), pool, "m"); !free || err != nil {
		t.Errorf("a lock that is whole again: %v, %v", free, err)
	}
}

// Values are shared, too; and two pools do not share them.
func TestValuesOfAPool(t *testing.T) {
	t.Parallel()
	pool, other := open(t, tutti.Config{Workers: 2}), open(t, tutti.Config{Workers: 1})
	s, err := pool.Space()
	if err != nil {
		t.Fatal(err)
	}
	m, err := ipc.OpenMap[string, ipc.Slice[int64]](s, "each", 10)
	if err != nil {
		t.Fatal(err)
	}
	var parts []ipc.Slice[int64]
	for k := range 4 {
		part, err := ipc.NewSlice[int64](s, 1)
		if k%2 == 0 {
			part, err = tutti.NewSlice[int64](pool, 1) // the same type
		}
		if err = errors.Join(err, m.Store(fmt.Sprint(k), part)); err != nil {
			t.Fatal(err)
		}
		parts = append(parts, part)
	}
	const rounds = 25
	for range rounds { // each key in one task at a time
		for _, err := range countUp.Map(t.Context(), pool, count(len(parts))) {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	v, err := ipc.OpenVar(s, "all", 0)
	if err != nil {
		t.Fatal(err)
	}
	c, err := s.Counter("calls")
	if err != nil {
		t.Fatal(err)
	}
	if n, err := v.Load(); n != rounds*len(parts) || c.Load() != int64(n) || err != nil {
		t.Errorf("%d, %d, %v", n, c.Load(), err)
	}
	for k, part := range parts {
		if data, err := part.Data(); err != nil || data[0] != rounds {
			t.Errorf("key %d: %v, %v", k, data, err)
		}
	}
	if st, err := s.Stat(); err != nil || len(st.Members) < 2 || len(st.Objects) != 3 {
		t.Errorf("%+v, %v", st, err)
	}
	if _, err := countUp.Call(t.Context(), other, 1); err == nil {
		t.Error("another pool has the same values")
	}
}

func TestSpaceOfAClosedPool(t *testing.T) {
	t.Parallel()
	pool := open(t, tutti.Config{Workers: 1})
	s, err := pool.Space()
	if err != nil {
		t.Fatal(err)
	}
	e, err := s.Event("never")
	if err != nil {
		t.Fatal(err)
	}
	v, err := ipc.OpenVar(s, "v", "value")
	if err != nil {
		t.Fatal(err)
	}
	waited := make(chan error)
	go func() { waited <- e.Wait(context.Background()) }()
	if err := pool.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-waited; !errors.Is(err, ipc.ErrClosed) {
		t.Errorf("who waited got %v", err)
	}
	if err := v.Store("x"); !errors.Is(err, ipc.ErrClosed) {
		t.Error(err)
	}
	if _, err := pool.Space(); !errors.Is(err, tutti.ErrClosed) {
		t.Error(err)
	}
}
