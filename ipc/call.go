package ipc

import (
	"context"
	"fmt"
	"unsafe"

	"github.com/tutti-run/tutti/shm"
)

// Server answers the calls of clients in any processes. Any number of servers of one
// name share the work.
type Server[In, Out any] struct{ *service }

// Client makes calls. It may be used by many goroutines at once.
type Client[In, Out any] struct{ *service }

// OpenServer returns a server of a name, and makes what it needs for so many calls at a
// time, 1 to 4096, if it is not there; with 0 calls that must be there. In and Out must
// hold no pointers, see OpenChan.
func OpenServer[In, Out any](s *Space, name string, calls int) (*Server[In, Out], error) {
	v, err := openService[In, Out](s, name, calls)
	if err != nil {
		return nil, err
	}
	return &Server[In, Out]{v}, nil
}

// OpenClient returns a client of the servers of a name, as OpenServer does. The servers
// may come later.
func OpenClient[In, Out any](s *Space, name string, calls int) (*Client[In, Out], error) {
	v, err := openService[In, Out](s, name, calls)
	if err != nil {
		return nil, err
	}
	return &Client[In, Out]{v}, nil
}

// Close ends the service, for all servers and clients: calls that nobody has begun to
// serve get ErrClosed, and Serve returns.
func (v *Server[In, Out]) Close() error {
	if v.s.closing.Load() || v.state.closed.Swap(1) != 0 {
		return ErrClosed
	}
	at("server-closed")
	v.state.servers.ring(wakeAll)
	v.state.clients.ring(wakeAll)
	for i := range int(v.state.rows) {
		v.row(i).client.ring(wakeAll)
	}
	return nil
}

