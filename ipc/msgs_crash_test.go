package ipc

import (
	"fmt"
	"maps"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
)

// Death at every point.
//
// A scenario runs in one process, the victim's; a survivor looks on. First it is run to
// its end, and then once for each fail point that the victim's goroutine meets: there it
// stops for ever, and its process dies. What the survivor finds must be right.

// deathBed is where one victim dies.
type deathBed struct {
	agent atomic.Uint64 // the victim
	left  int           // points until its death; below 0: none
	died  chan string
	end   chan bool // closed when the test is over
}

var msgsBed atomic.Pointer[deathBed]

// msgsPoint is called at every fail point.
func msgsPoint(point string) {
	bed := msgsBed.Load()
	if bed == nil || bed.agent.Load() != self() {
		return
	}
	if bed.left--; bed.left == 0 {
		bed.agent.Store(0)
		bed.died <- point
		<-bed.end
		// By now nobody looks any more at what deferred functions do.
		runtime.Goexit()
	}
}

// dieIn runs f as the victim until it meets its n-th fail point (from 1; 0: to its end) and
// returns that, or "". The victim's goroutine ends when the test does.
func dieIn(t *testing.T, n int, f func()) (point string) {
	t.Helper()
	bed := &deathBed{left: n, died: make(chan string), end: make(chan bool)}
	gone := make(chan bool)
	msgsBed.Store(bed)
	go func() {
		defer close(gone)
		bed.agent.Store(self())
		f()
		bed.agent.Store(0)
		bed.died <- ""
	}()
	point = <-bed.died
	msgsBed.Store(nil)
	t.Cleanup(func() { close(bed.end); <-gone })
	return point
}

// scenario is one of them. run returns what the victim does, and what the survivor then
// checks, where point is "" if nobody died.
type scenario func(t *testing.T, victim, survivor *Space) (act func(), check func(point string))

// everyDeath plays a scenario through, and notes the points that it met.
func everyDeath(t *testing.T, name string, play scenario) map[string]bool {
	points := map[string]bool{}
	t.Run(name, func(t *testing.T) {
		// Points depend on what the others do at the same time, so their number is not
		// known before.
		for n, last := 0, false; !last; n++ {
			t.Run(fmt.Sprint(n), func(t *testing.T) {
				spaces := heapSpaces(t, 2, Options{Objects: 4, Claims: 16})
				victim, survivor := spaces[0], spaces[1]
				act, check := play(t, victim, survivor)
				point := dieIn(t, n, act)
				last = n > 0 && point == ""
				if point != "" {
					points[point] = true
					die(victim)
					for survivor.members[victim.slot].load().state() != memberFree {
						survivor.buryIfDead(victim.slot)
						runtime.Gosched()
					}
					<-victim.guarded
				}
				check(point)
				if point != "" {
					for i := range survivor.claims {
						if w := survivor.claims[i].load(); w.state() != claimFree && w.slot() == victim.slot {
							t.Errorf("after %q a claim of the dead is left: %#x", point, uint64(w))
						}
					}
				}
				if t.Failed() {
					t.Fatalf("death at point %d, %q", n, point)
				}
			})
			if t.Failed() {
				return
			}
		}
	})
	return points
}

// mustMeet plays scenarios until somebody has died at each of some points. Once is
// enough, but for those where one waits for the other: that is chance.
func mustMeet(t *testing.T, plays map[string]scenario, points ...string) {
	t.Helper()
	met := map[string]bool{}
	unmet := func() int { return slices.IndexFunc(points, func(p string) bool { return !met[p] }) }
	for range 20 {
		for name, play := range plays {
			maps.Copy(met, everyDeath(t, name, play))
		}
		if t.Failed() || unmet() < 0 {
			break
		}
	}
	t.Logf("died at %q", slices.Sorted(maps.Keys(met)))
	if i := unmet(); i >= 0 {
		t.Errorf("nobody died at %q", points[i])
	}
}

// TestDeathInChan kills senders and receivers between any two steps.
func TestDeathInChan(t *testing.T) {
	for _, capacity := range []int{1, 2, 4} {
		t.Run(fmt.Sprint(capacity), func(t *testing.T) {
			points := []string{"ring-claimed", "ring-valued", "ring-full", "ring-taken", "ring-copied", "ring-freed", "ring-closed"}
			if capacity > 2 {
				points = append(points, "ring-inner")
			}
			mustMeet(t, map[string]scenario{
				"send": sendScenario(capacity), "receive": receiveScenario(capacity), "close": closeScenario(capacity),
			}, points...)
		})
	}
	mustMeet(t, map[string]scenario{"open": openScenario, "bury": buryScenario},
		"object-filled", "object-made", "ring-allocated", "ring-skipped", "ring-voided", "ring-void-inner")
	mustMeet(t, map[string]scenario{"wait": wakeScenario}, "bell-announced", "bell-ringing", "bell-rung", "bell-silenced",
		"await-waiting", "await-sleeping", "await-woken", "select-waiting", "select-sleeping")
}

