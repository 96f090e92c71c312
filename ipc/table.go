package ipc

import (
	"bytes"
	"fmt"
	"math/bits"
	"structs"
	"sync/atomic"
	"unsafe"

	"github.com/tutti-run/tutti/shm"
)

// table is a Map without its types: chains of nodes, one for each key, in memory that
// the map keeps for good.
//
//	heads   4 bytes each: the first node of a chain + 1, or 0
//	nodes   64 bytes each
//
// A node has two places for a key with its value, of which its version's lowest bit
// says which counts, as in a variable (value.go). All changes are made with the latch
// held, and each is there with one store:
//
//	a new key    the head of its chain    the node and its memory are free otherwise
//	a new value  the node's version       see value.go
//	a deletion   the node's version       the place that counts refers to nothing then;
//	                                      taking the node out of its chain can be repeated
//
// A version never goes back, even when the node is used for another key: as long as
// it is as it was, the key is there with the value that it had.
type table struct {
	s     *Space
	i     int // object
	st    *tableState
	heads []atomic.Uint32
	nodes []node
}

// tableState is the state of a map. The list of free nodes and the number of the
// others are a digest of the chains, and made anew when somebody died meanwhile.
type tableState struct {
	_        structs.HostLayout
	_        [4]byte // a futex on which nobody sleeps
	capacity uint32  // written with shape and ref before anybody sees it
	shape    uint64
	ref      uint64
	free     uint32 // node + 1, 0: none; latch
	count    uint32 // latch
}

// node is a key with its value. Invariant, when the latch is free and not torn: it is
// in a chain if and only if the place that counts refers to memory; the other one
// never does.
//
//	offset  size  field    writer           if the writer dies
//	     0     8  version  holder of latch  see above
//	     8     8  hash     holder of latch  the node is free
//	    16    16  ref      holder of latch  what does not count is cleared
//	    32    16  key …    holder of latch  likewise
//	    48     4  next     holder of latch  the node is free, or was being taken out
type node struct {
	_       structs.HostLayout
	version atomic.Uint64
	hash    uint64
	ref     [2]atomic.Uint64 // the key's bytes, then the value's
	key     [2]uint32        // their lengths
	value   [2]uint32
	next    atomic.Uint32 // node + 1
	_       [12]byte
}

var _ [lineBytes]byte = [unsafe.Sizeof(node{})]byte{} // else bump layoutVersion

const (
	defaultCapacity = 1024
	maxCapacity     = 1 << 26
)

func init() {
	kinds[kindMap] = kindOf{name: "map", repair: repairTable, bury: mendIfTorn, refs: refsTable, blank: blankTable}
}

// table returns the map of a name, or makes it.
func (s *Space) table(name string, shape uint64, capacity int) (table, error) {
	if capacity < 0 || capacity > maxCapacity {
		return table{}, fmt.Errorf("ipc: map %q: %d keys: 1 to %d are possible", name, capacity, maxCapacity)
	}
	made := uint32(capacity)
	if capacity == 0 {
		made = defaultCapacity
	}
	i, err := s.find(kindMap, name, func(o *object) error {
		st := stateOf[tableState](o)
		st.capacity, st.shape = made, shape
		return s.furnishTable(st)
	})
	if err != nil {
		return table{}, err
	}
	t, err := s.tableOf(i)
	if err == nil && len(t.nodes) < capacity {
		err = fmt.Errorf("ipc: map %q has room for %d keys, %d are asked for", name, len(t.nodes), capacity)
	}
	return t, err
}

// furnishTable takes the memory of a map that nobody has seen.
func (s *Space) furnishTable(st *tableState) error {
	heads, size := tableSize(st.capacity)
	ref, err := s.arena.Heap(s.memorySlot()).Alloc(size)
	if err != nil {
		return fmt.Errorf("ipc: %d bytes for a map: %w", size, err)
	}
	at("map-allocated")
	b, err := s.arena.Bytes(ref, size)
	if err != nil {
		return fmt.Errorf("ipc: %w", err)
	}
	clear(b)
	st.ref = uint64(ref)
	t := view(b, heads, st.capacity)
	for i := len(t.nodes) - 1; i >= 0; i-- {
		t.nodes[i].next.Store(st.free)
		st.free = uint32(i) + 1
	}
	return nil
}

// tableSize is the number of chains and the bytes of a table.
func tableSize(capacity uint32) (heads int, size int) {
	heads = max(lineBytes/4, 1<<bits.Len32(max(capacity, 1)-1))
	return heads, heads*4 + int(capacity)*int(unsafe.Sizeof(node{}))
}