// Serve answers calls with f, one after another, until ctx is done, whose cause it
// returns, or the service is closed: then it returns nil. To answer several at a time
// call it in several goroutines. An error of f, or a panic, is returned to the client as
// a *RemoteError. f gets ctx; a client that gives up does not end it. Closing the space
// waits for f.
//
//go:noinline
func (v *Server[In, Out]) Serve(ctx context.Context, f func(context.Context, In) (Out, error)) error {
	agent, pc, cycles := here()
	if err := v.s.enter(); err != nil {
		return err
	}
	defer v.s.leave()
	next := 0
	for {
		if v.s.closing.Load() {
			return ErrClosed
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		var c *call
		try := func() (done verdict) {
			c, done = v.take(&next)
			return done
		}
		done := v.toAnswer.spin(try)
		if done == blocked {
			var err error
			if done, err = v.s.await(ctx, v.object, &v.state.servers, waitsForMessage, caller{agent, pc, cycles}, try); err != nil {
				return err
			}
			v.state.servers.ring(1) // there may be more
		}
		if done == closed {
			return nil
		}
		v.answer(ctx, c, f)
	}
}

// take takes a call that nobody serves, looking from row *next on.
func (v *service) take(next *int) (*call, verdict) {
	if v.state.closed.Load() != 0 {
		return nil, closed
	}
	n := int(v.state.rows)
	for k := range n {
		i := (*next + k) % n
		c := v.row(i)
		if w := c.load(); w.state() == callAsked && c.swap(w, w.serving(v.s.slot)) { // SYNC call-asked
			at("serve-taken")
			shm.Acquire(unsafe.Pointer(&c.word))
			*next = i + 1
			return c, ready
		}
	}
	return nil, blocked
}

func (v *Server[In, Out]) answer(ctx context.Context, c *call, f func(context.Context, In) (Out, error)) {
	text, state := "the goroutine that served this call has ended", callFailed
	defer func() {
		if state == callFailed {
			c.textLen = uint32(copy(c.text[:], text))
		}
		at("serve-done")
		w := c.load()
		shm.Release(unsafe.Pointer(&c.word))
		if w.state() == callServing && c.swap(w, w.to(state)) { // SYNC call-done
			at("serve-answered")
			c.client.ring(wakeAll)
			return
		}
		v.free(c) // nobody wants it
	}()
	out, err := guarded(ctx, *(*In)(v.input(c)), f)
	if err != nil {
		text = err.Error()
		return
	}
	*(*Out)(v.output(c)) = out
	state = callDone
}

// guarded calls f, whose panic is an error.
func guarded[In, Out any](ctx context.Context, in In, f func(context.Context, In) (Out, error)) (out Out, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return f(ctx, in)
}

// free gives back a row that is this process's.
func (v *service) free(c *call) {
	c.word.Store(uint64(c.load().to(callFree)))
	at("call-freed")
	v.state.clients.ring(1)
}

// Call asks a server and returns its answer, and waits for both until ctx is done; what
// a server is about then it does to its end, for nobody. Errors are a *RemoteError, from
// the server's function; ErrServerDied; ErrClosed; the cause of ctx's end; or a
// *DeadlockError.
//
//go:noinline
func (v *Client[In, Out]) Call(ctx context.Context, in In) (out Out, err error) {
	agent, pc, cycles := here()
	who := caller{agent, pc, cycles}
	if err := v.s.enter(); err != nil {
		return out, err
	}
	defer v.s.leave()
	var c *call
	try := func() (done verdict) {
		c, done = v.ask()
		return done
	}
	if err := v.wait(ctx, &v.state.clients, waitsForRoom, who, try); err != nil {
		return out, err
	}
	*(*In)(v.input(c)) = in
	at("call-written")
	w := c.load()
	shm.Release(unsafe.Pointer(&c.word))
	c.swap(w, w.to(callAsked)) // SYNC call-asked
	at("call-asked")
	v.state.servers.ring(1)
	err = v.wait(ctx, &c.client, waitsForMessage, who, func() verdict { return v.answered(c) })
	if err != nil && v.giveUp(c) {
		return out, err
	}
	shm.Acquire(unsafe.Pointer(&c.word))
	switch c.load().state() { // SYNC call-done
	case callDone:
		out, err = *(*Out)(v.output(c)), nil
	case callFailed:
		err = &RemoteError{string(c.text[:min(c.textLen, uint32(len(c.text)))])}
	default:
		err = ErrServerDied
	}
	at("call-answered")
	v.free(c)
	return out, err
}

// ask takes a row for a question.
func (v *service) ask() (*call, verdict) {
	if v.state.closed.Load() != 0 {
		return nil, closed
	}
	n := int(v.state.rows)
	first := v.cursor.Load()
	for k := range n {
		i := int((first + uint64(k)) % uint64(n))
		c := v.row(i)
		if w := c.load(); w.state() == callFree && c.swap(w, w.asking(v.s.slot)) {
			at("call-asking")
			if k > 0 {
				v.cursor.Store(uint64(i))
			}
			return c, ready
		}
	}
	return nil, blocked
}

// answered reports whether there is an answer, of whatever kind.
func (v *service) answered(c *call) verdict {
	switch st := c.load().state(); {
	case st == callDone, st == callFailed, st == callDied:
		return ready
	case st == callAsked && v.state.closed.Load() != 0:
		return closed
	default:
		return blocked
	}
}

// giveUp ends a call without its answer, and reports false if that has come.
func (v *service) giveUp(c *call) bool {
	for {
		w := c.load()
		switch w.state() {
		case callAsked:
			if c.swap(w, w.to(callFree)) {
				at("call-freed")
				v.state.clients.ring(1)
				return true
			}
		case callServing:
			if c.swap(w, w.to(callAbandoned)) {
				return true
			}
		default:
			return false
		}
	}
}

// wait tries until it is done, as a channel does.
func (v *service) wait(ctx context.Context, b *bell, units int64, who caller, try func() verdict) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	done := v.toAsk.spin(try)
	if done == blocked {
		var err error
		done, err = v.s.await(ctx, v.object, b, units, who, try)
		if b == &v.state.clients {
			b.ring(1) // there may be more rows
		}
		if err != nil {
			return err
		}
	}
	if done == closed {
		return ErrClosed
	}
	return nil
}
