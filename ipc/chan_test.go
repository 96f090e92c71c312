package ipc

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
)

// nearWrap moves all that counts laps in a fresh ring to just before they wrap.
func nearWrap[T any](c *Chan[T], laps int) {
	first := cellWord(0) - cellWord(laps)*cellLap
	for i := range c.capacity {
		c.word(i).Store(uint64(first))
	}
	c.tail, c.head = c.anchor(), c.anchor()
	publish(&c.hints.tail, c.tail)
	publish(&c.hints.head, c.head)
}

// message tells who sent it, and the how manieth it is.
type message struct {
	sender, number uint32
	check          [3]uint64
}

func newMessage(sender, number int) message {
	m := message{sender: uint32(sender), number: uint32(number)}
	m.check = [3]uint64{uint64(sender), uint64(number), uint64(sender ^ number)}
	return m
}

func (m message) whole() bool { return m == newMessage(int(m.sender), int(m.number)) }

// A channel does what a slice does, whatever is done with it, one after another.
func TestChanAgainstSlice(t *testing.T) {
	t.Parallel()
	for _, capacity := range []int{1, 2, 3, 7, 64, 300} {
		t.Run(fmt.Sprint(capacity), func(t *testing.T) {
			t.Parallel()
			spaces := heapSpaces(t, 2, Options{})
			handles := []*Chan[message]{
				must(OpenChan[message](spaces[0], "c", capacity)), must(OpenChan[message](spaces[1], "c", 0)),
				must(OpenChan[message](spaces[1], "c", capacity)),
			}
			nearWrap(handles[0], 3)
			for _, h := range handles[1:] {
				h.tail, h.head = h.anchor(), h.anchor()
			}
			var model []message
			rnd := rand.New(rand.NewPCG(uint64(capacity), 1))
			for number := range 4000 {
				c := handles[rnd.IntN(len(handles))]
				switch rnd.IntN(5) {
				case 0, 1:
					ok, err := c.TrySend(newMessage(1, number))
					if err != nil || ok != (len(model) < capacity) {
						t.Fatalf("send beside %d messages: %v, %v", len(model), ok, err)
					}
					if ok {
						model = append(model, newMessage(1, number))
					}
				case 2, 3:
					m, ok, over, err := c.TryReceive()
					if err != nil || over || ok != (len(model) > 0) || ok && m != model[0] {
						t.Fatalf("received %v, %v, %v of %d messages", m, ok, err, len(model))
					}
					if ok {
						model = model[1:]
					}
				default:
					model = many(t, c, model, number, rnd)
				}
				if c.Len() != len(model) {
					t.Fatalf("%d messages, want %d", c.Len(), len(model))
				}
			}
			finish(t, handles, model)
		})
	}
}

// many does the same with several messages at once.
func many(t *testing.T, c *Chan[message], model []message, number int, rnd *rand.Rand) []message {
	t.Helper()
	if n := min(rnd.IntN(2*c.Cap()+1), c.Cap()-len(model)); rnd.IntN(2) == 0 && n > 0 {
		batch := make([]message, n)
		for i := range batch {
			batch[i] = newMessage(2, number+i)
		}
		if sent, err := c.SendMany(soon(t), batch); sent != n || err != nil {
			t.Fatalf("sent %d of %d: %v", sent, n, err)
		}
		return append(model, batch...)
	}
	if len(model) == 0 {
		return model
	}
	into := make([]message, 1+rnd.IntN(2*c.Cap()))
	n, ok, err := c.ReceiveMany(soon(t), into)
	if err != nil || !ok || n != min(len(into), len(model)) {
		t.Fatalf("received %d of %d into %d: %v, %v", n, len(model), len(into), ok, err)
	}
	for i, m := range into[:n] {
		if m != model[i] {
			t.Fatalf("received %v, want %v", m, model[i])
		}
	}
	return model[n:]
}