// view finds the parts of a table.
func view(b []byte, heads int, capacity uint32) table {
	base := unsafe.Pointer(unsafe.SliceData(b))
	return table{
		heads: unsafe.Slice((*atomic.Uint32)(base), heads),
		nodes: unsafe.Slice((*node)(unsafe.Add(base, heads*4)), capacity),
	}
}

// tableOf is the table of an object.
func (s *Space) tableOf(i int) (table, error) {
	st := stateOf[tableState](&s.objects[i])
	capacity := st.capacity
	if capacity > maxCapacity {
		return table{}, s.damaged(i, fmt.Sprintf("%d keys", capacity))
	}
	heads, size := tableSize(capacity)
	b, err := s.arena.Bytes(shm.Ref(st.ref), size)
	if err != nil {
		return table{}, s.damaged(i, err.Error())
	}
	t := view(b, heads, capacity)
	t.s, t.i, t.st = s, i, st
	return t, nil
}

// hashOf is FNV-1a, whose upper bits are mixed into the lower ones.
func hashOf(key []byte) uint64 {
	h := uint64(0xcbf2_9ce4_8422_2325)
	for _, c := range key {
		h = (h ^ uint64(c)) * 0x100_0000_01b3
	}
	return h ^ h>>32
}

func (t *table) head(hash uint64) *atomic.Uint32 { return &t.heads[hash&uint64(len(t.heads)-1)] }

// memory returns the bytes of the key and of the value that count.
func (t *table) memory(n *node) (key, value []byte, err error) {
	p := n.version.Load() & 1
	k, v := int(n.key[p]), int(n.value[p])
	b, err := t.s.arena.Bytes(shm.Ref(n.ref[p].Load()), k+v)
	if err != nil {
		return nil, nil, t.s.damaged(t.i, err.Error())
	}
	return b[:k], b[k:], nil
}

// find returns the node of a key, its value, and the link that leads to it; no node
// if the key is not there. The latch is held.
func (t *table) find(hash uint64, key []byte) (link *atomic.Uint32, n *node, value []byte, err error) {
	link = t.head(hash)
	for range len(t.nodes) {
		i := link.Load()
		if i == 0 {
			return link, nil, nil, nil
		}
		if int64(i) > int64(len(t.nodes)) {
			break
		}
		n = &t.nodes[i-1]
		if n.hash == hash {
			k, value, err := t.memory(n)
			if err != nil {
				return nil, nil, nil, err
			}
			if bytes.Equal(k, key) {
				return link, n, value, nil
			}
		}
		link = &n.next
	}
	if link.Load() == 0 {
		return link, nil, nil, nil
	}
	return nil, nil, nil, t.s.damaged(t.i, "its chains have no end")
}

// load returns a copy of a key's value and where it is.
func (t *table) load(key []byte) ([]byte, spot, error) {
	s := t.s
	if err := s.enter(); err != nil {
		return nil, spot{}, err
	}
	defer s.leave()
	hash := hashOf(key)
	defer s.unlock(s.lock(t.i))
	_, n, value, err := t.find(hash, key)
	if n == nil || err != nil {
		return nil, spot{}, err
	}
	return bytes.Clone(value), spot{n, n.version.Load()}, nil
}

// put makes b the value of a key, if what is there is as given, or always, and
// reports whether it did.
func (t *table) put(key, b []byte, only *spot) (bool, error) {
	s := t.s
	if len(key) > 1<<30 || len(b) > 1<<30 {
		return false, fmt.Errorf("ipc: a key of %d bytes with a value of %d: at most %d are possible", len(key), len(b), 1<<30)
	}
	if err := s.enter(); err != nil {
		return false, err
	}
	defer s.leave()
	ref, err := s.keepBytes(key, b)
	if err != nil {
		return false, err
	}
	hash := hashOf(key)
	o := s.lock(t.i)
	at("map-locked")
	_, n, _, err := t.find(hash, key)
	ok := err == nil && (only == nil || n == only.node && (n == nil || n.version.Load() == only.version))
	switch {
	case !ok:
	case n != nil:
		t.replace(n, ref, len(key), len(b))
	default:
		err = t.insert(hash, ref, len(key), len(b))
		ok = err == nil
	}
	if !ok {
		s.unkeep(ref)
	}
	s.unlock(o)
	return ok, err
}

// fill writes the place of a node that does not count.
func (n *node) fill(ref shm.Ref, key, value int) (version uint64) {
	version = n.version.Load()
	p := (version + 1) & 1
	n.key[p], n.value[p] = uint32(key), uint32(value)
	n.ref[p].Store(uint64(ref))
	at("map-filled")
	return version
}

