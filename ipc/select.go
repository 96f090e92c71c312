package ipc

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/tutti-run/tutti/shm"
)

// Case is one of the things that Select chooses from.
type Case struct {
	r    *ring // nil: never
	send bool
	try  func() verdict
	last bool // the default
}

// casesMax is bounded by the words that one wait can watch: two for a case.
const casesMax = shm.MaxWaitWords / 2

// Sending is the case in which v is sent to c. For a nil channel it is never chosen.
func (c *Chan[T]) Sending(v T) Case {
	if c == nil {
		return Case{}
	}
	return Case{r: c.ring, send: true, try: func() verdict { return c.trySend(&v) }}
}

// Receiving is the case in which a message of c is received into *v, or c is found
// closed and empty; *ok says which. Both may be nil. For a nil channel it is never
// chosen.
func (c *Chan[T]) Receiving(v *T, ok *bool) Case {
	if c == nil {
		return Case{}
	}
	if v == nil {
		v = new(T)
	}
	return Case{r: c.ring, try: func() verdict {
		done := c.tryReceive(v)
		if ok != nil && done != blocked {
			*ok = done == ready
		}
		if done == closed {
			var none T
			*v = none
		}
		return done
	}}
}

// Default is the case that Select chooses when no other is ready, in place of waiting.
func Default() Case { return Case{last: true} }

// Select does one of the cases, and waits until one can be done or ctx is done. It
// returns the index of the one that it did; of several that are ready each has the same
// chance. To send to a closed channel is an error, ErrClosed, returned with the index
// of that case. Other errors come with the index -1, a *DeadlockError among them. There
// may be 64 cases, on channels of one space.
//
//go:noinline
func Select(ctx context.Context, cases ...Case) (int, error) {
	agent, pc, cycles := here()
	var s *Space
	last := -1
	for i, c := range cases {
		switch {
		case c.last:
			last = i
		case c.r == nil:
		case s == nil:
			s = c.r.s
		case s != c.r.s:
			return -1, errors.New("ipc: Select over channels of several spaces, or of one that was opened twice")
		}
	}
	if len(cases) > casesMax {
		return -1, fmt.Errorf("ipc: Select over %d cases: at most %d are possible", len(cases), casesMax)
	}
	if s != nil && s.closing.Load() {
		return -1, ErrClosed
	}
	if i, v := tryCases(cases); v != blocked {
		return i, cases[i].error(v)
	}
	if last >= 0 {
		return last, nil
	}
	if s == nil { // nothing can ever be done
		<-ctx.Done()
		return -1, context.Cause(ctx)
	}
	if ctx.Err() != nil {
		return -1, context.Cause(ctx)
	}
	chosen := -1
	try := func() (v verdict) {
		chosen, v = tryCases(cases)
		return v
	}
	if err := s.enter(); err != nil {
		return -1, err
	}
	defer s.leave() // behind passOn
	var sp spinner
	v := sp.spin(try)
	if v == blocked {
		var err error
		v, err = s.awaitCases(ctx, cases, caller{agent, pc, cycles}, try)
		for _, c := range cases {
			if c.r != nil {
				c.r.passOn(c.send)
			}
		}
		if err != nil {
			return -1, err
		}
	}
	return chosen, cases[chosen].error(v)
}

// tryCases tries the cases, from one that chance chooses on.
func tryCases(cases []Case) (int, verdict) {
	if len(cases) == 0 {
		return -1, blocked
	}
	first := rand.IntN(len(cases))
	for k := range cases {
		i := (first + k) % len(cases)
		if cases[i].r == nil {
			continue
		}
		if v := cases[i].try(); v != blocked {
			return i, v
		}
	}
	return -1, blocked
}

func (c *Case) error(v verdict) error {
	if c.send {
		return c.r.error(v)
	}
	return c.r.receiverError(v)
}

func (c *Case) bell() (*bell, int64) {
	if c.send {
		return &c.r.state.senders, waitsForRoom
	}
	return &c.r.state.receivers, waitsForMessage
}

// awaitCases is await for several channels: it makes a claim for each of them, all by
// the same goroutine with the same ticket, which waits for any of them.
func (s *Space) awaitCases(ctx context.Context, cases []Case, who caller, try func() verdict) (verdict, error) {
	var claims []int
	var bells []*bell
	defer func() {
		for _, i := range claims {
			s.claims[i].settle()
			s.unclaim(i)
		}
	}()
	ticket := s.head.tickets.Add(1)
	for k := range cases {
		if cases[k].r == nil {
			continue
		}
		b, units := cases[k].bell()
		i, err := s.claim(cases[k].r.object, units, false, who.agent, who.pc, who.cycles)
		if err != nil {
			return blocked, err
		}
		claims, bells = append(claims, i), append(bells, b)
		storeWord(&s.claims[i].ticket, ticket)
		s.claims[i].asleep.Store(0)
		s.claims[i].word.Store(uint64(s.claims[i].load().to(claimWaiting)))
		at("select-waiting")
	}
	words := make([]shm.WaitWord, len(bells), casesMax*2)
	for pause := firstLook; ; {
		for k, b := range bells {
			words[k] = shm.WaitWord{Addr: addr(&b.word), Val: b.announce()} // SYNC bell: pairs with ring
		}
		if v := try(); v != blocked {
			return v, nil
		}
		s.sayAsleep(claims, 1) // from here on it takes and gives nothing; see picture
		at("select-sleeping")
		err := s.sleepOnAny(ctx, claims, words, &pause)
		s.sayAsleep(claims, 0)
		if err != nil {
			return blocked, err
		}
		for _, i := range claims {
			if s.claims[i].load().state() == claimAborted {
				return blocked, s.deadlocked(i)
			}
		}
	}
}

// sayAsleep says of a goroutine that waits with claims whether it is asleep.
func (s *Space) sayAsleep(claims []int, asleep uint32) {
	for _, i := range claims {
		s.claims[i].asleep.Store(asleep)
	}
}

// sleepOnAny is sleepOn for several claims and words. It returns whenever there may be
// something to see.
func (s *Space) sleepOnAny(ctx context.Context, claims []int, words []shm.WaitWord, pause *time.Duration) error {
	if ctx.Done() != nil {
		defer context.AfterFunc(ctx, func() { s.ring(claims[0]) })()
	}
	for _, i := range claims {
		c := &s.claims[i]
		words = append(words, shm.WaitWord{Addr: addr(&c.park), Val: c.park.Load()}) // SYNC claim-park
	}
	for _, i := range claims {
		if s.claims[i].load().state() != claimWaiting {
			return nil
		}
	}
	if s.closing.Load() {
		return ErrClosed
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	woken, err := shm.WaitAny(words, *pause)
	if err != nil || woken >= 0 {
		return err
	}
	if *pause == firstLook {
		s.inspect(claims[0])
	}
	s.buryTheDead()
	*pause = min(max(backstop, 2**pause), laterMax)
	return nil
}
