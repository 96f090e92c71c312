package ipc

import (
	"context"
	"fmt"
	"hash/maphash"
	"iter"
	"sync"
	"unsafe"

	"github.com/tutti-run/tutti/internal/codec"
	"github.com/tutti-run/tutti/shm"
)

// Map is a table of keys and values that all processes share. What is done with one
// key is linearizable: Load returns what is there at that moment. Each process keeps
// copies of the values that it has loaded, which a write makes stale; so a value that
// has not changed costs a look-up in this process and one atomic load.
//
// A write is whole or it is not there: if its writer dies, all others see the old
// value of the key or the new one.
//
// Keys are integers, strings, booleans, and arrays and structs of them. V may be any
// type whose values can travel, as for Var; do not change what slices, maps and
// pointers in a value refer to.
//
// A handle may be used from many goroutines at once. Open one and keep it: the copies
// belong to the handle.
type Map[K comparable, V any] struct {
	keys   codec.Codec[K]
	values codec.Codec[V]
	t      table
	seed   maphash.Seed
	copies [copyShards]copyShard[K, V]
}

// copyShards bounds how many goroutines can look up a copy at the same time without
// waiting for one another's locks.
const copyShards = 32

type copyShard[K comparable, V any] struct {
	sync.RWMutex
	of map[K]copied[V]
	_  [lineBytes]byte
}

// copied is a value and where it was, when.
type copied[V any] struct {
	spot  spot
	value V
}

// OpenMap returns the map of a name, and makes it for up to so many keys at a time if
// it is not there: 64 bytes each are taken at once, and memory for each key with its
// value, 128 bytes at least, when it is stored. Capacity 0 takes what is there, or
// 1024. All must open it for the same types.
func OpenMap[K comparable, V any](s *Space, name string, capacity int) (*Map[K, V], error) {
	m := &Map[K, V]{seed: maphash.MakeSeed()}
	var err error
	if m.keys, err = codec.Key[K]("the key"); err == nil {
		m.values, err = codec.New[V]("the value")
	}
	if err != nil {
		return nil, fmt.Errorf("ipc: map %q: %w", name, err)
	}
	shape := codec.Shape[K]()*31 + codec.Shape[V]()
	if m.t, err = s.table(name, shape, capacity); err != nil {
		return nil, err
	}
	if m.t.st.shape != shape {
		return nil, otherType[map[K]V]("map", name)
	}
	return m, nil
}

func (m *Map[K, V]) shard(key K) *copyShard[K, V] {
	return &m.copies[maphash.Comparable(m.seed, key)%copyShards]
}

// Load returns the value of a key, and whether there is one.
func (m *Map[K, V]) Load(key K) (value V, ok bool, err error) {
	c, ok, err := m.fetch(key)
	return c.value, ok, err
}

// fetch returns the value of a key and where it is.
func (m *Map[K, V]) fetch(key K) (c copied[V], ok bool, err error) {
	shard := m.shard(key)
	shard.RLock()
	c, ok = shard.of[key]
	shard.RUnlock()
	if ok && c.spot.counts() {
		return c, true, nil
	}
	var b []byte
	err = encode(&m.keys, key, func(k []byte) (err error) {
		b, c.spot, err = m.t.load(k)
		return err
	})
	if err == nil && c.spot.node != nil {
		c.value, err = decode(&m.values, b)
	}
	if err != nil || c.spot.node == nil {
		shard.Lock()
		delete(shard.of, key)
		shard.Unlock()
		return copied[V]{}, false, err
	}
	shard.Lock()
	defer shard.Unlock()
	// Copies of keys that others have deleted stay until there are too many.
	if shard.of == nil || len(shard.of) > 8+2*len(m.t.nodes)/copyShards {
		shard.of = map[K]copied[V]{}
	}
	shard.of[key] = c
	return c, true, nil
}

// put writes a value of a key if what is there is as given.
func (m *Map[K, V]) put(key K, value V, only *spot) (done bool, err error) {
	err = encode(&m.keys, key, func(k []byte) error {
		return encode(&m.values, value, func(b []byte) (err error) {
			done, err = m.t.put(k, b, only)
			return err
		})
	})
	return done, err
}

// Store sets the value of a key. The error wraps ErrTooMany when the map is full, and
// shm.ErrFull when the memory is.
func (m *Map[K, V]) Store(key K, value V) error {
	_, err := m.put(key, value, nil)
	return err
}

// LoadOrStore returns the value of a key if there is one, and otherwise stores the
// given one. Errors are those of Store.
func (m *Map[K, V]) LoadOrStore(key K, value V) (actual V, loaded bool, err error) {
	for {
		c, ok, err := m.fetch(key)
		if ok || err != nil {
			return c.value, ok, err
		}
		if done, err := m.put(key, value, &spot{}); done || err != nil {
			return value, false, err
		}
	}
}

// Delete removes a key and reports whether it was there.
func (m *Map[K, V]) Delete(key K) (deleted bool, err error) {
	err = encode(&m.keys, key, func(k []byte) (err error) {
		deleted, err = m.t.remove(k)
		return err
	})
	return deleted, err
}

// Update sets the value of a key to what f makes of it, and returns that; ok tells f
// whether there is one. f is called again when somebody else has changed it
// meanwhile, until ctx is done; so it must do nothing but compute. It must not change
// what it is given. If it returns an error, which Update returns, all stays as it is.
// Other errors are those of Store.
func (m *Map[K, V]) Update(ctx context.Context, key K, f func(old V, ok bool) (V, error)) (V, error) {
	for {
		c, ok, err := m.fetch(key)
		if err != nil {
			return c.value, err
		}
		value, err := f(c.value, ok)
		if err != nil {
			return c.value, err
		}
		if done, err := m.put(key, value, &c.spot); done || err != nil {
			return value, err
		}
		if ctx.Err() != nil {
			return c.value, context.Cause(ctx)
		}
	}
}

// Len returns the number of keys.
func (m *Map[K, V]) Len() (int, error) { return m.t.len() }

// Range calls f with each key and its value until f returns false. A key that is there
// all the time comes exactly once, with a value that it had meanwhile; one that is
// deleted and stored again meanwhile may come twice. f may use the map.
func (m *Map[K, V]) Range(f func(key K, value V) bool) error {
	for from := 0; from < len(m.t.nodes); {
		next, entries, err := m.t.entries(from)
		if err != nil {
			return err
		}
		from = next
		for _, e := range entries {
			key, err := decode(&m.keys, e.key)
			if err != nil {
				return err
			}
			value, err := decode(&m.values, e.value)
			if err != nil {
				return err
			}
			if !f(key, value) {
				return nil
			}
		}
	}
	return nil
}

// All is Range as an iterator. It ends at an error, which Range returns.
func (m *Map[K, V]) All() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) { _ = m.Range(yield) }
}

// spot is where the value of a key is, and its version. No node means no value.
type spot struct {
	node    *node
	version uint64
}

// counts reports whether the value that was there is still the key's.
func (p spot) counts() bool {
	if p.node.version.Load() != p.version { // SYNC node
		return false
	}
	shm.Acquire(unsafe.Pointer(&p.node.version))
	return true
}
