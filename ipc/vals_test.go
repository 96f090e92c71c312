package ipc

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tutti-run/tutti/shm"
)

// record is a value that is neither plain nor short.
type record struct {
	Name string
	Tags []string
	N    int
}

func newRecord(n, tags int) record {
	r := record{Name: fmt.Sprint("record ", n), N: n}
	for range tags {
		r.Tags = append(r.Tags, fmt.Sprint(n))
	}
	return r
}

// whole reports whether a record is one that newRecord made.
func (r record) whole() bool {
	return r.Name == fmt.Sprint("record ", r.N) && !slices.ContainsFunc(r.Tags, func(t string) bool { return t != fmt.Sprint(r.N) })
}

func equalRecords(a, b record) bool {
	return a.Name == b.Name && a.N == b.N && slices.Equal(a.Tags, b.Tags)
}

// Values of every kind and length arrive as they were.
func TestVarValues(t *testing.T) {
	t.Parallel()
	spaces := heapSpaces(t, 2, Options{})
	varTrip(t, spaces, "int", 1, 2, -3)
	varTrip(t, spaces, "array", [4]int64{1}, [4]int64{1, 2, 3, 4})
	varTrip(t, spaces, "long array", [40]int64{1}, [40]int64{39: 4})
	varTrip(t, spaces, "none", struct{}{}, struct{}{})
	varTrip(t, spaces, "text", "", "short", strings.Repeat("long", 100), "", strings.Repeat("x", inlineMax), strings.Repeat("y", inlineMax+1))
	a, b := must(OpenVar(spaces[0], "records", newRecord(0, 0))), must(OpenVar(spaces[1], "records", newRecord(9, 9)))
	for n := range 50 {
		want := newRecord(n, n%7*10)
		if err := a.Store(want); err != nil {
			t.Fatal(err)
		}
		if got, err := b.Load(); err != nil || !equalRecords(got, want) {
			t.Fatalf("got %v, want %v, error %v", got, want, err)
		}
	}
	if err := errors.Join(a.Store(record{}), b.Store(record{})); err != nil {
		t.Error(err)
	}
	checkMemory(t, spaces[0], 0)
}

func varTrip[T comparable](t *testing.T, spaces []*Space, name string, values ...T) {
	t.Helper()
	a, b := must(OpenVar(spaces[0], name, values[0])), must(OpenVar(spaces[1], name, values[len(values)-1]))
	for i, want := range append(values, values...) {
		if i > 0 {
			if err := a.Store(want); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 {
			if got, err := b.Load(); got != want || err != nil {
				t.Errorf("%s: got %v, want %v, error %v", name, got, want, err)
			}
		}
		a, b = b, a
	}
}

// checkMemory checks that as much memory is in use as objects need, but for lost
// values at most.
func checkMemory(t *testing.T, s *Space, lost int) {
	t.Helper()
	needed, used := int64(0), int64(0)
	for i := range s.objects {
		if refs := s.objects[i].how().refs; refs != nil {
			refs(s, i, func(r shm.Ref) {
				n, err := s.arena.Size(r)
				if err != nil {
					t.Errorf("an object needs what is not there: %v", err)
				}
				needed += int64(n)
			})
		}
	}
	for _, u := range s.arena.Usage() {
		used += u.InUse
	}
	if over := used - needed; over < 0 || over > int64(lost)*1024 {
		t.Errorf("%d bytes are in use, objects need %d", used, needed)
	}
}

func TestVarRefuses(t *testing.T) {
	t.Parallel()
	s := heapSpaces(t, 1, Options{})[0]
	v := must(OpenVar(s, "v", int64(1)))
	_, other := OpenVar(s, "v", uint64(1))
	_, mutex := s.Mutex("v")
	_, function := OpenVar(s, "f", func() {})
	_, nameless := OpenVar(s, "", 1)
	for what, err := range map[string]error{"another type": other, "another kind": mutex, "a function": function, "no name": nameless} {
		if err == nil {
			t.Errorf("%s: no error", what)
		}
	}
	text := must(OpenVar(s, "text", "old"))
	if err := text.Store(strings.Repeat("x", 2<<20)); !errors.Is(err, shm.ErrFull) {
		t.Errorf("more than there is room for: %v", err)
	}
	if got, err := text.Load(); got != "old" || err != nil {
		t.Errorf("after a write that failed: %q, %v", got, err)
	}
	failed := errors.New("no")
	if got, err := v.Update(soon(t), func(old int64) (int64, error) { return 7, failed }); got != 1 || !errors.Is(err, failed) {
		t.Errorf("%d, %v", got, err)
	}
	if old, err := v.Swap(5); old != 1 || err != nil {
		t.Errorf("%d, %v", old, err)
	}
	ctx, cancel := context.WithCancel(soon(t))
	calls := 0
	_, err := v.Update(ctx, func(old int64) (int64, error) {
		if calls++; calls == 3 {
			cancel()
		}
		return old + 1, v.Store(old)
	})
	if !errors.Is(err, context.Canceled) || calls != 3 {
		t.Errorf("%d calls, %v", calls, err)
	}
	_, version, err := v.LoadVersion()
	if err = errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
	_, mapErr := OpenMap[int, int](s, "m", 1)
	for what, err := range map[string]error{"store": v.Store(1), "wait": v.Wait(soon(t), version), "map": mapErr} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%s after close: %v", what, err)
		}
	}
}

