package ipc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/tutti-run/tutti/shm"
)

// lengthy is a message that has no room in a row.
func lengthy(s string) string { return strings.Repeat(s, 1+len(messageRow{}.short)) }

func receiveDone(t *testing.T, c *ByteChan) string {
	t.Helper()
	m, err := c.Receive(soon(t))
	if err != nil || m == nil {
		t.Fatalf("%v, %v", m, err)
	}
	text := string(m.Bytes)
	if err := m.Done(); err != nil {
		t.Fatal(err)
	}
	return text
}

func TestByteChanOrder(t *testing.T) {
	t.Parallel()
	spaces := heapSpaces(t, 2, Options{})
	c, d := must(spaces[0].ByteChan("c", 4, true)), must(spaces[1].ByteChan("c", 0, false))
	for round := range 5 {
		for _, text := range []string{"", "a\x00b\n", strings.Repeat("long ", 100), "d"} {
			if err := c.Send(soon(t), []byte(text)); err != nil {
				t.Fatal(err)
			}
		}
		full, cancel := context.WithCancelCause(context.Background())
		why := errors.New("why")
		cancel(why)
		if err := c.Send(full, nil); err != why {
			t.Errorf("round %d: sent to a full channel: %v", round, err)
		}
		for _, text := range []string{"", "a\x00b\n", strings.Repeat("long ", 100), "d"} {
			if got := receiveDone(t, d); got != text {
				t.Errorf("round %d: %.10q, want %.10q", round, got, text)
			}
		}
		if _, err := d.Receive(full); err != why {
			t.Errorf("round %d: received from an empty channel: %v", round, err)
		}
	}
	checkMemory(t, spaces[0], 0)
}

