package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"github.com/tutti-run/tutti/ipc"
	"github.com/tutti-run/tutti/shm"
)

// messagesRun is what a call of tutti chan or tutti topic does in its space, until
// a signal comes.
func messagesRun(r spaceRef, do func(ctx context.Context, s *shellSpace) error) error {
	s, err := enterShellSpace(r)
	if err != nil {
		return err
	}
	ctx, stop := untilSignal(context.Background())
	defer stop()
	return diedOf(errors.Join(do(ctx, s), s.leave()))
}

// within does what may block for as long as it likes, and returns when ctx is done: then
// f goes on until this process ends, which is soon.
func within(ctx context.Context, f func() error) error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// madeOtherwise explains why a channel or topic could not be opened.
func madeOtherwise(topic bool, name string, size int, err error) error {
	switch {
	case errors.Is(err, ipc.ErrCapacity):
		return &exitError{1, fmt.Errorf("%s %q is there already, and not with --size %d: who comes first decides; say it there, or leave it out here", messageWord(topic), name, size)}
	case errors.Is(err, shm.ErrFull):
		return &exitError{1, fmt.Errorf("%s %q: there is no memory for it in its space; free some, say a smaller --size, or name a space in a folder with more with --space", messageWord(topic), name)}
	}
	return err
}

// run sends.
func (c *sendCall) run() error {
	return messagesRun(c.space, func(ctx context.Context, s *shellSpace) error {
		send, end, err := c.open(s)
		if err != nil {
			return madeOtherwise(c.topic, c.name, c.size, err)
		}
		next := c.words()
		if len(c.values) == 0 {
			next = c.input()
		}
		for n := 0; ; n++ {
			var msg []byte
			err := within(ctx, func() (err error) { msg, err = next(); return err })
			if err == io.EOF {
				break
			}
			if err == nil {
				err = send(ctx, msg)
			}
			if err != nil {
				return c.told(err, n, len(msg))
			}
		}
		if c.end {
			return c.told(end(), -1, 0)
		}
		return nil
	})
}

// open opens what is sent to.
func (c *sendCall) open(s *shellSpace) (send func(context.Context, []byte) error, end func() error, err error) {
	name := messageObject(c.topic, c.name)
	if c.topic {
		t, err := s.ByteTopic(name, c.size, true)
		if err != nil {
			return nil, nil, err
		}
		return func(_ context.Context, msg []byte) error { return t.Publish(msg) }, t.Close, nil
	}
	ch, err := s.ByteChan(name, c.size, true)
	if err != nil {
		return nil, nil, err
	}
	return func(ctx context.Context, msg []byte) error {
		if c.give > 0 {
			timed, stop := context.WithTimeout(ctx, c.give)
			defer stop()
			ctx = timed
		}
		return ch.Send(ctx, msg)
	}, ch.Close, nil
}

// words yields the words of the call.
func (c *sendCall) words() func() ([]byte, error) {
	left := c.values
	return func() ([]byte, error) {
		if len(left) == 0 {
			return nil, io.EOF
		}
		word := left[0]
		left = left[1:]
		return []byte(word), nil
	}
}

// input yields the messages on standard input.
func (c *sendCall) input() func() ([]byte, error) {
	cut := newCutter(os.Stdin, c.cut, ipc.MessageMax)
	return cut.next
}

// told says why message number n+1, of so many bytes, was not sent; -1: the end.
func (c *sendCall) told(err error, n, size int) error {
	what := fmt.Sprintf("%s %q", messageWord(c.topic), c.name)
	before := countText(max(n, 0)) + " sent before"
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ipc.ErrClosed) && n < 0:
		return &exitError{1, fmt.Errorf("%s was closed already", what)}
	case errors.Is(err, ipc.ErrClosed):
		until := "all that is in it is received"
		if c.topic {
			until = "all who use it have left"
		}
		err = fmt.Errorf("%s is closed: nothing can be sent until %s; %s", what, until, before)
	case errors.Is(err, context.DeadlineExceeded):
		err = fmt.Errorf("%s was full when --timeout passed; %s", what, before)
	case errors.Is(err, errTooLong):
		err = fmt.Errorf("message %d is longer than %d bytes, which is the most that can be: put it into a file, and send its name; %s", n+1, ipc.MessageMax, before)
	case errors.Is(err, shm.ErrFull):
		err = fmt.Errorf("%s: there is no memory for message %d, of %d bytes: free some in the space's folder, or send less at a time; %s", what, n+1, size, before)
	case isSignal(err):
		return err
	default:
		err = fmt.Errorf("message %d: %w; %s", n+1, err, before)
	}
	return &exitError{1, err}
}

