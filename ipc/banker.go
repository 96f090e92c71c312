package ipc

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tutti-run/tutti/internal/waitfor"
)

// Banker lends units of several resources to those who have declared the most that they
// will ever hold at once. It gives what is free only if all can still come to their
// ends after that, even if each then asks for all that it declared (the Banker's
// algorithm, see waitfor.Safe). So they may acquire in any order, bit by bit, and never
// come to wait for each other in a circle, as long as each gives back what it has
// once it has had what it needs, and waits for no other lock meanwhile that somebody
// holds who waits for the Banker: such circles are not found.
//
// Requests are granted in the order of asking, but that those who hold something may
// overtake those who must wait: perhaps it is they who have to end first. What a
// process holds comes back when it dies.
type Banker struct{ bank }

// Banker returns the Banker of a name, and makes it with so many units of each resource
// if it is not there. Units that are nil say that it is there already, with any
// resources. There may be up to 16 resources, and 256 claims at a time.
func (s *Space) Banker(name string, units map[string]int64) (*Banker, error) {
	b, err := s.bank(name, units)
	if err != nil {
		return nil, fmt.Errorf("ipc: banker %q: %w", name, err)
	}
	return &Banker{b}, nil
}

// Units returns how many units of each resource there are, and how many are held; none
// in a closed space.
func (b *Banker) Units() (total, held map[string]int64) {
	total, held = map[string]int64{}, map[string]int64{}
	if b.s.enter() != nil {
		return total, held
	}
	defer b.s.leave()
	o := b.s.lock(b.i)
	defer b.s.unlock(o)
	for r, name := range b.names {
		total[name] = b.total[r]
		for k := range bankRows {
			if row := b.row(k); row.load().state() != bankFree {
				held[name] += row.held()[r]
			}
		}
	}
	return total, held
}

// Claim is the right to hold up to so many units at once. It belongs to the process
// that declared it, whose goroutines may all use it; but one at a time may wait with
// it.
type Claim struct {
	b    *Banker
	k    int      // row
	mine bankWord // of the row, but for its state
}

// Declare makes a claim to so many units: the most that will be held at once. It never
// waits, for a claim that holds nothing stands in nobody's way. To declare more than
// there is is an error. Close ends the claim.
func (b *Banker) Declare(most map[string]int64) (*Claim, error) {
	v, err := b.vector(most)
	if err != nil {
		return nil, err
	}
	for r, n := range v {
		if n > b.total[r] {
			return nil, b.errorf("%d of %q declared, and there are %d at all; declare less", n, b.names[r], b.total[r])
		}
	}
	s := b.s
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.leave()
	o := s.lock(b.i)
	defer s.unlock(o)
	for k := range bankRows {
		row := b.row(k)
		w := row.load()
		if w.state() != bankFree {
			continue
		}
		copy(row.most, v)
		for r := range v {
			setUnits(&row.alloc[0][r], 0)
		}
		at("banker-filled")
		mine := w.declared(s.slot)
		row.store(mine)
		at("banker-declared")
		return &Claim{b, k, mine.owner()}, nil
	}
	return nil, fmt.Errorf("%w: banker %q has %d claims; close some, or declare fewer at a time", ErrTooMany, b.name(), bankRows)
}

// Acquire takes units, all or none, and waits until ctx is done for the moment at which
// they are free and nobody is put at risk. To ask for more than was declared is an
// error at once.
//
//go:noinline
func (c *Claim) Acquire(ctx context.Context, units map[string]int64) error {
	agent, pc, cycles := here()
	_, err := c.acquire(units, caller{agent, pc, cycles}, func(i int) error { return c.b.s.sleep(ctx, i) })
	return err
}

// TryAcquire takes units if that need not be waited for, and reports whether it did.
//
//go:noinline
func (c *Claim) TryAcquire(units map[string]int64) (bool, error) {
	agent, pc, cycles := here()
	return c.acquire(units, caller{agent, pc, cycles}, func(int) error { return nil })
}

// acquire takes units, and calls await with the claim that waits if they are not
// granted at once.
func (c *Claim) acquire(units map[string]int64, who caller, await func(i int) error) (got bool, err error) {
	b, s := c.b, c.b.s
	want, err := b.vector(units)
	if err != nil || sum(want) == 0 {
		return err == nil, err
	}
	if err := s.enter(); err != nil {
		return false, err
	}
	defer s.leave()
	i, err := s.claim(b.i, sum(want), false, who.agent, who.pc, who.cycles)
	if err != nil {
		return false, err
	}
	o := s.lock(b.i)
	if err := c.ask(o, i, want); err != nil {
		s.unlock(o)
		s.unclaim(i)
		return false, err
	}
	granted := b.grant(o)
	s.unlock(o)
	for _, g := range granted {
		if g != i {
			s.ring(g)
		}
	}
	if !slices.Contains(granted, i) {
		err = await(i)
	}
	if c.settle(i) {
		return true, nil // also if it came at the same time as an error
	}
	return false, err
}

