package waitfor

import (
	"cmp"
	"math"
	"slices"
)

// request is what one agent wants of one resource.
type request struct {
	agent    Agent
	resource Resource
	place    int64 // 0: in no line
	need     int64
}

// share is what an agent holds of a resource, or that it gives there.
type share struct {
	agent    Agent
	resource Resource
	units    int64
}

// requests lists what all agents want, at most one request an agent and
// resource, by agent; and how many of its requests each agent needs.
func requests(p *Picture) (all []request, missing []int) {
	missing = make([]int, len(p.Agents))
	last := make([]int, len(p.Resources)) // 1 + the index of the last request for each
	for i := range p.Agents {
		s, hidden := &p.Agents[i], false
		for _, w := range s.Waits {
			r := w.Resource
			if r < 0 || int(r) >= len(p.Resources) {
				hidden = true // it may be granted at any time
				continue
			}
			q := request{Agent(i), r, max(w.Place, 0), w.units(p.Resources[r].Units)}
			if k := last[r] - 1; k >= 0 && all[k].agent == q.agent {
				all[k].merge(q, s.Any)
				continue
			}
			all = append(all, q)
			last[r] = len(all)
			missing[i]++
		}
		if s.Any {
			missing[i] = min(missing[i], 1)
			if hidden {
				missing[i] = 0
			}
		}
	}
	return all, missing
}

// merge makes one of two requests by the same agent for the same resource, at
// the better place.
func (q *request) merge(other request, lesser bool) {
	q.place = min(q.place, other.place)
	switch {
	case lesser:
		q.need = min(q.need, other.need)
	case other.need > math.MaxInt64-q.need:
		q.need = math.MaxInt64
	default:
		q.need += other.need
	}
}

func byAgent(p *Picture, all []request) groups[request] {
	return groupBy(len(p.Agents), all, func(q request) int { return int(q.agent) })
}

// byResource also sorts: no line first, then by place, then by need.
func byResource(p *Picture, all []request) groups[request] {
	g := groupBy(len(p.Resources), all, func(q request) int { return int(q.resource) })
	for r := range p.Resources {
		slices.SortFunc(g.of(r), func(a, b request) int {
			return cmp.Or(cmp.Compare(a.place, b.place), cmp.Compare(a.need, b.need), cmp.Compare(a.agent, b.agent))
		})
	}
	return g
}

// pool is what can be had of one resource.
type pool struct {
	free  int64
	given bool // somebody who may go on, or whom the picture does not show, gives
}

func (p *pool) has(need int64) bool { return p.given || need <= p.free }

// pools returns what can be had while only the agents of stuck keep what they
// hold and give nothing; nil is all of them.
func pools(p *Picture, stuck []bool) []pool {
	out := make([]pool, len(p.Resources))
	for r := range out {
		res, pool := &p.Resources[r], &out[r]
		pool.free, pool.given = res.Units, res.Open
		rest := pool.free
		for _, h := range res.Holds {
			if !p.shows(h.Agent) {
				continue
			}
			units := h.units(res.Units)
			if units > rest { // torn: nobody can hold what is not there
				pool.given = true
				break
			}
			rest -= units
			if stuck == nil || stuck[h.Agent] {
				pool.free -= units
			}
		}
		for _, a := range res.Givers {
			if !p.shows(a) || stuck != nil && !stuck[a] {
				pool.given = true
			}
		}
	}
	return out
}

// shows reports whether the agent is in the picture.
func (p *Picture) shows(a Agent) bool { return a >= 0 && int(a) < len(p.Agents) }

func (w Wait) units(total int64) int64 {
	if w.Exclusive {
		return max(total, 1)
	}
	return max(w.Units, 1)
}

func (h Hold) units(total int64) int64 {
	if h.Exclusive {
		return max(total, 1)
	}
	return max(h.Units, 1)
}

// groups holds items by a small key, in the order in which they came.
type groups[T any] struct {
	first []int
	items []T
}

// groupBy sorts items by their key, which must be in [0, n).
func groupBy[T any](n int, items []T, key func(T) int) groups[T] {
	g := groups[T]{first: make([]int, n+1), items: make([]T, len(items))}
	for _, it := range items {
		g.first[key(it)+1]++
	}
	for k := range n {
		g.first[k+1] += g.first[k]
	}
	next := slices.Clone(g.first)
	for _, it := range items {
		k := key(it)
		g.items[next[k]] = it
		next[k]++
	}
	return g
}

// of returns the items of one key; they may be sorted in place.
func (g groups[T]) of(key int) []T { return g.items[g.first[key]:g.first[key+1]] }
