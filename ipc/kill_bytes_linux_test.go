package ipc

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os/exec"
	"runtime"
	"testing"
)

func init() { childModes["pass"] = pass }

// pass sends on all that it receives, and says that it is done with it after that, until
// it is killed.
func pass() error {
	s, err := childOpen()
	if err != nil {
		return err
	}
	there, err := s.ByteChan("there", 0, false)
	if err != nil {
		return err
	}
	back, err := s.ByteChan("back", 0, true)
	if err != nil {
		return err
	}
	for ctx := context.Background(); ; {
		m, err := there.Receive(ctx)
		if err == nil {
			err = errors.Join(back.Send(ctx, m.Bytes), m.Done())
		}
		if err != nil {
			return err
		}
	}
}

// numbered is a message that says which one it is, short or long.
func numbered(n int) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(n))
	return append(b, bytes.Repeat([]byte{byte(n)}, n*37%600)...)
}

// TestByteChanSIGKILL kills processes that pass messages on, again and again, while
// others go on. Nothing is lost, and what is doubled was in the hands of the dead.
func TestByteChanSIGKILL(t *testing.T) {
	t.Parallel()
	s, name := testSpace(t, 4<<20)
	const capacity, kills, children, each = 8, 12, 3, 300
	there, back := must(s.ByteChan("there", capacity, true)), must(s.ByteChan("back", capacity, false))
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	rnd := rand.New(rand.NewPCG(5, 6))
	var passers [children]*exec.Cmd
	for i := range passers {
		passers[i] = startChild(t, "pass", name)
	}
	sent := make(chan error, 1)
	go func() {
		for n := range kills * each {
			if err := there.Send(ctx, numbered(n)); err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}()
	seen, distinct, doubled := make([]bool, kills*each), 0, 0
	for kill := 0; distinct < len(seen); {
		m, err := back.Receive(ctx)
		if err != nil {
			t.Fatalf("%v after %d messages", err, distinct)
		}
		n := int(binary.LittleEndian.Uint64(m.Bytes))
		if !bytes.Equal(m.Bytes, numbered(n)) {
			t.Fatalf("message %d is not whole", n)
		}
		if err := m.Done(); err != nil {
			t.Fatal(err)
		}
		if seen[n] {
			doubled++
			continue
		}
		seen[n] = true
		if distinct++; distinct > kill*each+rnd.IntN(each) && kill < kills {
			i := rnd.IntN(children)
			if err := passers[i].Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = passers[i].Wait()
			passers[i] = startChild(t, "pass", name)
			kill++
		}
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
	if doubled > kills {
		t.Errorf("%d messages came twice after %d deaths", doubled, kills)
	}
	for _, cmd := range passers {
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
	}
	for living(s) > 1 {
		if ctx.Err() != nil {
			t.Fatal("the dead are not buried")
		}
		runtime.Gosched()
	}
	// Who was killed last may have sent one on that it had received again.
	for !there.idle() || !back.idle() {
		from := there
		if there.idle() {
			from = back
		}
		m, err := from.Receive(ctx)
		if err != nil || !seen[binary.LittleEndian.Uint64(m.Bytes)] {
			t.Fatalf("%v: left over", err)
		}
		if err := m.Done(); err != nil {
			t.Fatal(err)
		}
	}
	checkMemory(t, s, kills+children)
}