// finish closes a channel: what is in it is received, and nothing more.
func finish(t *testing.T, handles []*Chan[message], model []message) {
	t.Helper()
	if err := handles[0].Close(); err != nil {
		t.Error(err)
	}
	for _, c := range handles {
		if err := c.Close(); !errors.Is(err, ErrClosed) {
			t.Errorf("closed twice: %v", err)
		}
		if ok, err := c.TrySend(message{}); ok || !errors.Is(err, ErrClosed) {
			t.Errorf("sent after Close: %v, %v", ok, err)
		}
		if err := c.Send(soon(t), message{}); !errors.Is(err, ErrClosed) {
			t.Errorf("sent after Close: %v", err)
		}
		if n, err := c.SendMany(soon(t), make([]message, 2)); n != 0 || !errors.Is(err, ErrClosed) {
			t.Errorf("sent after Close: %v", err)
		}
		if c.Len() != len(model) {
			t.Errorf("%d messages, want %d", c.Len(), len(model))
		}
	}
	for m, err := range handles[1].All(soon(t)) {
		if err != nil || len(model) == 0 || m != model[0] {
			t.Fatalf("received %v, %v", m, err)
		}
		model = model[1:]
	}
	if len(model) > 0 {
		t.Errorf("%d messages were not received", len(model))
	}
	for _, c := range handles {
		if _, ok, over, err := c.TryReceive(); ok || !over || err != nil {
			t.Errorf("after the last: %v, %v, %v", ok, over, err)
		}
		if n, ok, err := c.ReceiveMany(soon(t), make([]message, 2)); n != 0 || ok || err != nil {
			t.Errorf("after the last: %v, %v", ok, err)
		}
	}
}

// Many goroutines of several processes send and receive: every message comes once, and
// those of one sender in their order.
func TestChanManyToMany(t *testing.T) {
	t.Parallel()
	for _, capacity := range []int{1, 2, 5, 128} {
		for _, batch := range []int{1, 3} {
			t.Run(fmt.Sprintf("%d by %d", capacity, batch), func(t *testing.T) {
				t.Parallel()
				manyToMany(t, capacity, batch)
			})
		}
	}
}

func manyToMany(t *testing.T, capacity, batch int) {
	const each, rounds = 2, 300
	spaces := heapSpaces(t, 3, Options{})
	nearWrap(must(OpenChan[message](spaces[0], "c", capacity)), 2)
	var senders, receivers sync.WaitGroup
	var mu sync.Mutex
	got := map[message]bool{}
	for i, s := range spaces {
		for k := range each {
			c := must(OpenChan[message](s, "c", capacity))
			sender := i*each + k
			senders.Go(func() {
				for n := 0; n < rounds; n += batch {
					var vs []message
					for m := n; m < min(n+batch, rounds); m++ {
						vs = append(vs, newMessage(sender, m))
					}
					var err error
					if batch == 1 {
						err = c.Send(soon(t), vs[0])
					} else {
						_, err = c.SendMany(soon(t), vs)
					}
					if err != nil {
						t.Error(err)
						return
					}
				}
			})
			receivers.Go(func() {
				last := map[uint32]int{}
				for m, err := range batches(soon(t), c, batch) {
					if err != nil {
						t.Error(err)
						return
					}
					if before, ok := last[m.sender]; !m.whole() || ok && before >= int(m.number) {
						t.Errorf("received %v after %d", m, before)
					}
					last[m.sender] = int(m.number)
					mu.Lock()
					if got[m] {
						t.Errorf("received %v twice", m)
					}
					got[m] = true
					mu.Unlock()
				}
			})
		}
	}
	senders.Wait()
	if err := must(OpenChan[message](spaces[0], "c", 0)).Close(); err != nil {
		t.Error(err)
	}
	receivers.Wait()
	if want := len(spaces) * each * rounds; len(got) != want {
		t.Errorf("received %d messages, want %d", len(got), want)
	}
}

