package ipc

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestStat(t *testing.T) {
	t.Parallel()
	start := time.Now().Add(-time.Second)
	spaces := heapSpaces(t, 3, Options{})
	s, other := spaces[0], spaces[1]
	m, rw, sem := must(s.Mutex("m")), must(s.RWMutex("rw")), must(s.Semaphore("sem", 5))
	o := must(other.Once("o"))
	if err := errors.Join(m.Lock(soon(t)), rw.Lock(soon(t)), sem.Acquire(soon(t), 2)); err != nil {
		t.Fatal(err)
	}
	begun, end := make(chan bool), make(chan bool)
	done := make(chan error, 2)
	go func() { done <- o.Do(soon(t), func() error { close(begun); <-end; return nil }) }()
	<-begun
	ctx, cancel := context.WithCancel(soon(t))
	go func() { done <- must(other.Semaphore("sem", 5)).Acquire(ctx, 4) }()
	awaitWaiting(t, s, sem.i, 1)
	made := must(NewSlice[int64](other, 1000))

	me := strconv.FormatUint(self(), 10)
	st := must(spaces[2].Stat())
	if len(st.Members) != 3 || !st.Members[2].Self || st.Members[0].PID != 1 || st.Members[0].State != "live" || st.Members[0].Joined.Before(start) {
		t.Errorf("members: %+v", st.Members)
	}
	want := map[string]struct {
		kind    string
		holders int
		pid     int
		waiting int
		units   int64
	}{"m": {"mutex", 1, 1, 0, 0}, "rw": {"rwmutex", 1, 1, 0, 0}, "sem": {"semaphore", 1, 1, 1, 2}, "o": {"once", 1, 2, 0, 0}}
	for _, o := range st.Objects {
		w := want[o.Name]
		if o.Kind != w.kind || len(o.Holders) != w.holders || o.Holders[0].PID != w.pid || o.Holders[0].Units != w.units || o.Waiting != w.waiting {
			t.Errorf("%+v, want %+v", o, w)
		}
		if h := o.Holders[0]; o.Kind != "once" && (h.Since.Before(start) || h.Since.After(time.Now().Add(time.Second)) || h.Goroutine != me) {
			t.Errorf("%s: %+v", o.Name, h)
		}
		for _, c := range o.Waiters {
			if c.PID != 2 || c.Units != 4 {
				t.Errorf("%s: %+v waits", o.Name, c)
			}
		}
		delete(want, o.Name)
	}
	if len(want) > 0 {
		t.Errorf("missing: %v", want)
	}
	if len(st.Memory) != 1 || st.Memory[0].PID != 2 || st.Memory[0].InUse < 8000 {
		t.Errorf("memory: %+v", st.Memory)
	}
	if text, err := json.Marshal(st); err != nil || !strings.Contains(string(text), `"holders":[{"pid":1,"goroutine":"`+me+`"`) {
		t.Errorf("%s, %v", text, err)
	}
	close(end)
	cancel()
	first, second := <-done, <-done
	if err := errors.Join(first, second); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := errors.Join(m.Unlock(), rw.Unlock(), sem.Release(2), made.Free()); err != nil {
		t.Error(err)
	}
	for _, o := range must(s.Stat()).Objects {
		if len(o.Holders) != 0 || o.Waiting != 0 {
			t.Errorf("%+v is free", o)
		}
	}
}

// A space may be looked at while others work in it.
func TestStatOfBusySpace(t *testing.T) {
	t.Parallel()
	spaces := heapSpaces(t, 2, Options{})
	stop := make(chan bool)
	done := make(chan error)
	go func() {
		m, sem, v := must(spaces[0].Mutex("m")), must(spaces[0].Semaphore("s", 1)), must(OpenVar(spaces[0], "v", ""))
		for {
			select {
			case <-stop:
				done <- nil
				return
			default:
			}
			if err := errors.Join(m.Lock(soon(t)), sem.Acquire(soon(t), 1), v.Store(long("x")), sem.Release(1), m.Unlock()); err != nil {
				done <- err
				return
			}
		}
	}()
	for range 200 {
		if st, err := spaces[1].Stat(); err != nil || len(st.Members) != 2 {
			t.Errorf("%+v, %v", st, err)
		}
	}
	close(stop)
	if err := <-done; err != nil {
		t.Error(err)
	}
}
