package ipc

import (
	"context"
	"math/rand/v2"
	"runtime"
	"testing"
)

func init() {
	childModes["chat"] = chat
}

// chat sends all that it receives on, one by one and many at once, until it is killed.
func chat() error {
	s, err := childOpen()
	if err != nil {
		return err
	}
	there, err := OpenChan[message](s, "there", 0)
	if err != nil {
		return err
	}
	back, err := OpenChan[message](s, "back", 0)
	if err != nil {
		return err
	}
	ctx := context.Background()
	into := make([]message, 5)
	for round := 0; ; round++ {
		n, _, err := there.ReceiveMany(ctx, into[:1+round%len(into)])
		if err != nil {
			return err
		}
		if _, err := back.SendMany(ctx, into[:n]); err != nil {
			return err
		}
	}
}

// TestChanSIGKILL kills processes that pass messages on, again and again. What they had
// in hand is lost, and nothing else, and nobody waits for them.
func TestChanSIGKILL(t *testing.T) {
	t.Parallel()
	s, name := testSpace(t, 1<<20)
	const capacity, kills = 8, 12
	there, back := must(OpenChan[message](s, "there", capacity)), must(OpenChan[message](s, "back", capacity))
	rnd := rand.New(rand.NewPCG(3, 4))
	number, got, last := 0, 0, -1
	cmd := startChild(t, "chat", name)
	for kill := range kills {
		for until := got + 1 + rnd.IntN(2000); got < until; {
			for k := 0; k < 3; k++ {
				ok, err := there.TrySend(newMessage(0, number))
				if err != nil {
					t.Fatal(err)
				}
				if !ok {
					break
				}
				number++
			}
			m, ok, _, err := back.TryReceive()
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				runtime.Gosched()
				continue
			}
			if !m.whole() || int(m.number) <= last {
				t.Fatalf("received %v after %d", m, last)
			}
			last = int(m.number)
			got++
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		if kill%2 == 0 {
			_ = cmd.Wait()
		} else {
			dying := cmd
			go func() { _ = dying.Wait() }() // it dies while the next one begins
		}
		cmd = startChild(t, "chat", name)
	}
	// Everything is received, and what is lost was in the hands of the dead.
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := there.Send(ctx, newMessage(0, number)); err != nil {
		t.Fatal(err)
	}
	for last < number {
		m, ok, err := back.Receive(ctx)
		if !ok || err != nil || !m.whole() || int(m.number) <= last {
			t.Fatalf("received %v, %v, %v after %d", m, ok, err, last)
		}
		last = int(m.number)
		got++
	}
	if lost := number + 1 - got; lost > kills*5 {
		t.Errorf("%d of %d messages were lost in %d deaths", lost, number, kills)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	for living(s) > 1 {
		if ctx.Err() != nil {
			t.Fatal("the dead are not buried")
		}
		runtime.Gosched()
	}
	if there.Len() != 0 || back.Len() != 0 {
		t.Errorf("%d and %d messages are left", there.Len(), back.Len())
	}
}

// living is how many processes have the space open.
func living(s *Space) (n int) {
	for i := range s.members {
		if s.members[i].load().state() != memberFree {
			n++
		}
	}
	return n
}