// Nobody sees an older value than one that was seen before, none is lost, and the
// version's halves wrap.
func TestVarIsLinearizable(t *testing.T) {
	t.Parallel()
	spaces := heapSpaces(t, 3, Options{})
	first := must(OpenVar(spaces[0], "v", record{Name: "record 0"}))
	first.v.st.version.Store(math.MaxUint32 - 50)
	first.v.st.place[1] = place{inline: first.v.st.place[first.v.st.version.Load()&1].inline}
	if err := first.Store(newRecord(0, 0)); err != nil {
		t.Fatal(err)
	}
	const each, rounds = 3, 60
	var all sync.WaitGroup
	var acknowledged atomic.Int64
	for _, s := range spaces {
		v := must(OpenVar(s, "v", record{}))
		for range each {
			all.Go(func() {
				for range rounds {
					if _, err := v.Update(soon(t), func(old record) (record, error) { return newRecord(old.N+1, old.N%40), nil }); err != nil {
						t.Error(err)
						return
					}
					acknowledged.Add(1)
				}
			})
		}
		all.Go(func() {
			for last := int64(0); last < each*rounds*int64(len(spaces)); {
				before := acknowledged.Load()
				r, err := v.Load()
				if err != nil || !r.whole() || int64(r.N) < max(last, before) {
					t.Errorf("%v after %d, %d were acknowledged, error %v", r, last, before, err)
					return
				}
				last = int64(r.N)
			}
		})
	}
	all.Wait()
	checkMemory(t, spaces[0], 0)
}

// Who watches sees values in order, and the last one.
func TestVarWatch(t *testing.T) {
	t.Parallel()
	spaces := heapSpaces(t, 3, Options{})
	const last = 200
	var all sync.WaitGroup
	for _, s := range spaces[1:] {
		v := must(OpenVar(s, "v", 0))
		for range 2 {
			all.Go(func() {
				seen := -1
				for n, err := range v.Watch(soon(t)) {
					if err != nil || n < seen {
						t.Errorf("%d after %d, error %v", n, seen, err)
						return
					}
					if seen = n; n == last {
						return
					}
				}
				t.Errorf("the watch ended after %d", seen)
			})
		}
	}
	v := must(OpenVar(spaces[0], "v", 0))
	for n := range last {
		if err := v.Store(n + 1); err != nil {
			t.Error(err)
		}
	}
	all.Wait()
	_, version, err := v.LoadVersion()
	if err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	reason := errors.New("the reason")
	cancel(reason)
	if err := v.Wait(ctx, version); !errors.Is(err, reason) {
		t.Errorf("a wait for nothing: %v", err)
	}
	if err := v.Wait(ctx, version-1); err != nil {
		t.Errorf("a wait for what has come: %v", err)
	}
	for range v.Watch(ctx) {
	}
}