func isSignal(err error) bool {
	_, ok := errors.AsType[*signalled](err)
	return ok
}

// errReaderGone ends a call whose output nobody reads any more.
var errReaderGone = &exitError{128 + int(syscall.SIGPIPE), nil}

// source is where a receiver has its messages from: take returns one, and what to call
// when it is printed, or was not; done is false at the end.
type source func(ctx context.Context) (msg []byte, settle func(printed bool) error, ok bool, err error)

// run receives.
func (c *recvCall) run() error {
	missed := false
	err := messagesRun(c.space, func(ctx context.Context, s *shellSpace) error {
		next, err := c.open(s, &missed)
		if err != nil {
			return madeOtherwise(c.topic, c.name, c.size, err)
		}
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		quit := make(chan struct{})
		defer close(quit)
		go watchReader(os.Stdout, quit, func() bool { cancel(errReaderGone); return true })
		for n := 0; c.most == 0 || n < c.most; n++ {
			msg, settle, ok, err := next(ctx)
			if err != nil {
				return c.told(err, n)
			}
			if !ok && c.most > 0 {
				return &exitError{1, nil}
			}
			if !ok {
				return nil
			}
			line := append(append(make([]byte, 0, len(msg)+1), msg...), c.end...)
			err = within(ctx, func() error { _, err := direct{1}.Write(line); return err })
			if left := settle(err == nil); err == nil {
				err = left
			}
			if err != nil {
				return c.told(err, n)
			}
		}
		return nil
	})
	if err == nil && missed {
		return &exitError{exitMissed, nil}
	}
	return err
}

// told says why nothing more is received than n messages.
func (c *recvCall) told(err error, n int) error {
	switch {
	case errors.Is(err, syscall.EPIPE):
		return errReaderGone
	case isSignal(err), err == errReaderGone:
		return err
	case errors.Is(err, context.DeadlineExceeded):
		more := ""
		if n == 1 {
			more = " after the first"
		} else if n > 1 {
			more = fmt.Sprintf(" after the first %d", n)
		}
		return &exitError{1, fmt.Errorf("%s %q: no message had come%s when --timeout passed", messageWord(c.topic), c.name, more)}
	}
	if _, ok := errors.AsType[syscall.Errno](err); ok && !c.topic {
		err = fmt.Errorf("write standard output: %w; the message stays in channel %q", err, c.name)
	}
	return &exitError{1, err}
}

// open opens what is received from.
func (c *recvCall) open(s *shellSpace, missed *bool) (source, error) {
	timed := func(ctx context.Context) (context.Context, func()) {
		if c.give == 0 {
			return ctx, func() {}
		}
		return context.WithTimeout(ctx, c.give)
	}
	name := messageObject(c.topic, c.name)
	if !c.topic {
		ch, err := s.ByteChan(name, c.size, false)
		if err != nil {
			return nil, err
		}
		return func(ctx context.Context) ([]byte, func(bool) error, bool, error) {
			ctx, stop := timed(ctx)
			defer stop()
			m, err := ch.Receive(ctx)
			if err != nil || m == nil {
				return nil, nil, false, err
			}
			return m.Bytes, func(printed bool) error {
				if printed {
					return m.Done()
				}
				return m.Return()
			}, true, nil
		}, nil
	}
	t, err := s.ByteTopic(name, c.size, false)
	if err != nil {
		return nil, err
	}
	sub := t.Subscribe()
	if c.oldest {
		sub = t.SubscribeOldest()
	}
	return func(ctx context.Context) (msg []byte, _ func(bool) error, ok bool, err error) {
		ctx, stop := timed(ctx)
		defer stop()
		for {
			msg, ok, err = sub.Next(ctx)
			lost, is := errors.AsType[*ipc.MissedError](err)
			if !is {
				return msg, func(bool) error { return nil }, ok, err
			}
			*missed = true
			complain("topic %q: %s missed here: what reads them is too slow, or --size too small", c.name, countText(int(lost.N)))
		}
	}, nil
}

// run has the channel there while the command runs.
func (c *keepCall) run() error {
	s, err := enterShellSpace(c.space)
	if err != nil {
		return err
	}
	var end ended
	if _, err = s.ByteChan(messageObject(false, c.name), c.size, false); err != nil {
		err = madeOtherwise(false, c.name, c.size, err)
	} else {
		end, err = keep(&charge{
			Space: c.space, Argv: argvOf(c.command), Env: os.Environ(),
			Display: strings.Join(c.command, " "), Output: printDirect,
		})
	}
	if err = errors.Join(err, s.leave()); err != nil {
		return err
	}
	return end.tell()
}
