package topo

import (
	"cmp"
	"slices"
)

// sameClass is the share of the fastest CPU's capacity, in eighths, down to which CPUs count as
// equally fast. Boost clocks of one kind of core differ by a few percent, and following them would
// crowd the workers on one cache; efficiency cores are slower than that.
const sameClass = 7

// place is where a CPU comes in Spread; the fields are in the order in which they decide.
type place struct {
	thread  int // among the allowed threads of its core
	class   int // 0 is the fastest
	inCache int // among its equals on the same cache and node
	inNode  int // of its cache, among the caches of the node
	node    int
	id      int
}

// Spread gives every CPU id once, in the order in which workers should be pinned, so that the first n
// are the best n: one thread of every core before any second thread, fast cores before slow ones, and
// among equals the nodes in turn and within them the caches in turn, so that few workers still have
// all the memory bandwidth and cache there is. The result is the caller's.
func (m *Machine) Spread() []int {
	byCapacity := slices.SortedFunc(slices.Values(m.CPUs), func(a, b CPU) int {
		return cmp.Or(cmp.Compare(b.Capacity, a.Capacity), cmp.Compare(a.ID, b.ID))
	})
	type domain struct{ node, l3 int }
	type group struct {
		domain
		thread, class int
	}
	threads := map[int]int{}      // seen so far, by core
	members := map[group]int{}    // seen so far
	caches := map[domain]int{}    // number of the cache within its node
	cachesOfNode := map[int]int{} // seen so far
	class, classTop := 0, 0       // classTop is the capacity of the class's fastest
	places := make([]place, 0, len(m.CPUs))
	// Caches are numbered by CPU id and not by speed, so that classes take them in the same turn.
	for _, c := range m.CPUs {
		d := domain{c.Node, c.L3}
		if _, known := caches[d]; !known {
			caches[d] = cachesOfNode[c.Node]
			cachesOfNode[c.Node]++
		}
	}
	for _, c := range byCapacity {
		switch {
		case classTop == 0:
			classTop = c.Capacity
		case c.Capacity*8 < classTop*sameClass:
			class, classTop = class+1, c.Capacity
		}
		d := domain{c.Node, c.L3}
		g := group{d, threads[c.Core], class}
		places = append(places, place{threads[c.Core], class, members[g], caches[d], c.Node, c.ID})
		threads[c.Core]++
		members[g]++
	}
	slices.SortFunc(places, func(a, b place) int {
		return cmp.Or(cmp.Compare(a.thread, b.thread), cmp.Compare(a.class, b.class),
			cmp.Compare(a.inCache, b.inCache), cmp.Compare(a.inNode, b.inNode),
			cmp.Compare(a.node, b.node), cmp.Compare(a.id, b.id))
	})
	order := make([]int, len(places))
	for i, p := range places {
		order[i] = p.id
	}
	return order
}
