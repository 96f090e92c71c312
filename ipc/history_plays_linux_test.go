package ipc

import (
	"context"
	"errors"
	"strings"
)

// What the clients of histories do.

// errStuck ends a wait that should have ended.
var errStuck = errors.New("ipc: nobody gives what was waited for")

// bounded has one wait of four end early, and all at last.
func (a *actor) bounded() (context.Context, context.CancelFunc) {
	if a.rnd.IntN(4) == 0 {
		return shortly()
	}
	return context.WithTimeoutCause(context.Background(), patience, errStuck)
}

func mutexClient(s *Space, a *actor) (act, leave func()) {
	m := must(s.Mutex("o"))
	holds, heir := false, false
	took := func(said int64) {
		holds, heir = said == saidYes || said == saidOwnerDied, said == saidOwnerDied
	}
	unlock := func() {
		if heir && a.rnd.IntN(8) != 0 { // or nobody gets it any more
			a.do(opMarkConsistent, 0, nil, func() []int64 { return []int64{said(m.MarkConsistent())} })
		}
		a.do(opUnlock, 0, nil, func() []int64 { return []int64{said(m.Unlock())} })
		holds = false
	}
	act = func() {
		switch {
		case holds:
			unlock()
		case a.rnd.IntN(3) == 0:
			took(a.do(opTryLock, 0, nil, func() []int64 {
				ok, err := m.TryLock()
				return []int64{orNot(ok, err)}
			})[0])
		default:
			ctx, cancel := a.bounded()
			defer cancel()
			took(a.do(opLock, 0, nil, func() []int64 { return []int64{said(m.Lock(ctx))} })[0])
		}
	}
	return act, func() {
		if holds {
			unlock()
		}
	}
}

func mutexLast(s *Space, a *actor) {
	act, leave := mutexClient(s, a)
	act()
	leave()
}

func semaphoreClient(s *Space, a *actor) (act, leave func()) {
	m := must(s.Semaphore("o", historyUnits))
	holds := int64(0)
	release := func(n int64) {
		a.do(opRelease, 0, []int64{n}, func() []int64 { return []int64{said(m.Release(n))} })
		holds -= n
	}
	act = func() {
		n := 1 + a.rnd.Int64N(historyUnits)
		switch {
		case holds > 0:
			release(min(n, holds))
			return
		case a.rnd.IntN(3) == 0:
			if a.do(opTryAcquire, 0, []int64{n}, func() []int64 {
				ok, err := m.TryAcquire(n)
				return []int64{orNot(ok, err)}
			})[0] == saidYes {
				holds = n
			}
		default:
			ctx, cancel := a.bounded()
			defer cancel()
			if a.do(opAcquire, 0, []int64{n}, func() []int64 { return []int64{said(m.Acquire(ctx, n))} })[0] == saidYes {
				holds = n
			}
		}
	}
	return act, func() {
		if holds > 0 {
			release(holds)
		}
	}
}

// semaphoreLast has all units back.
func semaphoreLast(s *Space, a *actor) {
	m := must(s.Semaphore("o", historyUnits))
	a.do(opAcquire, 0, []int64{historyUnits}, func() []int64 {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		return []int64{said(m.Acquire(ctx, historyUnits))}
	})
}

func chanClient(s *Space, a *actor) (act, leave func()) {
	c := must(OpenChan[int64](s, "o", historyRoom))
	return func() {
		many := 1 + a.rnd.IntN(3)
		switch a.rnd.IntN(16) {
		case 0, 1, 2:
			a.send(1, opTrySend, func(vs []int64) (int, int64) {
				ok, err := c.TrySend(vs[0])
				if ok {
					return 1, saidYes
				}
				return 0, orNot(ok, err)
			})
		case 3, 4:
			ctx, cancel := shortly()
			defer cancel()
			a.send(1, opSend, func(vs []int64) (int, int64) {
				if err := c.Send(ctx, vs[0]); err != nil {
					return 0, said(err)
				}
				return 1, saidYes
			})
		case 5, 6:
			ctx, cancel := shortly()
			defer cancel()
			a.send(many, opSend, func(vs []int64) (int, int64) {
				n, err := c.SendMany(ctx, vs)
				return n, said(err)
			})
		case 7, 8, 9:
			a.receive(1, opTryReceive, func(into []int64) (int, int64) {
				v, ok, over, err := c.TryReceive()
				into[0] = v
				return ofReceive(ok, over, err)
			})
		case 10, 11, 12:
			ctx, cancel := shortly()
			defer cancel()
			a.receive(1, opReceive, func(into []int64) (int, int64) {
				v, ok, err := c.Receive(ctx)
				into[0] = v
				return ofReceive(ok, !ok && err == nil, err)
			})
		case 13, 14:
			ctx, cancel := shortly()
			defer cancel()
			a.receive(many, opReceive, func(into []int64) (int, int64) {
				n, ok, err := c.ReceiveMany(ctx, into)
				_, said := ofReceive(ok, !ok && err == nil, err)
				return n, said
			})
		case 15:
			if a.rnd.IntN(16) == 0 { // or most of the history is behind the end
				a.do(opClose, 0, nil, func() []int64 { return []int64{said(c.Close())} })
			}
		}
	}, func() {}
}

func ofReceive(ok, over bool, err error) (int, int64) {
	switch {
	case ok:
		return 1, saidYes
	case over:
		return 0, saidClosed
	}
	return 0, orNot(false, err)
}

