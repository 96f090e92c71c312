package cli

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tutti-run/tutti"
	"github.com/tutti-run/tutti/internal/core"
)

// dialog is one job slot of --persistent: it starts the program, gives it inputs and
// takes its answers, and starts it again when it has died. One goroutine is it, in
// serve; ring may be called by any.
type dialog struct {
	programs *programs
	slot     int         // from 1
	socket   [2]*os.File // ours, the workers'
	bell     int         // an eventfd: there is a job, or the program has ended, or all is over
	restarts *core.Restarts
	alone    bool   // the program has answered too much: one input at a time
	grant    *grant // what its programs have of the stock, from the first on
	at       atomic.Pointer[position]

	wants, talks bool // it is in free; its program runs. Of programs, under its lock
}

// position is what a program is at, for people.
type position struct {
	ticket uint64
	title  *title
}

func newDialog(p *programs, slot int) (d *dialog, err error) {
	d = &dialog{programs: p, slot: slot, bell: -1, restarts: core.NewRestarts(p.deaths)}
	if d.socket, err = newSocket(); err != nil {
		return nil, err
	}
	if d.bell, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		d.close()
		return nil, os.NewSyscallError("eventfd", err)
	}
	return d, nil
}

func (d *dialog) close() {
	for _, f := range d.socket {
		_ = f.Close()
	}
	if d.bell >= 0 {
		_ = unix.Close(d.bell)
	}
}

// ring has the slot look around.
func (d *dialog) ring() { _, _ = unix.Write(d.bell, []byte{1, 0, 0, 0, 0, 0, 0, 0}) }

// heard takes back what ring did.
func (d *dialog) heard() {
	var b [8]byte
	_, _ = unix.Read(d.bell, b[:])
}

// serve has programs answer jobs until there are no more.
func (d *dialog) serve() {
	for {
		j, over := d.programs.take(d, 0)
		switch {
		case over:
			return
		case j == nil:
			awaitAny([]unix.PollFd{{Fd: int32(d.bell), Events: unix.POLLIN}}, -1)
			d.heard()
			continue
		case !d.equip(j):
			continue // with another job, if there is one
		}
		delay, goOn := d.talk(j)
		if !goOn {
			return
		}
		if delay > 0 {
			select {
			case <-time.After(time.Duration(delay)):
			case <-d.programs.run.supply.stop:
			}
		}
	}
}

// equip has the slot's programs have what they take beside the slot, once and for all of
// the run. While it waits for other runs to give that back its job is for whoever is free,
// and it waits no longer than there are jobs.
func (d *dialog) equip(j *job) bool {
	p := d.programs
	stock := p.run.stock
	if stock == nil || d.grant != nil {
		return true
	}
	var ok bool
	need := p.run.plan.units(p.run.plan.each, p.run.plan.takes)
	if d.grant, ok = stock.take(need); ok {
		return true
	}
	p.layBack([]*job{j})
	d.grant, _ = stock.acquire(need, p.fed)
	return false
}

// awaitAny waits until one of fds is ready, or for so long; below 0: any time. It reports
// whether one was.
func awaitAny(fds []unix.PollFd, wait time.Duration) bool {
	ms := -1
	if wait >= 0 {
		ms = int(min((wait+time.Millisecond-1)/time.Millisecond, time.Hour/time.Millisecond))
	}
	n, err := unix.Poll(fds, ms)
	if err != nil && err != unix.EINTR {
		panic("cli: " + os.NewSyscallError("poll", err).Error())
	}
	return n > 0 || err != nil
}

// talk starts the program and talks to it until it has ended. first is its first
// input.
func (d *dialog) talk(first *job) (delay core.Span, goOn bool) {
	p := d.programs
	t, err := d.start()
	if err != nil {
		p.layBack([]*job{first})
		p.run.fail(fmt.Errorf("start a program of --persistent: %w", err))
		return 0, false
	}
	p.talking(d, true)
	p.inlet.join(d)
	defer p.inlet.leave(d)
	t.give(first)
	for !t.over() {
		t.step()
	}
	t.ours.close()
	how := t.ending()
	charged, kind := t.Ended(how, p.proven.Load())
	if how == core.DialogBroke {
		d.alone = true
		charged = charged && t.doubt == 0 // else it is the fault of one before
	}
	text := t.fault
	if text == "" {
		text = deathText(&t.result, t.split.rest() > 0, t.kill == tooLate)
	}
	t.settle(how, charged, text)
	p.talking(d, false)
	d.at.Store(nil)
	if t.closed && len(t.jobs) == 0 { // it ended because there were no more inputs
		return 0, true
	}
	delay, goOn = p.died(d, kind)
	if !goOn {
		p.gaveUp(text)
	}
	return delay, goOn
}