func TestCounter(t *testing.T) {
	t.Parallel()
	spaces := heapSpaces(t, 3, Options{})
	const each, rounds = 5, 1000
	var all sync.WaitGroup
	for _, s := range spaces {
		c := must(s.Counter("c"))
		for i := range each {
			all.Go(func() {
				for range rounds {
					c.Add(int64(i - 1))
				}
			})
		}
	}
	all.Wait()
	want := int64(len(spaces) * rounds * (-1 + 0 + 1 + 2 + 3))
	die(spaces[0])
	seeBuried(t, spaces[1], spaces[0])
	for _, s := range spaces[1:] {
		if c := must(s.Counter("c")); c.Load() != want || c.String() != fmt.Sprint(want) {
			t.Errorf("%d, want %d", c.Load(), want)
		}
	}
	checkMemory(t, spaces[1], 0)
}

// seeBuried waits until nothing of a dead process is left.
func seeBuried(t *testing.T, s, dead *Space) {
	t.Helper()
	for ctx := soon(t); s.members[dead.slot].load().state() != memberFree; pause() {
		if s.buryIfDead(dead.slot); ctx.Err() != nil {
			t.Fatal("the dead one is not buried")
		}
	}
	s.changed() // has the dead one's guardian look up
	<-dead.guarded
}

// A map does what a plain one does, whoever does it.
func TestMapReference(t *testing.T) {
	t.Parallel()
	for _, capacity := range []int{1, 2, 20} {
		spaces := heapSpaces(t, 2, Options{})
		r := rand.New(rand.NewPCG(1, uint64(capacity)))
		var handles []*Map[string, record]
		for _, s := range spaces {
			for range 2 {
				handles = append(handles, must(OpenMap[string, record](s, "m", capacity)))
			}
		}
		want := map[string]record{}
		for step := range 3000 {
			m := handles[r.IntN(len(handles))]
			key, value := fmt.Sprint("key", r.IntN(2*capacity)), newRecord(step, r.IntN(5))
			if err := mapStep(m, r.IntN(7), key, value, want, capacity); err != nil {
				t.Fatalf("capacity %d, step %d: %v", capacity, step, err)
			}
		}
		checkMemory(t, spaces[0], 0)
	}
}

// mapStep does one thing with a map and with a plain one, and says how they differ.
func mapStep(m *Map[string, record], what int, key string, value record, want map[string]record, capacity int) error {
	was, there := want[key]
	full := !there && len(want) == capacity
	switch what {
	case 0:
		if err := m.Store(key, value); errors.Is(err, ErrTooMany) != full || !full && err != nil {
			return fmt.Errorf("store with %d keys: %w", len(want), err)
		} else if !full {
			want[key] = value
		}
	case 1:
		if got, err := m.Delete(key); got != there || err != nil {
			return fmt.Errorf("deleted %v, want %v: %w", got, there, err)
		}
		delete(want, key)
	case 2:
		got, loaded, err := m.LoadOrStore(key, value)
		if full != errors.Is(err, ErrTooMany) || !full && err != nil || loaded != there {
			return fmt.Errorf("loaded %v, want %v: %w", loaded, there, err)
		}
		if !there {
			was = value
		}
		if !full {
			if want[key] = was; !equalRecords(got, was) {
				return fmt.Errorf("%v, want %v", got, was)
			}
		}
	case 3:
		got, err := m.Update(context.Background(), key, func(old record, ok bool) (record, error) {
			if ok != there || !equalRecords(old, was) {
				return old, fmt.Errorf("%v, %v to update, want %v, %v", old, ok, was, there)
			}
			return value, nil
		})
		if full != errors.Is(err, ErrTooMany) || !full && (err != nil || !equalRecords(got, value)) {
			return fmt.Errorf("updated to %v, want %v: %w", got, value, err)
		}
		if !full {
			want[key] = value
		}
	case 4:
		got := maps.Collect(m.All())
		if n, err := m.Len(); err != nil || n != len(want) || !maps.EqualFunc(got, want, equalRecords) {
			return fmt.Errorf("%d keys, %v, want %v: %w", n, got, want, err)
		}
	default:
		if got, ok, err := m.Load(key); ok != there || err != nil || !equalRecords(got, was) {
			return fmt.Errorf("%v, %v, want %v, %v: %w", got, ok, was, there, err)
		}
	}
	return nil
}

