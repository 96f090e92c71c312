package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"
)

// held is what a holder in the background tells who started it.
type held struct {
	Code  int // 0 with a fault: that of wrong usage
	Fault string
}

// run carries out what sem is about.
func (e *errand) run(foreground bool) error {
	if foreground || e.Wait {
		s, err := e.hold(context.Background())
		if err != nil {
			return diedOf(err)
		}
		return e.perform(s)
	}
	e.Background = true
	h, err := startHelper(holderWord, e.Charge.Display, e)
	if err != nil {
		return err
	}
	var answer held
	if err := h.from.Decode(&answer); err != nil {
		return &exitError{exitMapUsage, fmt.Errorf("semaphore %q: who was to wait for it was killed (%s); the command was not run", e.ID, h.Wait())}
	}
	switch {
	case answer.Fault != "" && answer.Code == 0: // as wrong usage
		return errors.New(answer.Fault)
	case answer.Fault != "":
		return &exitError{answer.Code, errors.New(answer.Fault)}
	case answer.Code != 0:
		return &exitError{answer.Code, nil}
	}
	return nil
}

// hold waits until the command may run.
func (e *errand) hold(ctx context.Context) (*shellSpace, error) {
	s, err := enterShellSpace(e.Charge.Space)
	if err != nil {
		return nil, err
	}
	ctx, stop := untilSignal(ctx)
	defer stop()
	if e.Give > 0 {
		timed, stop := context.WithTimeout(ctx, time.Duration(e.Give))
		defer stop()
		ctx = timed
	}
	n := e.Charge.Needs[0]
	if e.Give > 0 {
		err = s.take(ctx, n)
	} else if err = s.refuseOwn(os.Getenv(locksVariable), n); err == nil {
		err = s.takeWatched(ctx, n)
	}
	if errors.Is(err, context.DeadlineExceeded) && e.Anyway && !e.Wait {
		complain("semaphore %q: as many commands as may run still run when its timeout passes; the command is run anyway", e.ID)
		e.Charge.Seize = true
		err = s.seize(n)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = e.notYet()
	}
	if err == nil && e.Wait { // what a killed holder left is ended by its keeper
		err = s.give(n)
		if n.Name = runningPrefix + n.Name; err == nil {
			err = s.take(ctx, n)
		}
		if err == nil {
			err = s.give(n)
		}
	}
	if err != nil {
		return nil, errors.Join(err, s.leave())
	}
	return s, nil
}

// perform runs the command that may run now, and lets the next one run.
func (e *errand) perform(s *shellSpace) error {
	if e.Wait {
		return s.leave()
	}
	above := os.Getenv(locksVariable)
	if e.Background {
		above = "" // who holds that does not wait for the command's end
	}
	e.Charge.Env = append(heldEnv(foreignEnv(os.Environ(), ""), above, e.Charge.Space, e.Charge.Needs), "PARALLEL_PID="+strconv.Itoa(os.Getpid()), "PARALLEL_SEQ=1", "PARALLEL_JOBSLOT=1")
	err := e.echo()
	var end ended
	if err == nil {
		end, err = keep(&e.Charge)
	}
	if left := errors.Join(s.give(e.Charge.Needs[0]), s.leave()); err == nil {
		err = left
	}
	if err != nil {
		return err
	}
	return end.tell()
}

// holderMain is the process that holds a unit for a command in the background.
func holderMain() int {
	var e errand
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	answer, err := helped(&e, func(syscall.Signal) {}, cancel)
	if err != nil {
		complain("%v", err)
		return exitUsage
	}
	s, err := e.hold(ctx)
	if err != nil {
		if _, ok := errors.AsType[*signalled](err); ok {
			return exitMapUsage // it came to who asked as well
		}
		say := held{Code: exitMapUsage, Fault: err.Error()}
		if exit, ok := errors.AsType[*exitError](err); ok {
			say.Code = exit.code
		}
		if _, ok := errors.AsType[*deadlockError](err); ok {
			say.Code = 0
		}
		_ = answer(say) // whoever asked may be gone
		return exitMapUsage
	}
	if err := answer(held{}); err != nil { // nobody wants it any more
		return said(errors.Join(s.give(e.Charge.Needs[0]), s.leave()))
	}
	return said(e.perform(s))
}

// said says what is wrong, and returns the exit code.
func said(err error) int {
	code := 0
	if err != nil {
		code = exitMapUsage
	}
	if exit, ok := errors.AsType[*exitError](err); ok {
		code, err = exit.code, exit.err
	}
	if err != nil {
		complain("%v", err)
	}
	return code
}