// send records the sending of n new messages.
func (a *actor) send(n int, o op, f func(vs []int64) (int, int64)) {
	var in, vs []int64
	for range n {
		v := a.next()
		in, vs = append(in, a.number, v), append(vs, v)
	}
	a.do(o, 0, in, func() []int64 {
		n, said := f(vs)
		return []int64{said, int64(n)}
	})
}

// receive records the receiving of up to n messages.
func (a *actor) receive(n int, o op, f func(into []int64) (int, int64)) int64 {
	into := make([]int64, n)
	out := a.do(o, 0, []int64{a.took + 1, int64(n)}, func() []int64 {
		n, said := f(into)
		return append([]int64{said}, into[:n]...)
	})
	a.took += int64(len(out) - 1)
	return out[0]
}

// chanLast receives all that is left.
func chanLast(s *Space, a *actor) {
	c := must(OpenChan[int64](s, "o", historyRoom))
	a.do(opClose, 0, nil, func() []int64 { return []int64{said(c.Close())} })
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for a.receive(1, opReceive, func(into []int64) (int, int64) {
		v, ok, err := c.Receive(ctx)
		into[0] = v
		return ofReceive(ok, !ok && err == nil, err)
	}) == saidYes {
	}
}

// historyValue is a number, and text made of it that is long for some, so that it lies
// elsewhere, and tells whether the value is whole.
type historyValue struct {
	N    int64
	Text string
}

func valueOf(n int64) historyValue {
	return historyValue{n, strings.Repeat(string(rune('a'+n%26)), int(n%4)*20)}
}

func (v historyValue) number() int64 {
	if v != valueOf(v.N) {
		panic("ipc: a torn value: " + v.Text)
	}
	return v.N
}

func varClient(s *Space, a *actor) (act, leave func()) {
	ctx := context.Background()
	v := must(OpenVar(s, "o", valueOf(0)))
	return func() {
		n := a.next()
		switch a.rnd.IntN(5) {
		case 0:
			a.do(opLoad, 0, nil, func() []int64 { return []int64{saidYes, must(v.Load()).number()} })
		case 1:
			a.do(opLoad, 0, nil, func() []int64 {
				value, version, err := v.LoadVersion()
				return []int64{said(err), value.number(), int64(version)}
			})
		case 2:
			a.do(opStore, 0, []int64{n}, func() []int64 { return []int64{said(v.Store(valueOf(n)))} })
		case 3:
			a.do(opSwap, 0, []int64{n}, func() []int64 { return []int64{saidYes, must(v.Swap(valueOf(n))).number()} })
		case 4:
			a.do(opUpdate, 0, []int64{n}, func() []int64 {
				var was historyValue
				_, err := v.Update(ctx, func(old historyValue) (historyValue, error) { was = old; return valueOf(n), nil })
				return []int64{said(err), was.number()}
			})
		}
	}, func() {}
}

func varLast(s *Space, a *actor) {
	v := must(OpenVar(s, "o", valueOf(0)))
	a.do(opLoad, 0, nil, func() []int64 {
		value, version, err := v.LoadVersion()
		return []int64{said(err), value.number(), int64(version)}
	})
}

// historyKeys is how many keys of the map are in use. It has room for more, since the
// dead may leave some of it unused.
const historyKeys = 3

func openHistoryMap(s *Space) *Map[int64, historyValue] {
	return must(OpenMap[int64, historyValue](s, "o", 64))
}

func mapClient(s *Space, a *actor) (act, leave func()) {
	m := openHistoryMap(s)
	return func() {
		key, n := a.rnd.Int64N(historyKeys), a.next()
		switch a.rnd.IntN(5) {
		case 0:
			a.load(m, key)
		case 1:
			a.do(opStore, key, []int64{n}, func() []int64 { return []int64{said(m.Store(key, valueOf(n)))} })
		case 2:
			a.do(opDelete, key, nil, func() []int64 { return []int64{orNot(m.Delete(key))} })
		case 3:
			a.do(opLoadOrStore, key, []int64{n}, func() []int64 {
				actual, loaded, err := m.LoadOrStore(key, valueOf(n))
				return []int64{orNot(loaded, err), actual.number()}
			})
		case 4:
			a.do(opUpdate, key, []int64{n}, func() []int64 {
				was := int64(absent)
				_, err := m.Update(context.Background(), key, func(old historyValue, ok bool) (historyValue, error) {
					if was = absent; ok {
						was = old.number()
					}
					return valueOf(n), nil
				})
				return []int64{said(err), was}
			})
		}
	}, func() {}
}

func (a *actor) load(m *Map[int64, historyValue], key int64) {
	a.do(opLoad, key, nil, func() []int64 {
		v, ok, err := m.Load(key)
		if !ok {
			return []int64{said(err), absent}
		}
		return []int64{said(err), v.number()}
	})
}

func mapLast(s *Space, a *actor) {
	m := openHistoryMap(s)
	for key := range int64(historyKeys) {
		a.load(m, key)
	}
	if n, err := m.Len(); n > historyKeys || err != nil {
		panic(errors.Join(err, errors.New("ipc: more keys than there are")))
	}
}

func counterClient(s *Space, a *actor) (act, leave func()) {
	c := must(s.Counter("o"))
	return func() {
		if a.rnd.IntN(3) == 0 {
			a.do(opSum, 0, nil, func() []int64 { return []int64{c.Load()} })
			return
		}
		n := a.rnd.Int64N(100) - 50
		a.do(opAdd, 0, []int64{n}, func() []int64 { c.Add(n); return nil })
	}, func() {}
}

func counterLast(s *Space, a *actor) {
	c := must(s.Counter("o"))
	a.do(opSum, 0, nil, func() []int64 { return []int64{c.Load()} })
}