// works checks that a channel that is empty does all that it should.
func works(t *testing.T, c *Chan[message]) {
	t.Helper()
	if c.Len() != 0 {
		t.Errorf("%d messages are left", c.Len())
	}
	for round := range 3 {
		for k := range c.Cap() {
			if ok, err := c.TrySend(newMessage(9, round*100+k)); !ok || err != nil {
				t.Fatalf("message %d of %d was not sent: %v", k, c.Cap(), err)
			}
		}
		if ok, err := c.TrySend(message{}); ok || err != nil {
			t.Fatalf("there is room for too many messages: %v", err)
		}
		for k := range c.Cap() {
			m, ok, _, err := c.TryReceive()
			if !ok || err != nil || m != newMessage(9, round*100+k) {
				t.Fatalf("received %v, %v, %v", m, ok, err)
			}
		}
	}
	if _, ok, _, err := c.TryReceive(); ok || err != nil {
		t.Fatalf("there are too many messages: %v", err)
	}
}

// drain receives all that is there: whole, and each sender's in order.
func drain(t *testing.T, c *Chan[message]) (got []message) {
	t.Helper()
	last := map[uint32]int{}
	for {
		m, ok, _, err := c.TryReceive()
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return got
		}
		if before, ok := last[m.sender]; !m.whole() || ok && before >= int(m.number) {
			t.Errorf("received %v after %d", m, before)
		}
		last[m.sender] = int(m.number)
		got = append(got, m)
	}
}

// The victim sends, one by one and many at once, beside messages of the survivor.
func sendScenario(capacity int) scenario {
	return func(t *testing.T, victim, survivor *Space) (func(), func(string)) {
		c := must(OpenChan[message](survivor, "c", capacity))
		nearWrap(c, 1)
		sent := map[message]bool{}
		if capacity > 1 {
			if err := c.Send(soon(t), newMessage(0, 0)); err != nil {
				t.Fatal(err)
			}
			sent[newMessage(0, 0)] = true
		}
		mine := must(OpenChan[message](victim, "c", 0))
		act := func() {
			for n := range 2 {
				if ok, _ := mine.TrySend(newMessage(1, n)); ok {
					sent[newMessage(1, n)] = true
				}
			}
			var batch []message
			for n := range mine.Cap() - mine.Len() {
				batch = append(batch, newMessage(1, 10+n))
			}
			n, _ := mine.SendMany(t.Context(), batch)
			for _, m := range batch[:n] {
				sent[m] = true
			}
		}
		return act, func(string) {
			got := map[message]bool{}
			for _, m := range drain(t, c) {
				got[m] = true
			}
			for m := range sent {
				if !got[m] {
					t.Errorf("%v was sent and lost", m)
				}
			}
			works(t, c)
		}
	}
}

// The victim receives, one by one and many at once.
func receiveScenario(capacity int) scenario {
	return func(t *testing.T, victim, survivor *Space) (func(), func(string)) {
		c := must(OpenChan[message](survivor, "c", capacity))
		nearWrap(c, 1)
		for n := range capacity {
			if err := c.Send(soon(t), newMessage(0, n)); err != nil {
				t.Fatal(err)
			}
		}
		got := map[message]bool{}
		asked := 0
		mine := must(OpenChan[message](victim, "c", 0))
		act := func() {
			asked = 1
			m, _, _ := mine.Receive(t.Context())
			got[m] = true
			asked = 0
			if capacity > 1 {
				into := make([]message, capacity-1)
				asked = len(into)
				n, _, _ := mine.ReceiveMany(t.Context(), into)
				asked = 0
				for _, m := range into[:n] {
					got[m] = true
				}
			}
			mine.TryReceive()
		}
		return act, func(string) {
			for _, m := range drain(t, c) {
				if got[m] {
					t.Errorf("%v was received twice", m)
				}
				got[m] = true
			}
			if lost := capacity - len(got); lost > asked {
				t.Errorf("%d messages were lost, %d were in the hands of the dead", lost, asked)
			}
			works(t, c)
		}
	}
}