func TestMapRefuses(t *testing.T) {
	t.Parallel()
	s := heapSpaces(t, 1, Options{})[0]
	if _, err := OpenMap[int, int](s, "m", 10); err != nil {
		t.Fatal(err)
	}
	_, key := OpenMap[int32, int](s, "m", 0)
	_, value := OpenMap[int, string](s, "m", 0)
	_, capacity := OpenMap[int, int](s, "m", 11)
	_, negative := OpenMap[int, int](s, "n", -1)
	_, float := OpenMap[float64, int](s, "f", 0)
	_, function := OpenMap[int, func()](s, "g", 0)
	for what, err := range map[string]error{
		"another key": key, "another value": value, "more keys": capacity, "negative": negative, "a float as a key": float, "a function": function,
	} {
		if err == nil {
			t.Errorf("%s: no error", what)
		}
	}
	if m, err := OpenMap[int, int](s, "m", 0); err != nil || len(m.t.nodes) != 10 {
		t.Error(err)
	}
}

// Each key counts up, whoever does it, and nobody sees it count down.
func TestMapIsLinearizable(t *testing.T) {
	t.Parallel()
	spaces := heapSpaces(t, 3, Options{})
	const keys, rounds = 3, 150
	var all sync.WaitGroup
	for i, s := range spaces {
		m := must(OpenMap[int, [6]int](s, "m", keys+2))
		for range 2 {
			all.Go(func() {
				for n := range rounds {
					_, err := m.Update(soon(t), n%keys, func(old [6]int, _ bool) ([6]int, error) {
						for i := range old {
							old[i]++
						}
						return old, nil
					})
					if err != nil {
						t.Error(err)
						return
					}
					// What comes and goes elsewhere disturbs nobody.
					if err := m.Store(100+i%2, [6]int{}); err != nil {
						t.Error(err)
					}
					if _, err := m.Delete(100 + i%2); err != nil {
						t.Error(err)
					}
				}
			})
		}
		all.Go(func() {
			var last [keys]int
			for sum := 0; sum < rounds*2*len(spaces); {
				sum = 0
				for k := range keys {
					v, _, err := m.Load(k)
					if err != nil || v[0] != v[5] || v[0] < last[k] {
						t.Errorf("%v after %d, error %v", v, last[k], err)
						return
					}
					last[k] = v[0]
					sum += v[0]
				}
			}
		})
		all.Go(func() {
			for range rounds / 10 {
				seen := map[int]int{}
				for k, v := range m.All() {
					if seen[k]++; k < keys && (seen[k] > 1 || v[0] != v[5]) {
						t.Errorf("key %d came %d times, with %v", k, seen[k], v)
					}
				}
			}
		})
	}
	all.Wait()
	checkMemory(t, spaces[0], 0)
}

// Damage that a peer has done is an error.
func TestDamagedValues(t *testing.T) {
	t.Parallel()
	s := heapSpaces(t, 1, Options{})[0]
	v := must(OpenVar(s, "v", "text"))
	v.v.st.place[0].size = 1 << 60
	if _, err := v.Load(); !errors.Is(err, ErrNotASpace) {
		t.Error(err)
	}
	v.v.st.place[0].ref.Store(12345)
	if _, err := v.Load(); !errors.Is(err, ErrNotASpace) {
		t.Error(err)
	}
	v.v.st.place[0].size = 1
	if _, err := v.Load(); !errors.Is(err, ErrNotASpace) {
		t.Error(err)
	}
	m := must(OpenMap[int, string](s, "m", 2))
	if err := errors.Join(m.Store(1, "one"), m.Store(2, "two")); err != nil {
		t.Fatal(err)
	}
	for i := range m.t.nodes {
		m.t.nodes[i].next.Store(1)
	}
	for i := range m.t.heads {
		m.t.heads[i].Store(2)
	}
	if _, _, err := m.Load(7); !errors.Is(err, ErrNotASpace) {
		t.Errorf("a circle: %v", err)
	}
	for i := range m.t.heads {
		m.t.heads[i].Store(77)
	}
	if _, _, err := m.Load(7); !errors.Is(err, ErrNotASpace) {
		t.Errorf("a node that is none: %v", err)
	}
	repairTable(s, m.t.i)
	if _, ok, err := m.Load(7); ok || err != nil {
		t.Errorf("after the repair: %v, %v", ok, err)
	}
	stateOf[tableState](&s.objects[m.t.i]).ref++
	if _, err := OpenMap[int, string](s, "m", 2); !errors.Is(err, ErrNotASpace) {
		t.Error(err)
	}
	stateOf[tableState](&s.objects[m.t.i]).ref--
}
