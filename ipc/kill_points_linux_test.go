package ipc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

// What TestDeathAtEveryPoint and its like do with goroutines, done with a process that
// gets SIGKILL at each point: the kernel tells of its death, and its memory is mapped by
// others.

// killScenarios are those of which one process can do its part alone.
func killScenarios() (all []lockScenario) {
	for _, sc := range slices.Concat(lockScenarios, txnScenarios, bankerScenarios, messageScenarios, callScenarios) {
		if sc.on == nil {
			all = append(all, sc)
		}
	}
	return all
}

// messageScenarios are about what is sent. Whoever is left gets whole messages, in
// order, and can go on.
var messageScenarios = []lockScenario{
	{
		name:  "channel",
		ready: func(_ context.Context, s *Space) error { _, err := OpenChan[int](s, "c", 2); return err },
		act: func(ctx context.Context, s *Space) error {
			c := must(OpenChan[int](s, "c", 2))
			_, err := c.SendMany(ctx, []int{1, 2})
			_, _, receiveErr := c.Receive(ctx)
			return errors.Join(err, receiveErr, c.Send(ctx, 3), c.Close())
		},
		after: func(ctx context.Context, s *Space) error {
			c := must(OpenChan[int](s, "c", 2))
			for before := 0; ; {
				v, ok, over, err := c.TryReceive()
				switch {
				case err != nil || over:
					return err
				case !ok:
					return errors.Join(c.Send(ctx, 4), c.Close())
				case v <= before || v > 3:
					return fmt.Errorf("%d came after %d", v, before)
				}
				before = v
			}
		},
	}, {
		name:  "stream",
		ready: func(_ context.Context, s *Space) error { _, err := s.Stream("st", 64); return err },
		act: func(ctx context.Context, s *Space) error {
			st := must(s.Stream("st", 64))
			w, r := must(st.Writer(ctx)), must(st.Reader(ctx))
			for range 5 { // round the ring
				_, err := w.Write([]byte("twenty bytes, whole."))
				if _, readErr := io.ReadFull(r, make([]byte, 20)); err != nil || readErr != nil {
					return errors.Join(err, readErr)
				}
			}
			return w.End()
		},
		after: func(ctx context.Context, s *Space) error {
			st := must(s.Stream("st", 64))
			w, err := st.Writer(ctx)
			r, readErr := st.Reader(ctx)
			if err = errors.Join(heirGets(err), heirGets(readErr)); err != nil {
				return err
			}
			if left := w.Offset() - r.Offset(); left < 0 || left > 20 || left%20 != 0 {
				return fmt.Errorf("%d bytes are left", left)
			}
			if err = w.End(); err == ErrClosed {
				err = nil
			}
			rest, readErr := io.ReadAll(r)
			if text := string(rest); text != "" && text != "twenty bytes, whole." {
				readErr = fmt.Errorf("%q is left", text)
			}
			return errors.Join(err, readErr)
		},
	}, {
		name:  "bytes",
		ready: func(_ context.Context, s *Space) error { _, err := s.ByteChan("b", 3, false); return err },
		act: func(ctx context.Context, s *Space) error {
			b := must(s.ByteChan("b", 3, true))
			err := errors.Join(b.Send(ctx, []byte("short")), b.Send(ctx, []byte(long("long"))))
			return errors.Join(err, must(b.Receive(ctx)).Done(), must(b.Receive(ctx)).Return())
		},
		after: func(ctx context.Context, s *Space) error {
			b := must(s.ByteChan("b", 3, false))
			if err := b.Close(); err != nil {
				return err
			}
			for {
				m, err := b.Receive(ctx)
				if m == nil || err != nil {
					return err
				}
				if text := string(m.Bytes); text != "short" && text != long("long") {
					return fmt.Errorf("%.20q came", text)
				}
				if err := m.Done(); err != nil {
					return err
				}
			}
		},
	}, {
		name: "value",
		act: func(_ context.Context, s *Space) error {
			v := must(OpenVar(s, "v", long("a")))
			return errors.Join(v.Store(long("b")), v.Store("c"))
		},
		after: func(_ context.Context, s *Space) error {
			v := must(OpenVar(s, "v", long("a")))
			if got := must(v.Load()); got != long("a") && got != long("b") && got != "c" {
				return fmt.Errorf("the value is %.20q", got)
			}
			return v.Store("d")
		},
	}, {
		name: "map",
		act: func(_ context.Context, s *Space) error {
			m := must(OpenMap[int, string](s, "m", 2))
			err := errors.Join(m.Store(1, long("a")), m.Store(1, "b"), m.Store(2, long("c")))
			_, deleteErr := m.Delete(1)
			return errors.Join(err, deleteErr)
		},
		after: func(_ context.Context, s *Space) error {
			m := must(OpenMap[int, string](s, "m", 2))
			return errors.Join(m.Store(1, "d"), m.Store(2, "e"))
		},
	}, {
		name:    "room for names",
		options: Options{Objects: 3},
		ready: func(_ context.Context, s *Space) error { // one of the three rows is taken already
			for _, name := range []string{"a", "b"} {
				must(OpenMap[int, string](s, name, 2))
			}
			for i := range s.objects { // as if it had left
				if o := &s.objects[i]; o.kind.Load() == kindMap {
					o.close(s.slot)
				}
			}
			return nil
		},
		act: func(_ context.Context, s *Space) error {
			_, err := s.Mutex("new")
			return errors.Join(err, s.Remove("new"))
		},
		after: func(_ context.Context, s *Space) error {
			_, err := s.Mutex("one")
			_, err2 := s.Mutex("two")
			return errors.Join(err, err2)
		},
	},
}