// start has a worker start the program.
func (d *dialog) start() (*talk, error) {
	p := d.programs
	theirs, ours, err := newPipes()
	if err != nil {
		return nil, err
	}
	defer theirs.close()
	t := &talk{
		Dialog: core.NewDialog(core.Span(p.run.plan.timeout.After), d.alone), d: d, ours: ours,
		split: splitter{framing: p.framing}, ticket: p.tickets.Add(1), ended: make(chan result, 1), room: make([]byte, talkBytes),
	}
	socket := -1
	c, err := d.socket[0].SyscallConn()
	if err == nil {
		err = c.Control(func(fd uintptr) { socket = int(fd) })
	}
	if err == nil {
		err = theirs.send(socket, t.ticket)
	}
	if err != nil {
		ours.close()
		return nil, err
	}
	order := p.call
	order.Ticket, order.Slot, order.Seq = t.ticket, d.slot, int64(d.slot)
	order.Env = p.run.envOf(&job{grant: d.grant, ticket: t.ticket})
	p.ringers.Go(func() {
		res, err := runCommand.Call(context.Background(), p.pool, order, tutti.AtMostOnce(), tutti.Contained())
		if err != nil {
			res = p.run.resultOfError(&job{ticket: t.ticket}, err)
		}
		t.ended <- res
		d.ring()
	})
	return t, nil
}

// ending is how the talk has ended.
func (t *talk) ending() core.DialogEnd {
	switch {
	case t.result.How == stopped || t.result.How == notStarted:
		return core.DialogStopped
	case t.kill == brokeRules:
		return core.DialogBroke
	case t.result.How == timedOut && t.kill == tooSlow:
		return core.DialogTimedOut
	}
	return core.DialogDied
}

// settle does what follows from the end of the program: for the input that it was at,
// for the others, and for people.
func (t *talk) settle(how core.DialogEnd, charged bool, text string) {
	r := t.d.programs.run
	r.mu.Lock()
	r.course.cpu += t.result.CPU
	r.mu.Unlock()
	left := t.jobs
	if len(left) > 0 && (charged || how == core.DialogStopped) {
		res := t.result
		res.CPU, res.Out, res.Strays = 0, captured{}, nil
		res.Err = captured{Short: t.stderr}
		t.stderr = nil
		res.Start, res.Runtime, res.Slot = t.since.UnixNano(), int64(time.Since(t.since)), t.d.slot
		switch {
		case how == core.DialogDied && res.How == endedItself:
			res.Fault = text
		case how == core.DialogBroke, how == core.DialogDied && res.How == timedOut: // its end was our doing
			res.How, res.Exit, res.Signal, res.Fault = endedItself, -1, 0, text
		case how == core.DialogStopped:
			res.How = stopped
		}
		r.ended(left[0], &res)
		left = left[1:]
	}
	for _, j := range left {
		if how == core.DialogStopped {
			r.ended(j, &result{How: notStarted, Exit: -1})
		}
	}
	if how != core.DialogStopped {
		t.d.programs.layBack(left)
	}
	if t.result.How == lost { // its worker is certainly gone
		r.store.Reclaim(t.ticket)
	}
	r.screen.pass(t.stderr)
	t.remark(text)
}

// remark says what no job tells of the program's end.
func (t *talk) remark(text string) {
	r, slot := t.d.programs.run, t.d.slot
	quiet := t.result.How == stopped || t.result.How == notStarted
	switch {
	case quiet:
	case t.kill == brokeRules && t.doubt > 0:
		r.fail(fmt.Errorf("--persistent, slot %d: %s. It was in step when it was given job %d; %d answers that it gave since may belong to other jobs, or be a part of theirs", slot, text, t.synced, t.doubt))
	case t.closed && t.kill == tooLate:
		r.screen.say("the program in slot %d did not end when its inputs did, and was ended", slot)
	case t.closed && len(t.jobs) == 0 && (t.result.Exit != 0 || t.result.Fault != ""):
		r.screen.say("the program in slot %d ended with exit status %d after its last answer", slot, t.result.Exit)
	}
	for _, s := range t.result.Strays {
		r.screen.say("the program in slot %d left running: %s (%d); --strays kill would end it", slot, s.Comm, s.PID)
	}
}
