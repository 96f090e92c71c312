package ipc

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
)

func init() {
	childModes["chat"] = chat
	childModes["copy"] = copyStream
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

// TestServerSIGKILL kills servers in the middle of their work: each call is answered
// rightly, or its client told that the server died.
func TestServerSIGKILL(t *testing.T) {
	t.Parallel()
	s, name := testSpace(t, 1<<20)
	c := must(OpenClient[uint64, uint64](s, "s", 4))
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var calls atomic.Uint64
	var clients sync.WaitGroup
	stop := make(chan bool)
	died := 0
	var mu sync.Mutex
	for range 3 {
		clients.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				n := calls.Add(1)
				switch out, err := c.Call(ctx, n); {
				case errors.Is(err, ErrServerDied):
					mu.Lock()
					died++
					mu.Unlock()
				case err != nil || out != n:
					t.Errorf("%d: %d, %v", n, out, err)
					return
				}
			}
		})
	}
	const kills = 8
	for range kills {
		cmd := startChild(t, "answer", name)
		for until := calls.Load() + 1000; calls.Load() < until && ctx.Err() == nil; {
			runtime.Gosched()
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
	}
	close(stop)
	last := startChild(t, "answer", name)
	clients.Wait()
	if err := must(OpenServer[uint64, uint64](s, "s", 0)).Close(); err != nil {
		t.Error(err)
	}
	if err := last.Wait(); err != nil {
		t.Error(err)
	}
	if died > kills {
		t.Errorf("%d calls died with %d servers", died, kills)
	}
	free(t, c.service)
}

// copyStream copies one stream to another, until it is killed or there is no more. How
// far it has come the streams say themselves.
func copyStream() error {
	s, err := childOpen()
	if err != nil {
		return err
	}
	from, err := s.Stream("from", 0)
	if err != nil {
		return err
	}
	to, err := s.Stream("to", 0)
	if err != nil {
		return err
	}
	ctx := context.Background()
	r, err := from.Reader(ctx)
	if err != nil && err != ErrOwnerDied {
		return err
	}
	w, err := to.Writer(ctx)
	if err != nil && err != ErrOwnerDied {
		return err
	}
	// The dead one may have written something and not released it.
	for ahead := w.Offset() - r.Offset(); ahead > 0; {
		b, err := r.Peek(ctx, int(ahead))
		if err != nil {
			return err
		}
		if err := r.Release(len(b)); err != nil {
			return err
		}
		ahead -= int64(len(b))
	}
	for {
		b, err := r.Peek(ctx, 300)
		if err == io.EOF {
			return errors.Join(w.End(), s.Close())
		}
		if err != nil {
			return err
		}
		room, err := w.Reserve(ctx, len(b))
		if err != nil {
			return err
		}
		copy(room, b)
		if err := errors.Join(w.Commit(len(b)), r.Release(len(b))); err != nil {
			return err
		}
	}
}

// TestStreamSIGKILL kills a process that copies one stream to another: the next one
// goes on, and not a byte is lost or doubled.
func TestStreamSIGKILL(t *testing.T) {
	t.Parallel()
	s, name := testSpace(t, 1<<20)
	from, to := must(s.Stream("from", 4096)), must(s.Stream("to", 2048))
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	const total, kills = 3_000_000, 8
	go func() {
		w := must(from.Writer(ctx))
		for w.Offset() < total {
			n := int(min(1000, total-w.Offset()))
			if _, err := w.WriteContext(ctx, pattern(w.Offset(), n)); err != nil {
				t.Error(err)
				return
			}
		}
		if err := w.End(); err != nil {
			t.Error(err)
		}
	}()
	r := must(to.Reader(ctx))
	cmd := startChild(t, "copy", name)
	killed := int64(0)
	for {
		b, err := r.Peek(ctx, 1<<20)
		if err == io.EOF {
			break
		}
		if err != nil || !bytes.Equal(b, pattern(r.Offset(), len(b))) {
			t.Fatalf("%d bytes at %d are others: %v", len(b), r.Offset(), err)
		}
		if err := r.Release(len(b)); err != nil {
			t.Fatal(err)
		}
		if r.Offset() > (killed+1)*total/(kills+1) {
			killed++
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait()
			cmd = startChild(t, "copy", name)
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if r.Offset() != total {
		t.Errorf("read %d bytes of %d", r.Offset(), total)
	}
}
