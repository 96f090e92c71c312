package command

import "fmt"

// newCombiner gives a function that gives one value of each source at a time,
// in a slice of the caller's, nil at the end.
func newCombiner(spec InputSpec, sources []*values) func() ([]string, error) {
	if spec.Link && len(sources) > 1 {
		l := &wrapped{sources: sources, held: make([][]string, len(sources)), ended: make([]bool, len(sources))}
		return l.next
	}
	p := &product{groups: groups(spec, sources)}
	return p.next
}

// groups puts linked sources together.
func groups(spec InputSpec, sources []*values) []*group {
	var all []*group
	for i, s := range spec.sources() {
		if i == 0 || !s.Link {
			all = append(all, &group{})
		}
		g := all[len(all)-1]
		g.sources = append(g.sources, sources[i])
	}
	return all
}

// group is sources that go in step: their values side by side are its tuples.
// It ends with the shortest of them.
type group struct {
	sources []*values
	held    [][]string // tuples read so far; not kept of the first group
	at      int        // index of the current tuple in held
	ended   bool
}

// read gives the next tuple, nil at the end. Where the first is wanted, sources
// without a value give an empty one; any tells whether one had a value.
func (g *group) read(first bool) (tuple []string, any bool, err error) {
	if g.ended {
		return nil, false, nil
	}
	for _, s := range g.sources {
		v, ok, err := s.next()
		if err != nil {
			return nil, false, err
		}
		any = any || ok
		if !ok {
			g.ended = true
			if !first {
				return nil, false, nil
			}
		}
		tuple = append(tuple, v)
	}
	return tuple, any, nil
}

// product walks through the combinations of tuples like an odometer.
type product struct {
	groups  []*group
	current [][]string // the tuples of the last combination, nil before the first
	held    int        // bytes held, see HeldBytesMax
}

func (p *product) next() ([]string, error) {
	if p.current == nil {
		return p.first()
	}
	for i := len(p.groups) - 1; i >= 0; i-- {
		tuple, err := p.advance(i)
		if err != nil {
			return nil, err
		}
		if tuple == nil {
			continue
		}
		p.current[i] = tuple
		for j := i + 1; j < len(p.groups); j++ {
			p.groups[j].at = 0
			p.current[j] = p.groups[j].held[0]
		}
		return p.flat(), nil
	}
	return nil, nil
}

func (p *product) first() ([]string, error) {
	found := false
	p.current = make([][]string, len(p.groups))
	for i, g := range p.groups {
		tuple, any, err := g.read(true)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			g.held = append(g.held, tuple)
		}
		p.current[i] = tuple
		found = found || any
	}
	if !found {
		return nil, nil
	}
	return p.flat(), nil
}

// flat gives the current combination. A lone tuple is not held and can be given
// away as it is.
func (p *product) flat() []string {
	if len(p.current) == 1 {
		return p.current[0]
	}
	var record []string
	for _, tuple := range p.current {
		record = append(record, tuple...)
	}
	return record
}

// advance moves group i to its next tuple, and gives nil at its end.
func (p *product) advance(i int) ([]string, error) {
	g := p.groups[i]
	if g.at+1 < len(g.held) {
		g.at++
		return g.held[g.at], nil
	}
	tuple, _, err := g.read(false)
	if err != nil || tuple == nil || i == 0 {
		return tuple, err
	}
	if err := hold(&p.held, tuple, g.sources[0]); err != nil {
		return nil, err
	}
	g.held = append(g.held, tuple)
	g.at++
	return tuple, nil
}

// hold counts what values of s take in memory.
func hold(bytes *int, tuple []string, s *values) error {
	if s.lines != nil {
		*bytes += heldBytes
		for _, v := range tuple {
			*bytes += len(v) + heldBytes
		}
	}
	if *bytes > HeldBytesMax {
		return fmt.Errorf("%s: values that are used again are held in memory, and take more than %d MiB; put the longest source first, or paste the sources into one file and use --colsep",
			s.place(), HeldBytesMax>>20)
	}
	return nil
}

// wrapped is sources in step as --link has it: who ends before the longest
// begins again. A regular file is read again then, and the values of others are
// held.
type wrapped struct {
	sources []*values
	held    [][]string
	ended   []bool
	n       int // records given
	bytes   int // held, see HeldBytesMax
}

func (w *wrapped) next() ([]string, error) {
	record := make([]string, len(w.sources))
	found := false
	for i, s := range w.sources {
		if w.ended[i] {
			continue
		}
		v, ok, err := s.next()
		if err != nil {
			return nil, err
		}
		if !ok {
			w.ended[i] = true
			continue
		}
		found = true
		record[i] = v
		if err := w.keep(i, v); err != nil {
			return nil, err
		}
	}
	if !found {
		return nil, nil
	}
	for i := range w.sources {
		if !w.ended[i] {
			continue
		}
		var err error
		if record[i], err = w.repeat(i); err != nil {
			return nil, err
		}
	}
	w.n++
	return record, nil
}

// repeat gives a value of source i, which has ended; empty where it had none.
func (w *wrapped) repeat(i int) (string, error) {
	if len(w.held[i]) > 0 {
		return w.held[i][w.n%len(w.held[i])], nil
	}
	if !w.sources[i].rereads() {
		return "", nil
	}
	v, ok, err := w.sources[i].next()
	if ok || err != nil {
		return v, err
	}
	again, err := w.sources[i].reopen()
	if err != nil {
		return "", fmt.Errorf("read input again: %w", err)
	}
	w.sources[i] = again
	v, ok, err = again.next()
	if !ok && err == nil {
		w.held[i] = []string{""}
	}
	return v, err
}

// keep holds a value that may be wanted again: not if all others have ended,
// since the end of source i is the end of all then.
func (w *wrapped) keep(i int, v string) error {
	if w.sources[i].rereads() {
		return nil
	}
	last := true
	for j, ended := range w.ended {
		last = last && (ended || j == i)
	}
	if last {
		w.held[i] = nil
		return nil
	}
	w.held[i] = append(w.held[i], v)
	return hold(&w.bytes, []string{v}, w.sources[i])
}

// countRecords tells how many combinations there are of sources with so many
// values; false where that is more than can be counted.
func countRecords(spec InputSpec, counts []int64) (n int64, ok bool) {
	const most = 1 << 40
	n, found := 1, false
	least := int64(0)
	longest := int64(0)
	for i, c := range counts {
		found = found || c > 0
		longest = max(longest, c)
		c = max(c, 1)
		if i > 0 && spec.sources()[i].Link {
			n /= least
			c = min(c, least)
		}
		least = c
		n *= c
		if n > most {
			return 0, false
		}
	}
	switch {
	case !found:
		return 0, true
	case spec.Link:
		return longest, true
	}
	return n, true
}