// The victim closes.
func closeScenario(capacity int) scenario {
	return func(t *testing.T, victim, survivor *Space) (func(), func(string)) {
		c := must(OpenChan[message](survivor, "c", capacity))
		nearWrap(c, 1)
		if err := c.Send(soon(t), newMessage(0, 0)); err != nil {
			t.Fatal(err)
		}
		mine := must(OpenChan[message](victim, "c", 0))
		return func() { _ = mine.Close() }, func(string) {
			_ = c.Close()
			if got := drain(t, c); len(got) != 1 {
				t.Errorf("received %v", got)
			}
			if _, ok, over, err := c.TryReceive(); ok || !over || err != nil {
				t.Errorf("after the last: %v, %v, %v", ok, over, err)
			}
		}
	}
}

// The victim makes the channel.
func openScenario(t *testing.T, victim, survivor *Space) (func(), func(string)) {
	act := func() { _, _ = OpenChan[message](victim, "c", 2) }
	return act, func(string) {
		works(t, must(OpenChan[message](survivor, "c", 2)))
		inUse := int64(0)
		for _, u := range survivor.arena.Usage() {
			inUse += u.InUse
		}
		if inUse > 1024 {
			t.Errorf("%d bytes of memory are in use", inUse)
		}
	}
}

// The victim waits, is woken, and wakes others; so does the survivor.
func wakeScenario(t *testing.T, victim, survivor *Space) (func(), func(string)) {
	there, back := must(OpenChan[message](survivor, "c", 1)), must(OpenChan[message](survivor, "back", 1))
	mine, home := must(OpenChan[message](victim, "c", 1)), must(OpenChan[message](victim, "back", 1))
	done := make(chan error, 1)
	go func() {
		for n := range 4 {
			if err := there.Send(soon(t), newMessage(0, n)); err != nil {
				done <- err
				return
			}
		}
		m, ok, err := back.Receive(soon(t))
		if err == nil && (!ok || !m.whole()) {
			err = fmt.Errorf("received %v, %v", m, ok)
		}
		done <- err
	}()
	act := func() {
		// Without looking first: as if there had been nothing.
		await := func(c *Chan[message]) {
			first := true
			_, _ = victim.await(t.Context(), c.object, &c.state.receivers, waitsForMessage, caller{}, func() verdict {
				var m message
				if first {
					first = false
					c.state.receivers.word.Add(2) // something came meanwhile
					return blocked
				}
				return c.tryReceive(&m)
			})
		}
		await(mine)
		await(mine)
		var m message
		tries := 0
		_, _ = victim.awaitCases(t.Context(), []Case{mine.Receiving(&m, nil), home.Receiving(&m, nil)}, caller{}, func() verdict {
			if tries++; tries == 1 {
				return blocked
			}
			return mine.tryReceive(&m)
		})
		mine.state.receivers.announce()
		_ = home.Send(t.Context(), newMessage(1, 1))
		home.state.receivers.ringOut(1)
		home.state.receivers.announce()
		home.state.receivers.ringOut(1)
	}
	return act, func(string) {
		for n := 0; ; n++ {
			// In place of the victim, so that the others may go on.
			select {
			case err := <-done:
				if err != nil {
					t.Error(err)
				}
				drain(t, there)
				drain(t, back)
				works(t, there)
				works(t, back)
				return
			default:
				drain(t, there)
				if _, err := back.TrySend(newMessage(2, n)); err != nil {
					t.Error(err)
				}
				runtime.Gosched()
			}
		}
	}
}

// The victim buries a third one, and dies over it.
func buryScenario(t *testing.T, victim, survivor *Space) (func(), func(string)) {
	c := must(OpenChan[message](survivor, "c", 4))
	// What a third one left, by the words alone: a run that was being written, another
	// that was being read.
	const third = 77
	owner := cellWord(third)<<cellSlotAt | 2<<cellRunAt
	c.word(0).Store(uint64(cellReading | owner))
	c.word(1).Store(uint64(cellLap))
	c.word(2).Store(uint64(cellWriting | owner))
	c.word(3).Store(uint64(cellFull))
	mine := must(OpenChan[message](victim, "c", 0))
	act := func() {
		buryRing(victim, mine.object, third)
		mine.state.receivers.announce()
		mine.TryReceive()
	}
	return act, func(string) {
		buryRing(survivor, c.object, third)
		if got := drain(t, c); len(got) != 0 {
			t.Errorf("received %v of the dead", got)
		}
		works(t, c)
	}
}
