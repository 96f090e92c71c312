package ipc

import (
	"bytes"
	"context"
	"errors"
	"io"
	"runtime"
	"testing"
)

// TestDeathInStream, TestDeathInTopic and TestDeathInServer kill at every point what
// msgs_crash_test.go kills in channels.
func TestDeathInStream(t *testing.T) {
	mustMeet(t, map[string]scenario{"write": writerScenario, "read": readerScenario},
		"stream-taken", "stream-noted", "stream-summed", "stream-committed", "stream-ended", "stream-jumped", "stream-read", "stream-released")
}

func TestDeathInTopic(t *testing.T) {
	mustMeet(t, map[string]scenario{"publish": topicScenario}, "topic-claimed", "topic-valued", "topic-full", "topic-closed")
}

func TestDeathInServer(t *testing.T) {
	mustMeet(t, map[string]scenario{"call": clientScenario, "serve": serverScenario},
		"call-asking", "call-written", "call-asked", "call-answered", "call-freed", "serve-taken", "serve-done", "serve-answered")
}

// heir takes a role that the dead may have had.
func heir[T any](t *testing.T, role T, err error) T {
	t.Helper()
	if err != nil && !errors.Is(err, ErrOwnerDied) {
		t.Fatal(err)
	}
	return role
}

// The victim writes, with gaps; the survivor goes on where it stopped.
func writerScenario(t *testing.T, victim, survivor *Space) (func(), func(string)) {
	const total = 150
	st := must(survivor.Stream("s", 128))
	r := must(st.Reader(soon(t)))
	read := func() {
		for r.look() == ready {
			b := must(r.Peek(soon(t), 128))
			if !bytes.Equal(b, pattern(r.Offset(), len(b))) {
				t.Errorf("%d bytes at %d are others", len(b), r.Offset())
			}
			if err := r.Release(len(b)); err != nil {
				t.Error(err)
			}
		}
	}
	acked := int64(0)
	act := func() {
		w, err := must(victim.Stream("s", 0)).Writer(t.Context())
		if err != nil {
			return
		}
		for range 3 {
			b, _ := w.Reserve(t.Context(), 50)
			copy(b, pattern(w.Offset(), 50))
			_ = w.Commit(50)
			acked = w.Offset()
			read()
		}
		_ = w.End()
	}
	return act, func(point string) {
		w, err := st.Writer(soon(t))
		w = heir(t, w, err)
		if w.Offset() < acked {
			t.Errorf("%d bytes were written, now it is %d", acked, w.Offset())
		}
		if st.marks.end.Load() == 0 {
			for w.Offset() < total {
				n := int(min(64, total-w.Offset()))
				b := must(w.Reserve(soon(t), n))
				copy(b, pattern(w.Offset(), n))
				if err := w.Commit(n); err != nil {
					t.Fatal(err)
				}
				read()
			}
			if err := w.End(); err != nil {
				t.Error(err)
			}
		}
		read()
		if _, err := r.Peek(soon(t), 1); err != io.EOF || r.Offset() != total {
			t.Errorf("at %d of %d: %v", r.Offset(), total, err)
		}
	}
}

// The victim reads, over a gap; the survivor goes on with what it has not released.
func readerScenario(t *testing.T, victim, survivor *Space) (func(), func(string)) {
	st := must(survivor.Stream("s", 128))
	w := must(st.Writer(soon(t)))
	write := func(n int) {
		copy(must(w.Reserve(soon(t), n)), pattern(w.Offset(), n))
		if err := w.Commit(n); err != nil {
			t.Fatal(err)
		}
	}
	write(50)
	write(50)
	acked := int64(0)
	act := func() {
		r, err := must(victim.Stream("s", 0)).Reader(t.Context())
		if err != nil {
			return
		}
		var b [60]byte
		for range 3 {
			_, _ = r.Read(b[:])
			acked = r.Offset()
			if acked == 100 {
				done := make(chan bool)
				go func() { write(50); close(done) }() // with a gap before
				<-done
			}
		}
		_ = r.Close()
	}
	return act, func(string) {
		r, err := st.Reader(soon(t))
		r = heir(t, r, err)
		from := r.Offset()
		if from < acked || from > acked+60 {
			t.Errorf("%d bytes were read, now it is %d", acked, from)
		}
		if err := w.End(); err != nil {
			t.Error(err)
		}
		rest, err := io.ReadAll(r)
		if err != nil || !bytes.Equal(rest, pattern(from, int(w.Offset()-from))) {
			t.Errorf("from %d on %d bytes that are others: %v", from, len(rest), err)
		}
	}
}

