package cli

// precedence knows which starts of commands have been delivered, so that one that runs is
// not shown before one that ended when it had not begun: the end of that may be on its
// way. Tickets are given in the order of the starts.
type precedence struct {
	upTo  uint64          // all up to it are
	later map[uint64]bool // and these
}

// add notes that a start was delivered.
func (p *precedence) add(ticket uint64) {
	if ticket <= p.upTo {
		return // 0: it was none
	}
	if p.later == nil {
		p.later = map[uint64]bool{}
	}
	p.later[ticket] = true
	for p.later[p.upTo+1] {
		p.upTo++
		delete(p.later, p.upTo)
	}
}

// owed is the first start that was not delivered and does not run: later ones are put
// off. It is at most one behind the last that runs.
func (p *precedence) owed(runs map[uint64]bool) uint64 {
	t := p.upTo + 1
	for p.later[t] || runs[t] {
		t++
	}
	return t
}