// batches is All, or the same with several at once.
func batches(ctx context.Context, c *Chan[message], batch int) func(func(message, error) bool) {
	if batch == 1 {
		return c.All(ctx)
	}
	return func(yield func(message, error) bool) {
		into := make([]message, batch)
		for {
			n, ok, err := c.ReceiveMany(ctx, into)
			if err != nil && !yield(message{}, err) || !ok {
				return
			}
			for _, m := range into[:n] {
				if !yield(m, nil) {
					return
				}
			}
		}
	}
}

// A channel tells programs apart that mean different messages by its name.
func TestChanTypes(t *testing.T) {
	t.Parallel()
	s := heapSpaces(t, 1, Options{})[0]
	must(OpenChan[message](s, "c", 2))
	if _, err := OpenChan[uint64](s, "c", 2); err == nil || !strings.Contains(err.Error(), "uint64") || !strings.Contains(err.Error(), "ipc.message") {
		t.Errorf("another type: %v", err)
	}
	type letter message
	if _, err := OpenChan[letter](s, "c", 2); err != nil {
		t.Errorf("the same type by another name: %v", err)
	}
	if _, err := OpenChan[message](s, "c", 3); err == nil {
		t.Error("another capacity was accepted")
	}
	if _, err := OpenChan[struct{ A [2]struct{ P *int } }](s, "d", 2); err == nil || !strings.Contains(err.Error(), "A[0].P") {
		t.Errorf("a pointer: %v", err)
	}
	if _, err := OpenChan[string](s, "d", 2); err == nil {
		t.Error("a string was accepted")
	}
	for _, capacity := range []int{0, -1, ringCapacityMax + 1} {
		if _, err := OpenChan[int](s, "d", capacity); err == nil {
			t.Errorf("a capacity of %d was accepted", capacity)
		}
	}
	if _, err := OpenChan[[1 << 10]int64](s, "d", 1<<10); err == nil {
		t.Error("more memory than there is was given")
	}
	empty := must(OpenChan[struct{}](s, "empty", 3))
	if ok, err := empty.TrySend(struct{}{}); !ok || err != nil {
		t.Errorf("an empty message: %v", err)
	}
	if _, ok, _, err := empty.TryReceive(); !ok || err != nil {
		t.Errorf("an empty message: %v", err)
	}
}

// Waits end with their context, with the channel, and with the space.
func TestChanWaits(t *testing.T) {
	t.Parallel()
	spaces := heapSpaces(t, 2, Options{})
	reason := errors.New("the reason")
	full, empty := must(OpenChan[int](spaces[0], "full", 1)), must(OpenChan[int](spaces[0], "empty", 1))
	if err := full.Send(soon(t), 1); err != nil {
		t.Fatal(err)
	}
	waits := func(s *Space) map[string]func(context.Context) error {
		full, empty := must(OpenChan[int](s, "full", 1)), must(OpenChan[int](s, "empty", 1))
		return map[string]func(context.Context) error{
			"send":    func(ctx context.Context) error { return full.Send(ctx, 2) },
			"receive": func(ctx context.Context) error { _, _, err := empty.Receive(ctx); return err },
			"many":    func(ctx context.Context) error { _, err := full.SendMany(ctx, []int{1, 2}); return err },
			"several": func(ctx context.Context) error { _, _, err := empty.ReceiveMany(ctx, make([]int, 2)); return err },
			"select": func(ctx context.Context) error {
				_, err := Select(ctx, full.Sending(2), empty.Receiving(nil, nil))
				return err
			},
		}
	}
	for name, wait := range waits(spaces[0]) {
		ctx, cancel := context.WithCancelCause(context.Background())
		done := make(chan error)
		go func() { done <- wait(ctx) }()
		awaitClaims(t, spaces[0], 1)
		cancel(reason)
		if err := <-done; !errors.Is(err, reason) {
			t.Errorf("%s: %v", name, err)
		}
	}
	var all sync.WaitGroup
	for name, wait := range waits(spaces[1]) {
		all.Go(func() {
			if err := wait(soon(t)); !errors.Is(err, ErrClosed) {
				t.Errorf("%s when the space is closed: %v", name, err)
			}
		})
	}
	awaitClaims(t, spaces[1], 6)
	if err := spaces[1].Close(); err != nil {
		t.Error(err)
	}
	all.Wait()
	for name, wait := range waits(spaces[0]) {
		want := map[string]error{"send": ErrClosed, "many": ErrClosed}[name]
		all.Go(func() {
			// Select may have found either closed.
			if err := wait(soon(t)); !errors.Is(err, want) && (name != "select" || !errors.Is(err, ErrClosed)) {
				t.Errorf("%s when the channel is closed: %v", name, err)
			}
		})
	}
	awaitClaims(t, spaces[0], 6)
	if err := errors.Join(full.Close(), empty.Close()); err != nil {
		t.Error(err)
	}
	all.Wait()
	awaitClaims(t, spaces[0], 0)
}