// The victim publishes and closes.
func topicScenario(t *testing.T, victim, survivor *Space) (func(), func(string)) {
	topic := must(OpenTopic[message](survivor, "t", 4))
	mine := must(OpenTopic[message](victim, "t", 4))
	sub := topic.Subscribe()
	acked := 0
	act := func() {
		for n := range 2 {
			_ = mine.Publish(t.Context(), newMessage(1, n))
			acked++
		}
		_ = mine.Close()
	}
	return act, func(string) {
		_ = topic.Publish(soon(t), newMessage(2, 1)) // unless it is closed
		_ = topic.Close()
		got := map[uint32]int{}
		for m, err := range sub.All(soon(t)) {
			if err != nil || !m.whole() {
				t.Errorf("read %v, %v", m, err)
			}
			got[m.sender]++
		}
		if got[1] < acked {
			t.Errorf("read %d messages of %d", got[1], acked)
		}
	}
}

// The victim calls the survivor.
func clientScenario(t *testing.T, victim, survivor *Space) (func(), func(string)) {
	server := must(OpenServer[int, int](survivor, "s", 1))
	served := make(chan error)
	go func() {
		served <- server.Serve(soon(t), func(_ context.Context, in int) (int, error) { return -in, nil })
	}()
	mine := must(OpenClient[int, int](victim, "s", 0))
	act := func() {
		for n := range 3 {
			if out, err := mine.Call(t.Context(), n); out != -n || err != nil {
				t.Errorf("%d: %d, %v", n, out, err)
			}
		}
	}
	return act, func(string) {
		c := must(OpenClient[int, int](survivor, "s", 0))
		for n := range 3 {
			if out, err := c.Call(soon(t), n); out != -n || err != nil {
				t.Errorf("%d: %d, %v", n, out, err)
			}
		}
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
		free(t, c.service)
	}
}

// The victim serves the survivor.
func serverScenario(t *testing.T, victim, survivor *Space) (func(), func(string)) {
	c := must(OpenClient[int, int](survivor, "s", 2))
	mine := must(OpenServer[int, int](victim, "s", 0))
	const calls = 3
	answers := make(chan error, calls)
	for n := range calls {
		go func() {
			out, err := c.Call(soon(t), n)
			if err == nil && out != -n {
				err = errors.New("another answer")
			}
			answers <- err
		}()
	}
	awaitClaims(t, survivor, calls)
	act := func() {
		asked := 0
		_ = mine.Serve(t.Context(), func(_ context.Context, in int) (int, error) {
			if asked++; asked == calls {
				mine.state.closed.Store(1)
			}
			return -in, nil
		})
		mine.state.closed.Store(0)
	}
	return act, func(point string) {
		mine.state.closed.Store(0)
		next := must(OpenServer[int, int](survivor, "s", 0))
		served := make(chan error)
		go func() {
			served <- next.Serve(soon(t), func(_ context.Context, in int) (int, error) { return -in, nil })
		}()
		died := 0
		for range calls {
			if err := <-answers; errors.Is(err, ErrServerDied) {
				died++
			} else if err != nil && !errors.Is(err, ErrClosed) {
				t.Error(err)
			}
		}
		if died > 1 || died == 1 && point == "" {
			t.Errorf("%d clients were told that the server died", died)
		}
		for n := range calls {
			if out, err := c.Call(soon(t), n); err != nil || out != -n {
				t.Errorf("%d: %d, %v", n, out, err)
			}
		}
		if err := next.Close(); err != nil {
			t.Error(err)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
		for {
			inUse := 0
			for i := range int(c.state.rows) {
				if c.row(i).load().state() != callFree {
					inUse++
				}
			}
			if inUse == 0 {
				return
			}
			runtime.Gosched()
		}
	}
}