func init() {
	childModes["kill-points"] = func() error {
		all := killScenarios()
		sc := &all[slices.IndexFunc(all, func(sc lockScenario) bool { return sc.name == os.Args[1] })]
		last, err := strconv.Atoi(os.Args[3])
		if err != nil {
			return err
		}
		s, err := OpenWith(os.Args[2], 0, sc.options)
		if err != nil {
			return err
		}
		kill := func() {
			_ = unix.Kill(os.Getpid(), unix.SIGKILL)
			select {}
		}
		n := 0
		m := &mortal{space: s, last: -1, on: func(string) {
			if n == last {
				kill()
			}
			n++
		}}
		m.be(func() { err = sc.act(context.Background(), s) })
		if err != nil {
			return err
		}
		fmt.Println(strings.Join(m.passed, " "))
		kill() // with all that it holds
		return nil
	}
}

func TestSIGKILLAtEveryPoint(t *testing.T) {
	t.Parallel()
	for _, sc := range killScenarios() {
		t.Run(sc.name, func(t *testing.T) {
			t.Parallel()
			passed := sc.kill(t, -1)
			if len(passed) < 3 {
				t.Fatalf("only %v are passed", passed)
			}
			for n, point := range passed {
				if slices.Index(passed, point) == n && !(testing.Short() && n%4 != 0) {
					sc.kill(t, n)
				}
			}
		})
	}
}

// kill runs the scenario with a process that is killed at point number last, or at its
// end, where it returns the points that it has passed.
func (sc *lockScenario) kill(t *testing.T, last int) (passed []string) {
	t.Helper()
	name := fmt.Sprintf("%s-%d", spaceName(t), last)
	o := sc.options
	o.Claims = 64
	o.Objects = max(o.Objects, 3)
	if sc.options.Objects == 0 {
		o.Objects = 32
	}
	s, err := OpenWith(name, 1<<20, o)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := errors.Join(s.Close(), Remove(name, Options{})); err != nil {
			t.Error(err)
		}
	}()
	ctx := soon(t)
	must(s.Event("not what it is about")) // object 0, which a wiped claim names
	if sc.ready != nil {
		if err := sc.ready(ctx, s); err != nil {
			t.Fatal(err)
		}
	}
	a := start(t, "kill-points", sc.name, name, strconv.Itoa(last))
	var over atomic.Bool
	said := make(chan string, 1)
	go func() {
		text, _ := io.ReadAll(a.out)
		over.Store(true)
		said <- string(text)
	}()
	if sc.meanwhile != nil {
		if err := sc.meanwhile(ctx, s, over.Load); err != nil {
			t.Fatal(err)
		}
	}
	passed = strings.Fields(<-said)
	for slot := range s.members {
		for slot != s.slot && s.members[slot].load().state() != memberFree {
			if ctx.Err() != nil {
				t.Fatalf("slot %d is %v", slot, s.members[slot].load().state())
			}
			runtime.Gosched()
		}
	}
	if err := sc.after(ctx, s); err != nil {
		t.Errorf("killed at point %d: %v", last, err)
	}
	audit(t, s, 1)
	return passed
}