// ask has claim i wait for units, unless they can never be granted. The latch is held.
func (c *Claim) ask(o *object, i int, want []int64) error {
	b, s := c.b, c.b.s
	row, w, err := c.row()
	if err != nil {
		return err
	}
	if w.state() == bankWanting {
		return b.errorf("another goroutine waits with this claim; declare one for each")
	}
	task := []waitfor.Task{{Claim: row.most, Alloc: row.held()}}
	if d := waitfor.Grant(b.total, task, 0, want); d.Ruling == waitfor.Refused {
		reason := d.Reason
		if d.Resource >= 0 {
			reason = fmt.Sprintf("%q: %s", b.names[d.Resource], reason)
		}
		return b.errorf("%s", reason)
	}
	copy(row.want, want)
	row.head.claim = uint32(i)
	at("banker-asking")
	cl := &s.claims[i]
	storeWord(&cl.ticket, s.head.tickets.Add(1))
	cl.word.Store(uint64(cl.load().to(claimWaiting)))
	at("banker-waiting")
	s.enqueue(o, i)
	at("banker-listed")
	row.store(w.to(bankWanting))
	at("banker-wanting")
	return nil
}

// settle ends the wait of claim i and reports whether its units were granted. Those who
// wait behind it may have their turn.
func (c *Claim) settle(i int) (got bool) {
	b, s := c.b, c.b.s
	o := s.lock(b.i)
	row, w, err := c.row()
	got = err == nil && w.state() != bankWanting
	if err == nil && !got {
		row.store(w.to(bankDeclared))
		at("banker-withdrawn")
	}
	if s.listed(o, i) {
		s.dequeue(o, i)
	}
	s.claims[i].settle()
	at("banker-settled")
	b.passOn(o)
	s.unclaim(i)
	return got
}

// Release gives back units that the claim holds.
func (c *Claim) Release(units map[string]int64) error {
	b, s := c.b, c.b.s
	back, err := b.vector(units)
	if err != nil {
		return err
	}
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	o := s.lock(b.i)
	row, w, err := c.row()
	if err != nil {
		s.unlock(o)
		return err
	}
	held, left := row.held(), row.spare()
	for r, n := range back {
		if n > held[r] {
			s.unlock(o)
			return fmt.Errorf("%w: %d of %q given back to banker %q, %d are held", ErrNotOwner, n, b.names[r], b.name(), held[r])
		}
		setUnits(&left[r], held[r]-n)
	}
	at("banker-counted")
	row.store(w.flipped())
	at("banker-released")
	b.passOn(o)
	return nil
}

// Close gives back all that the claim holds, and ends it. What ended already is no
// error.
func (c *Claim) Close() error {
	b, s := c.b, c.b.s
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	o := s.lock(b.i)
	row, w, err := c.row()
	switch {
	case errors.Is(err, ErrClosed):
		s.unlock(o)
		return nil
	case w.state() == bankWanting:
		s.unlock(o)
		return b.errorf("a goroutine waits with this claim; end its wait first")
	}
	row.store(w.to(bankFree))
	at("banker-closed")
	b.passOn(o)
	return nil
}

// row is the claim's row; the latch is held.
func (c *Claim) row() (row bankRow, w bankWord, err error) {
	row = c.b.row(c.k)
	if w = row.load(); w.state() == bankFree || w.owner() != c.mine {
		return row, w, fmt.Errorf("a claim of banker %q: %w", c.b.name(), ErrClosed)
	}
	return row, w, nil
}

// vector orders units as the resources are.
func (b *bank) vector(units map[string]int64) ([]int64, error) {
	v := make([]int64, len(b.names))
	for _, name := range slices.Sorted(maps.Keys(units)) {
		r := slices.Index(b.names, name)
		switch {
		case r < 0:
			return nil, b.errorf("there is no %q; there is %s", name, strings.Join(b.names, ", "))
		case units[name] < 0:
			return nil, b.errorf("%d of %q; a number of units is 0 or more", units[name], name)
		}
		v[r] = units[name]
	}
	return v, nil
}

func (b *bank) errorf(format string, args ...any) error {
	return fmt.Errorf("ipc: banker %q: %s", b.name(), fmt.Sprintf(format, args...))
}

func sum(v []int64) (n int64) {
	for _, x := range v {
		n += x
	}
	return n
}
