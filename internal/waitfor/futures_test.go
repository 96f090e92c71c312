package waitfor

import "slices"

// future is a state that a small picture can come to.
type future struct {
	blocked [4]bool
	given   [3]bool
	held    [3][4]int64
}

// stuckInAllFutures plays, one by one, all grants, releases and gifts that can
// follow each other, and returns the agents that are blocked in every state.
func stuckInAllFutures(p *Picture) []Agent {
	var now future
	for a, s := range p.Agents {
		now.blocked[a] = len(s.Waits) > 0
	}
	for r, res := range p.Resources {
		now.given[r] = res.Open
		for _, h := range res.Holds {
			if p.shows(h.Agent) {
				now.held[r][h.Agent] += h.units(res.Units)
			}
		}
	}
	var freed [4]bool
	seen := map[future]bool{now: true}
	for todo := []future{now}; len(todo) > 0; {
		now, todo = todo[len(todo)-1], todo[:len(todo)-1]
		for a := range p.Agents {
			freed[a] = freed[a] || !now.blocked[a]
			for _, next := range now.after(p, a) {
				if !seen[next] {
					seen[next] = true
					todo = append(todo, next)
				}
			}
		}
	}
	var stuck []Agent
	for a := range p.Agents {
		if !freed[a] {
			stuck = append(stuck, Agent(a))
		}
	}
	return stuck
}

// after returns the states that one act of agent a, or one grant to it, leads to.
func (f future) after(p *Picture, a int) (next []future) {
	if !f.blocked[a] {
		for r, res := range p.Resources {
			n := f
			n.held[r][a] = 0
			next = append(next, n)
			if slices.Contains(res.Givers, Agent(a)) {
				n = f
				n.given[r] = true
				next = append(next, n)
			}
		}
		return next
	}
	every, possible := f, true
	every.blocked[a] = false
	for _, w := range p.Agents[a].Waits {
		if !f.grantable(p, a, w) {
			possible = false
			continue
		}
		every.take(p, a, w)
		if p.Agents[a].Any {
			one := f
			one.blocked[a] = false
			one.take(p, a, w)
			next = append(next, one)
		}
	}
	if possible && !p.Agents[a].Any {
		next = append(next, every)
	}
	return next
}

func (f *future) take(p *Picture, a int, w Wait) {
	if !f.given[w.Resource] { // gifts do not run out
		f.held[w.Resource][a] += w.units(p.Resources[w.Resource].Units)
	}
}

func (f *future) grantable(p *Picture, a int, w Wait) bool {
	for b, s := range p.Agents {
		for _, o := range s.Waits {
			if b != a && f.blocked[b] && o.Resource == w.Resource && o.Place > 0 && o.Place < w.Place {
				return false
			}
		}
	}
	free := p.Resources[w.Resource].Units
	for _, n := range f.held[w.Resource] {
		free -= n
	}
	return f.given[w.Resource] || w.units(p.Resources[w.Resource].Units) <= free
}
