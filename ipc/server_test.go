package ipc

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
)

func TestServer(t *testing.T) {
	t.Parallel()
	spaces := heapSpaces(t, 3, Options{})
	double := func(_ context.Context, in uint64) (message, error) {
		if in == 13 {
			return message{}, errors.New("no 13")
		}
		if in == 14 {
			panic("14")
		}
		return newMessage(int(in), int(2*in)), nil
	}
	var servers, clients sync.WaitGroup
	for _, s := range spaces[:2] {
		servers.Go(func() {
			if err := must(OpenServer[uint64, message](s, "s", 2)).Serve(soon(t), double); err != nil {
				t.Error(err)
			}
		})
	}
	for i, s := range spaces {
		for k := range 2 {
			clients.Go(func() {
				c := must(OpenClient[uint64, message](s, "s", 2))
				for n := range 200 {
					in := 20 + 1000*(2*i+k) + n
					if out, err := c.Call(soon(t), uint64(in)); err != nil || out != newMessage(in, 2*in) {
						t.Errorf("%d: %v, %v", in, out, err)
						return
					}
				}
			})
		}
	}
	clients.Wait()
	c := must(OpenClient[uint64, message](spaces[2], "s", 2))
	var remote *RemoteError
	if _, err := c.Call(soon(t), 13); !errors.As(err, &remote) || err.Error() != "no 13" {
		t.Errorf("the server's error: %v", err)
	}
	if _, err := c.Call(soon(t), 14); !errors.As(err, &remote) || err.Error() != "panic: 14" {
		t.Errorf("the server's panic: %v", err)
	}
	if err := must(OpenServer[uint64, message](spaces[0], "s", 2)).Close(); err != nil {
		t.Error(err)
	}
	servers.Wait()
	if _, err := c.Call(soon(t), 1); !errors.Is(err, ErrClosed) {
		t.Errorf("called after Close: %v", err)
	}
	if _, err := OpenClient[uint64, uint64](spaces[2], "s", 2); err == nil {
		t.Error("another type was accepted")
	}
	free(t, c.service)
}

// free checks that no row is in use.
func free(t *testing.T, v *service) {
	t.Helper()
	for i := range int(v.state.rows) {
		if w := v.row(i).load(); w.state() != callFree {
			t.Errorf("row %d is left in state %d", i, w.state())
		}
	}
}

// A client is told that its server died, and the next server takes the rest.
func TestServerDies(t *testing.T) {
	t.Parallel()
	spaces := heapSpaces(t, 3, Options{})
	begun, never := make(chan bool), make(chan bool)
	go func() {
		_ = must(OpenServer[int, int](spaces[0], "s", 4)).Serve(soon(t), func(context.Context, int) (int, error) {
			close(begun)
			<-never
			select {}
		})
	}()
	c := must(OpenClient[int, int](spaces[1], "s", 4))
	answers := make(chan string, 3)
	call := func() {
		out, err := c.Call(soon(t), 1)
		answers <- fmt.Sprint(out, err)
	}
	go call()
	<-begun
	go call()
	go call()
	awaitClaims(t, spaces[1], 3)
	die(spaces[0])
	if got, want := <-answers, fmt.Sprint(0, ErrServerDied); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	ctx, stop := context.WithCancelCause(t.Context())
	stopped := make(chan error)
	go func() {
		stopped <- must(OpenServer[int, int](spaces[2], "s", 4)).Serve(ctx, func(_ context.Context, in int) (int, error) { return in + 1, nil })
	}()
	for range 2 {
		if got, want := <-answers, fmt.Sprint(2, nil); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	reason := errors.New("the reason")
	stop(reason)
	if err := <-stopped; !errors.Is(err, reason) {
		t.Error(err)
	}
	// Without a server a call ends with its context.
	ctx, stop = context.WithCancelCause(t.Context())
	go func() { awaitClaims(t, spaces[1], 1); stop(reason) }()
	if _, err := c.Call(ctx, 1); !errors.Is(err, reason) {
		t.Error(err)
	}
	free(t, c.service)
}
