package tutti_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/tutti-run/tutti"
)

// open opens a pool that is closed with the test. Where nothing is said it has
// two workers.
func open(t testing.TB, c tutti.Config) *tutti.Pool {
	t.Helper()
	if c.Workers == 0 && c.Groups == nil {
		c.Workers = 2
	}
	pool, err := tutti.Open(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := pool.Close(); err != nil {
			t.Error(err)
		}
	})
	return pool
}

// A gate is where tasks announce themselves and wait until the test lets them
// go on: so a test knows what runs and for how long, and needs no clock.
type gate struct {
	t        testing.TB
	path     string
	arrivals chan *guest
}

// guest is a task at the gate.
type guest struct {
	conn net.Conn
	note note
}

// note is what a task tells of itself.
type note struct{ N, PID, Worker, Lane, Attempt int }

// Visit is a task's way to a gate.
type Visit struct {
	Gate string
	N    int
}

func newGate(t testing.TB) *gate {
	t.Helper()
	dir, err := os.MkdirTemp("", "gate") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{t: t, path: filepath.Join(dir, "s"), arrivals: make(chan *guest, 10_000)}
	t.Cleanup(func() {
		_ = l.Close()
		for guest := range g.arrivals {
			guest.letGo()
		}
		_ = os.RemoveAll(dir)
	})
	go func() {
		defer close(g.arrivals)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			v := &guest{conn: conn}
			if json.NewDecoder(conn).Decode(&v.note) == nil {
				g.arrivals <- v
			} else {
				_ = conn.Close()
			}
		}
	}()
	return g
}

func (g *gate) visit(n int) Visit { return Visit{g.path, n} }

// await returns the next n tasks that arrive.
func (g *gate) await(n int) []*guest {
	var guests []*guest
	for range n {
		guests = append(guests, <-g.arrivals)
	}
	return guests
}

// letGo has the task go on.
func (v *guest) letGo() { _ = v.conn.Close() }

// gone waits until the task has left of itself: cancelled, or its worker died.
func (v *guest) gone() {
	_, _ = io.Copy(io.Discard, v.conn)
	_ = v.conn.Close()
}

// stand announces a task at a gate and waits there until it is let go or ctx ends.
func stand(ctx context.Context, v Visit) error {
	conn, err := net.Dial("unix", v.Gate)
	if err != nil {
		return err
	}
	defer conn.Close()
	info, _ := tutti.Info(ctx)
	err = json.NewEncoder(conn).Encode(note{v.N, os.Getpid(), info.Worker, info.Lane, info.Attempt})
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	if _, err = conn.Read(make([]byte, 1)); errors.Is(err, io.EOF) {
		return nil
	}
	return ctx.Err()
}

// Meet stands at a gate and honours its context; Stubborn does not.
var (
	Meet = tutti.NewFunc("test.meet", func(ctx context.Context, v Visit) (int, error) {
		return v.N, stand(ctx, v)
	})
	Stubborn = tutti.NewFunc("test.stubborn", func(ctx context.Context, v Visit) (int, error) {
		return v.N, stand(context.WithoutCancel(ctx), v)
	})
)

func itoa(n int) string { return strconv.Itoa(n) }