// What is given back, or was taken by one who left, comes before what was sent later.
func TestByteChanGivesBack(t *testing.T) {
	t.Parallel()
	spaces := heapSpaces(t, 3, Options{})
	c, d, e := must(spaces[0].ByteChan("c", 8, true)), must(spaces[1].ByteChan("c", 8, false)), must(spaces[2].ByteChan("c", 8, false))
	for _, text := range []string{"1", "2", "3", lengthy("4")} {
		if err := c.Send(soon(t), []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	one, two, three := must(d.Receive(soon(t))), must(e.Receive(soon(t))), must(d.Receive(soon(t)))
	if err := errors.Join(c.Close(), three.Return(), two.Done()); err != nil {
		t.Fatal(err)
	}
	if !errors.Is(two.Done(), ErrNotOwner) || !errors.Is(three.Return(), ErrNotOwner) || !errors.Is(c.Close(), ErrClosed) || !errors.Is(c.Send(soon(t), nil), ErrClosed) {
		t.Error("done twice")
	}
	if err := spaces[1].Close(); err != nil { // with "1"
		t.Fatal(err)
	}
	if err := one.Done(); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	for _, want := range []string{"1", "3", lengthy("4")} {
		if got := receiveDone(t, e); got != want {
			t.Errorf("%.10q, want %.10q", got, want)
		}
	}
	if m, err := e.Receive(soon(t)); m != nil || err != nil {
		t.Errorf("%v, %v after the end", m, err)
	}
	checkMemory(t, spaces[0], 0)
}

// The end comes when all is done: what another process is at work on may come back.
func TestByteChanEndWaitsForOthers(t *testing.T) {
	t.Parallel()
	spaces := heapSpaces(t, 3, Options{})
	c, d, e := must(spaces[0].ByteChan("c", 8, true)), must(spaces[1].ByteChan("c", 8, false)), must(spaces[2].ByteChan("c", 8, false))
	if err := errors.Join(c.Send(soon(t), []byte("1")), c.Send(soon(t), []byte("2"))); err != nil {
		t.Fatal(err)
	}
	taken := must(d.Receive(soon(t)))
	second := must(e.Receive(soon(t)))
	if err := errors.Join(c.Close(), second.Done()); err != nil {
		t.Fatal(err)
	}
	if _, v, _ := e.tryReceive(); v != blocked {
		t.Errorf("verdict %d while another process is at work", v)
	}
	if _, v, _ := d.tryReceive(); v != closed {
		t.Errorf("verdict %d though only this process is at work", v)
	}
	got := make(chan string, 1)
	go func() {
		m, err := e.Receive(context.Background())
		if err != nil || m == nil {
			got <- fmt.Sprint(m, err)
			return
		}
		got <- string(m.Bytes)
	}()
	awaitWaiters(t, spaces[0], 1)
	die(spaces[1])
	if text := <-got; text != "1" {
		t.Errorf("%q, want what the dead one had taken", text)
	}
	_ = taken
	seeBuried(t, spaces[0], spaces[1])
}

// awaitWaiters waits until so many wait.
func awaitWaiters(t *testing.T, s *Space, n int) {
	t.Helper()
	for ctx := soon(t); ; pause() {
		waiting := 0
		for _, o := range must(s.Stat()).Objects {
			waiting += o.Waiting
		}
		if waiting == n {
			return
		}
		if ctx.Err() != nil {
			t.Fatalf("%d wait, not %d", waiting, n)
		}
	}
}

// Many senders and receivers: each message comes once, and those of a sender in order.
func TestByteChanCrowd(t *testing.T) {
	t.Parallel()
	const senders, each = 4, 300
	spaces := heapSpaces(t, 4, Options{Claims: 256})
	var sending, receiving sync.WaitGroup
	var mu sync.Mutex
	got := map[string]int{}
	for k := range senders {
		c := must(spaces[k].ByteChan("c", 3, true))
		sending.Go(func() {
			for i := range each {
				if err := c.Send(soon(t), []byte(fmt.Sprintf("%d %d%s", k, i, strings.Repeat(" ", i)))); err != nil {
					t.Error(err)
				}
			}
		})
		receiving.Go(func() {
			last := map[string]int{}
			for {
				m, err := c.Receive(soon(t))
				if m == nil || err != nil {
					if err != nil {
						t.Error(err)
					}
					return
				}
				var from string
				var i int
				_, _ = fmt.Sscan(string(m.Bytes), &from, &i)
				if before, ok := last[from]; ok && before >= i {
					t.Errorf("%d of %s after %d", i, from, before)
				}
				last[from] = i
				mu.Lock()
				got[strings.TrimSpace(string(m.Bytes))]++
				mu.Unlock()
				if err := m.Done(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	sending.Wait()
	if err := must(spaces[0].ByteChan("c", 0, true)).Close(); err != nil {
		t.Fatal(err)
	}
	receiving.Wait()
	if len(got) != senders*each {
		t.Errorf("%d messages, want %d", len(got), senders*each)
	}
	for text, n := range got {
		if n != 1 {
			t.Errorf("%q came %d times", text, n)
		}
	}
	checkMemory(t, spaces[0], 0)
}

// A message that is too long for the memory that is left waits for receivers, and is
// refused where nobody can make room.
func TestByteChanFullMemory(t *testing.T) {
	t.Parallel()
	s := heapSpaces(t, 1, Options{})[0] // 1 MiB
	c := must(s.ByteChan("c", 8, true))
	big := bytes.Repeat([]byte("x"), 600<<10)
	if err := c.Send(soon(t), big); err != nil {
		t.Fatal(err)
	}
	sent := make(chan error, 1)
	go func() { sent <- c.Send(context.Background(), big) }()
	awaitWaiters(t, s, 1)
	receiveDone(t, c)
	if err := <-sent; err != nil {
		t.Error(err)
	}
	receiveDone(t, c)
	if err := c.Send(soon(t), make([]byte, 2<<20)); !errors.Is(err, shm.ErrFull) {
		t.Error(err)
	}
	if err := c.Send(soon(t), make([]byte, MessageMax+1)); err == nil {
		t.Error("sent more than is possible")
	}
	topic := must(s.ByteTopic("t", 8, true))
	for range 3 { // the oldest makes room
		if err := topic.Publish(big); err != nil {
			t.Error(err)
		}
	}
	if err := topic.Publish(make([]byte, 2<<20)); !errors.Is(err, shm.ErrFull) {
		t.Error(err)
	}
}

// A channel that nobody uses and nothing is left of is a new one for who comes.
func TestByteChanRenewed(t *testing.T) {
	t.Parallel()
	spaces := heapSpaces(t, 2, Options{})
	s := spaces[0]
	c := must(s.ByteChan("c", 4, true))
	d := must(spaces[1].ByteChan("c", 0, false))
	if _, err := s.ByteChan("c", 5, true); !errors.Is(err, ErrCapacity) {
		t.Error(err)
	}
	if err := errors.Join(c.Send(soon(t), []byte("x")), c.Close()); err != nil {
		t.Fatal(err)
	}
	c.Leave()
	d.Leave()
	if e := must(s.ByteChan("c", 0, false)); e.Cap() != 4 || receiveDone(t, e) != "x" {
		t.Error("what was sent is lost")
	} else {
		e.Leave()
	}
	for _, capacity := range []int{7, 0, 7} {
		e := must(s.ByteChan("c", capacity, true))
		if want := max(capacity, 7); capacity == 0 && e.Cap() != messagesDefault || capacity != 0 && e.Cap() != want {
			t.Errorf("capacity %d", e.Cap())
		}
		if err := errors.Join(e.Send(soon(t), []byte("y")), e.Close()); err != nil {
			t.Error(err)
		}
		receiveDone(t, e)
		e.Leave()
		checkMemory(t, s, 0)
	}
	if _, err := s.ByteChan("c", MessagesMax+1, true); err == nil {
		t.Error("too large a capacity")
	}
	if _, err := s.ByteTopic("c", 0, true); err == nil {
		t.Error("a topic of a channel's name")
	}
}

func TestByteTopic(t *testing.T) {
	t.Parallel()
	spaces := heapSpaces(t, 2, Options{})
	pub, topic := must(spaces[0].ByteTopic("t", 3, true)), must(spaces[1].ByteTopic("t", 0, false))
	publish := func(texts ...string) {
		t.Helper()
		for _, text := range texts {
			if err := pub.Publish([]byte(text)); err != nil {
				t.Fatal(err)
			}
		}
	}
	next := func(r *ByteSubscription, want string) {
		t.Helper()
		msg, ok, err := r.Next(soon(t))
		text := string(msg)
		if missed, is := errors.AsType[*MissedError](err); is {
			text = fmt.Sprint("missed ", missed.N)
		} else if err != nil || !ok {
			text = fmt.Sprint(ok, err)
		}
		if text != want {
			t.Errorf("%.20q, want %.20q", text, want)
		}
	}
	publish("1", "2")
	now, oldest := topic.Subscribe(), topic.SubscribeOldest()
	publish(lengthy("3"), "")
	next(oldest, "missed 1")
	next(oldest, "2")
	next(oldest, lengthy("3"))
	publish("5", "6", "7", "8")
	next(oldest, "missed 2")
	next(oldest, "6")
	next(now, "missed 3")
	if err := pub.Close(); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"6", "7", "8", "false <nil>"} {
		next(now, text)
	}
	if err := pub.Publish(nil); err != ErrClosed {
		t.Error(err)
	}
	next(topic.SubscribeOldest(), "6")
	st := must(spaces[0].Stat()).Objects[0]
	if st.Messages != 3 || st.MessageBytes != 3 || st.Capacity != 3 || !st.Closed || len(st.Holders) != 2 || st.Kind != "byte topic" {
		t.Errorf("%+v", st)
	}
	pub.Leave()
	topic.Leave()
	again := must(spaces[0].ByteTopic("t", 0, true))
	if again.Cap() != messagesDefault || again.messages.count() != 0 {
		t.Error("not a new one")
	}
	checkMemory(t, spaces[0], 0)
}

// A reader that waits gets what comes.
func TestByteTopicWakes(t *testing.T) {
	t.Parallel()
	s := heapSpaces(t, 1, Options{})[0]
	topic := must(s.ByteTopic("t", 3, true))
	var reading sync.WaitGroup
	for range 3 {
		r := topic.Subscribe()
		reading.Go(func() {
			if msg, ok, err := r.Next(soon(t)); string(msg) != "x" || !ok || err != nil {
				t.Errorf("%q, %v, %v", msg, ok, err)
			}
			if _, ok, err := r.Next(soon(t)); ok || err != nil {
				t.Errorf("%v, %v", ok, err)
			}
		})
	}
	awaitWaiters(t, s, 3)
	if err := topic.Publish([]byte("x")); err != nil {
		t.Error(err)
	}
	awaitWaiters(t, s, 3)
	if err := topic.Close(); err != nil {
		t.Error(err)
	}
	reading.Wait()
}

// byteScenes are what is done with messages of bytes. Two are there before.
var byteScenes = map[string]deathScene{
	"sent, short": byteScene([]string{"1", "2", "3"}, func(c *ByteChan) error { return c.Send(context.Background(), []byte("3")) }),
	"sent, long": byteScene([]string{"1", "2", lengthy("3")}, func(c *ByteChan) error {
		return c.Send(context.Background(), []byte(lengthy("3")))
	}),
	"received": byteScene([]string{"2"}, func(c *ByteChan) error {
		m, err := c.Receive(context.Background())
		return errors.Join(err, m.Done())
	}),
	"given back": byteScene([]string{"1", "2"}, func(c *ByteChan) error {
		m, err := c.Receive(context.Background())
		return errors.Join(err, m.Return())
	}),
	"closed":      byteScene([]string{"1", "2"}, func(c *ByteChan) error { return c.Close() }),
	"topic":       topicScene([]string{"1", "2", lengthy("3")}, []string{"2", lengthy("3"), "4"}, "4"),
	"topic, long": topicScene([]string{lengthy("1"), "2", "3"}, []string{"2", "3", lengthy("4")}, lengthy("4")),
	"made": {
		act: func(victim *Space) error { _, err := victim.ByteChan("c", 3, true); return err },
		after: func(t *testing.T, s *Space, done bool) {
			sendReceive(t, s)
		},
	},
	"made anew": {
		before: func(t *testing.T, victim *Space, survivors []*Space) {
			c := must(survivors[0].ByteChan("c", 2, true))
			if err := c.Close(); err != nil {
				t.Error(err)
			}
			c.Leave()
		},
		act:   func(victim *Space) error { _, err := victim.ByteChan("c", 3, true); return err },
		after: func(t *testing.T, s *Space, done bool) { sendReceive(t, s) },
	},
}

func sendReceive(t *testing.T, s *Space) {
	t.Helper()
	c := must(s.ByteChan("c", 0, true))
	defer c.Leave()
	if err := c.Send(soon(t), []byte("x")); err != nil {
		t.Error(err)
	}
	if got := receiveDone(t, c); got != "x" {
		t.Errorf("%q", got)
	}
}

// byteScene is a scene with a channel in which "1" and "2" are.
func byteScene(after []string, act func(c *ByteChan) error) deathScene {
	before := []string{"1", "2"}
	return deathScene{
		before: func(t *testing.T, victim *Space, survivors []*Space) {
			c := must(survivors[0].ByteChan("c", 5, true))
			for _, text := range before {
				if err := c.Send(soon(t), []byte(text)); err != nil {
					t.Error(err)
				}
			}
		},
		act: func(victim *Space) error { return act(must(victim.ByteChan("c", 0, true))) },
		after: func(t *testing.T, s *Space, done bool) {
			c := must(s.ByteChan("c", 0, true))
			defer c.Leave()
			var got []string
			var taken []*Taken
			for {
				m, v, err := c.tryReceive()
				if err != nil {
					t.Error(err)
				}
				if v != ready {
					break
				}
				got, taken = append(got, string(m.Bytes)), append(taken, m)
			}
			if !slices.Equal(got, after) && (done || !slices.Equal(got, before)) {
				t.Errorf("%.10q", got)
			}
			for _, m := range taken {
				if err := m.Return(); err != nil {
					t.Error(err)
				}
			}
			if st := c.state; int(st.full) != len(got) || st.taken != 0 || c.count() != len(got) {
				t.Errorf("%d full, %d taken, %d", st.full, st.taken, c.count())
			}
		},
	}
}

// topicScene is a scene with a topic that keeps three.
func topicScene(before, after []string, text string) deathScene {
	return deathScene{
		before: func(t *testing.T, victim *Space, survivors []*Space) {
			topic := must(survivors[0].ByteTopic("t", 3, true))
			for _, text := range before {
				if err := topic.Publish([]byte(text)); err != nil {
					t.Error(err)
				}
			}
		},
		act: func(victim *Space) error { return must(victim.ByteTopic("t", 0, true)).Publish([]byte(text)) },
		after: func(t *testing.T, s *Space, done bool) {
			topic := must(s.ByteTopic("t", 0, true))
			defer topic.Leave()
			var got []string
			for r := topic.SubscribeOldest(); ; {
				msg, v, err := r.read()
				if v != ready || err != nil {
					break
				}
				got = append(got, string(msg))
			}
			// Who died in between had made room already.
			if !slices.Equal(got, after) && (done || !slices.Equal(got, before) && !slices.Equal(got, before[1:])) {
				t.Errorf("%.10q", got)
			}
		},
	}
}

// Wherever a process dies that sends or receives, no message is lost, and none comes
// that was not sent.
func TestDeathInBytes(t *testing.T) {
	for name, scene := range byteScenes {
		t.Run(name, func(t *testing.T) {
			points := 0
			for k := 1; ; k++ {
				point := ""
				ok := t.Run(fmt.Sprint(k), func(t *testing.T) { point = playScene(t, scene, k) })
				if point == "" || !ok {
					break
				}
				points++
			}
			if points < 3 {
				t.Errorf("%d points of death", points)
			}
		})
	}
}

// Who repairs what a dead process left, or buries it, may die as well.
func TestDeathInRepairOfBytes(t *testing.T) {
	for _, name := range []string{"sent, long", "received", "given back", "topic, long"} {
		t.Run(name, func(t *testing.T) { playAllTwice(t, byteScenes[name]) })
	}
}