// awaitClaims waits until a process waits with n claims or more, or with none.
func awaitClaims(t *testing.T, s *Space, n int) {
	t.Helper()
	for ctx := soon(t); ; pause() {
		have := 0
		for i := range s.claims {
			if w := s.claims[i].load(); w.state() == claimWaiting && w.slot() == s.slot {
				have++
			}
		}
		if n == 0 && have == 0 || n > 0 && have >= n {
			return
		}
		if ctx.Err() != nil {
			t.Fatalf("%d claims wait, want %d", have, n)
		}
	}
}

// Nothing is allocated where nobody must wait.
func TestMessagesAllocateNothing(t *testing.T) {
	s := heapSpaces(t, 1, Options{})[0]
	c, topic := must(OpenChan[message](s, "c", 8)), must(OpenTopic[message](s, "t", 8))
	st := must(s.Stream("s", 128))
	w, r, sub := must(st.Writer(soon(t))), must(st.Reader(soon(t))), topic.Subscribe()
	ctx, batch, bytes := context.Background(), make([]message, 3), make([]byte, 50)
	n := testing.AllocsPerRun(100, func() {
		err1 := c.Send(ctx, newMessage(1, 1))
		_, _, err2 := c.Receive(ctx)
		_, err3 := c.SendMany(ctx, batch)
		_, _, err4 := c.ReceiveMany(ctx, batch)
		err5 := topic.Publish(ctx, newMessage(1, 1))
		_, _, err6 := sub.Next(ctx)
		_, err7 := w.Reserve(ctx, 20)
		err8 := w.Commit(20)
		_, err9 := w.Write(bytes)
		_, err10 := r.Read(bytes)
		_, err11 := r.Read(bytes)
		for _, err := range []error{err1, err2, err3, err4, err5, err6, err7, err8, err9, err10, err11} {
			if err != nil {
				t.Error(err)
			}
		}
	})
	if n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// Whatever stands in the cells, nobody panics or goes on for ever.
func FuzzDamagedRing(f *testing.F) {
	f.Add(uint64(0), uint64(1), uint64(2), uint64(3))
	f.Add(^uint64(0), uint64(1)<<62|3, uint64(1)<<63|2, uint64(0xfffff))
	f.Fuzz(func(t *testing.T, a, b, c, d uint64) {
		s := heapSpaces(t, 1, Options{Objects: 4, Claims: 16})[0]
		ch, topic := must(OpenChan[uint64](s, "c", 3)), must(OpenTopic[uint64](s, "t", 3))
		for _, r := range []*ring{ch.ring, topic.ring} {
			for i, w := range []uint64{a, b, c} {
				r.word(uint64(i)).Store(w)
			}
			r.hints.tail, r.hints.head = d, a
		}
		sub := topic.Subscribe()
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		for range 2 {
			_, _ = ch.TrySend(1)
			_, _, _, _ = ch.TryReceive()
			_, _ = ch.trySendMany(make([]uint64, 3))
			_, _ = ch.tryReceiveMany(make([]uint64, 3))
			_ = topic.Publish(ctx, 1)
			_, _, _ = sub.Next(ctx)
			ch.Len()
		}
		buryRing(s, ch.object, 1)
		buryTopic(s, topic.object, 1)
		_, _ = ch.Close(), topic.Close()
	})
}