// replace gives a key another value.
func (t *table) replace(n *node, ref shm.Ref, key, value int) {
	version := n.fill(ref, key, value)
	shm.Release(unsafe.Pointer(&n.version))
	n.version.Store(version + 1) // SYNC node: pairs with counts
	at("map-replaced")
	t.s.discard(&n.ref[version&1])
}

// insert adds a key.
func (t *table) insert(hash uint64, ref shm.Ref, key, value int) error {
	i := t.st.free
	if i == 0 {
		return fmt.Errorf("%w: the map %q holds %d keys", ErrTooMany, pinned(t.s.objects[t.i].name[:]), len(t.nodes))
	}
	if int64(i) > int64(len(t.nodes)) {
		return t.s.damaged(t.i, "its list of free nodes")
	}
	n := &t.nodes[i-1]
	t.st.free = n.next.Load()
	at("map-node-taken")
	version := n.fill(ref, key, value)
	n.hash = hash
	n.version.Store(version + 1)
	head := t.head(hash)
	n.next.Store(head.Load())
	at("map-node-filled")
	head.Store(i)
	at("map-inserted")
	t.st.count++
	return nil
}

// remove deletes a key and reports whether it was there.
func (t *table) remove(key []byte) (bool, error) {
	s := t.s
	if err := s.enter(); err != nil {
		return false, err
	}
	defer s.leave()
	hash := hashOf(key)
	defer s.unlock(s.lock(t.i))
	at("map-locked")
	link, n, _, err := t.find(hash, key)
	if n == nil || err != nil {
		return false, err
	}
	version := n.fill(0, 0, 0)
	shm.Release(unsafe.Pointer(&n.version))
	n.version.Store(version + 1)
	at("map-deleted")
	s.discard(&n.ref[version&1])
	i := link.Load()
	link.Store(n.next.Load())
	at("map-unlinked")
	n.next.Store(t.st.free)
	t.st.free = i
	at("map-node-freed")
	t.st.count--
	return true, nil
}

func (t *table) len() (int, error) {
	if err := t.s.enter(); err != nil {
		return 0, err
	}
	defer t.s.leave()
	defer t.s.unlock(t.s.lock(t.i))
	return int(t.st.count), nil
}

// entry is a key with its value, as bytes.
type entry struct{ key, value []byte }

// The latch is held for so many nodes or bytes at a time.
const (
	rangeNodes = 256
	rangeBytes = 64 << 10
)

// entries returns copies of what is in some nodes, and where to go on.
func (t *table) entries(from int) (next int, list []entry, err error) {
	s := t.s
	if err := s.enter(); err != nil {
		return from, nil, err
	}
	defer s.leave()
	defer s.unlock(s.lock(t.i))
	size := 0
	for next = from; next < min(from+rangeNodes, len(t.nodes)) && size < rangeBytes; next++ {
		n := &t.nodes[next]
		if n.ref[n.version.Load()&1].Load() == 0 {
			continue
		}
		k, v, err := t.memory(n)
		if err != nil {
			return from, nil, err
		}
		list = append(list, entry{bytes.Clone(k), bytes.Clone(v)})
		size += len(k) + len(v)
	}
	return next, list, nil
}

// repairTable goes by the chains. What a place that does not count referred to was
// never seen, or has been a value before; see value.go.
func repairTable(s *Space, object int) {
	t, err := s.tableOf(object)
	if err != nil {
		return // damaged: operations say so
	}
	linked := make([]bool, len(t.nodes))
	for h := range t.heads {
		link := &t.heads[h]
		for i := link.Load(); i != 0; i = link.Load() {
			if int64(i) > int64(len(t.nodes)) || linked[i-1] {
				link.Store(0) // damaged
				break
			}
			n := &t.nodes[i-1]
			if n.ref[n.version.Load()&1].Load() == 0 {
				link.Store(n.next.Load()) // deleted
				at("map-mended")
				continue
			}
			linked[i-1] = true
			link = &n.next
		}
	}
	t.st.free, t.st.count = 0, 0
	for i := len(t.nodes) - 1; i >= 0; i-- {
		n := &t.nodes[i]
		p := (n.version.Load() + 1) & 1
		n.ref[p].Store(0)
		if linked[i] {
			t.st.count++
			continue
		}
		n.ref[1-p].Store(0)
		n.next.Store(t.st.free)
		t.st.free = uint32(i) + 1
	}
}

func refsTable(s *Space, object int, keep func(shm.Ref)) {
	keep(shm.Ref(stateOf[tableState](&s.objects[object]).ref))
	t, err := s.tableOf(object)
	if err != nil {
		return // damaged
	}
	for i := range t.nodes {
		for p := range t.nodes[i].ref {
			if ref := t.nodes[i].ref[p].Load(); ref != 0 {
				keep(shm.Ref(ref))
			}
		}
	}
}
