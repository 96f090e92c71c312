package cli

import (
	"time"

	"golang.org/x/sys/unix"

	"github.com/tutti-run/tutti/internal/command"
	"github.com/tutti-run/tutti/internal/core"
)

// talk is one start of a program: what it was given and owes. It belongs to its
// dialog's goroutine, which waits in step for whatever comes first.
type talk struct {
	*core.Dialog
	d      *dialog
	ours   *programEnds
	split  splitter
	ticket uint64
	ended  chan result
	room   []byte

	jobs    []*job // that it has and has not answered, oldest first
	sizes   []int  // bytes of each, as it is given
	pending []byte // not written yet
	held    []byte // the last byte of the only input, until the program is seen to wait for it
	synced  int64  // the job with which the program was last seen to be in step; 0: none
	doubt   int    // answers since then
	stderr  []byte // since the last answer
	since   time.Time

	result result
	gone   bool // the program has ended; result says how
	closed bool // there are no more inputs: its standard input is closed
	hungUp bool // its standard output has ended
	kill   killed
	fault  string    // with brokeRules: what it did
	until  time.Time // it is to have ended; zero: no such time
}

// killed says why a program is ended.
type killed uint8

const (
	notKilled  killed = iota
	tooSlow           // its answer is late
	tooLate           // it goes on although its input, or its output, has ended
	brokeRules        // it answered what nobody asked
)

const (
	// talkBytes is what is read at once: what a pipe holds.
	talkBytes = 64 << 10
	// stderrMax bounds what of standard error waits for an answer to belong to.
	stderrMax = 1 << 20
	// leaveTime is how long a program may take to end when its input has ended: it may
	// have much to put away.
	leaveTime = 10 * time.Second
	// exitTime is how long one may go on that has closed its output, which nearly all
	// do by ending.
	exitTime = time.Second
	// killEvery is how often the order to end a program is given, which may not have
	// begun when it was given first.
	killEvery = 20 * time.Millisecond
	// hintAfter is when a person is told why there may be no answer.
	hintAfter = 10 * time.Second
)

// over reports whether all that the program wrote is read, and it has ended.
func (t *talk) over() bool { return t.gone }

// step waits for something, and does what it asks for.
func (t *talk) step() {
	t.fill()
	t.flush()
	t.endInTime()
	fds := []unix.PollFd{
		{Fd: int32(t.ours.fds[1]), Events: unix.POLLIN}, {Fd: int32(t.ours.fds[2]), Events: unix.POLLIN},
		{Fd: int32(t.d.bell), Events: unix.POLLIN}, {Fd: -1, Events: unix.POLLOUT}, {Fd: -1, Events: unix.POLLIN},
	}
	if len(t.pending)+len(t.held) > 0 {
		fds[3].Fd = int32(t.ours.fds[0])
	}
	handOver() // or who prints an answer would wait for the end of the poll
	t.sleep(fds)
	if fds[2].Revents != 0 {
		t.d.heard()
	}
	select {
	case t.result = <-t.ended:
		t.gone = true // and what is in the pipes is all there will be
		for t.kill != brokeRules && t.readAnswers() {
		}
	default:
		if fds[0].Revents != 0 {
			t.readAnswers()
		}
	}
	if fds[1].Revents != 0 || t.gone {
		t.readErrors()
	}
	if fds[3].Revents != 0 {
		t.sync()
	}
}

// sleep waits for one of fds, the last of which is for input if this slot is to look out
// for it.
func (t *talk) sleep(fds []unix.PollFd) {
	p, input, wait := t.d.programs, &fds[len(fds)-1], t.patience()
	input.Fd = int32(p.inlet.watch(t.d))
	trickles := input.Fd >= 0 && p.trickles.Load()
	if trickles && (wait < 0 || wait > pauseAfter) {
		wait = pauseAfter
	}
	some := awaitAny(fds, wait)
	p.inlet.watched(t.d, input.Revents != 0)
	switch {
	case input.Revents != 0:
		handOver() // to the reader
	case trickles && !some:
		p.pausing()
	}
}

// sync lets go of the byte that the only input ends with, when the program waits for
// it: it has read all that is before, and so has answered all else that it had. What it
// wrote since is one answer too many. So as long as it has one input at a time no
// answer is ever taken for another's, and in any case not for long.
func (t *talk) sync() {
	if len(t.held) == 0 || len(t.pending) > 0 || t.inPipe() > 0 {
		return
	}
	t.readAnswers() // the begin of an answer may be there, as cat writes what it reads
	t.pending, t.held = append(t.pending, t.held...), nil
	if t.kill == notKilled {
		t.synced, t.doubt = t.jobs[0].seq, 0
	}
}

// inPipe is how many bytes the program has not read of what was written.
func (t *talk) inPipe() int {
	n := 0
	if fd := t.ours.fds[0]; fd >= 0 {
		if left, err := unix.IoctlGetInt(fd, unix.TIOCINQ); err == nil {
			n = left
		}
	}
	return n
}

// fill gives the program jobs while it has room.
func (t *talk) fill() {
	for t.Room() > 0 && len(t.held) == 0 && len(t.pending) < talkBytes && !t.leaves() {
		j, over := t.d.programs.take(t.d, t.Open())
		if over {
			t.closed = true
		}
		if j == nil {
			return
		}
		t.give(j)
	}
}

// leaves reports whether the program is given nothing more.
func (t *talk) leaves() bool { return t.closed || t.hungUp || t.kill != notKilled }

// give gives the program a job.
func (t *talk) give(j *job) {
	before := len(t.pending)
	t.pending = t.d.programs.framing.put(t.pending, j.line)
	t.jobs, t.sizes = append(t.jobs, j), append(t.sizes, len(t.pending)-before)
	if t.Open() == 0 {
		t.begins(j)
		if last := len(t.pending) - 1; last > 0 && t.Sync() {
			t.held, t.pending = []byte{t.pending[last]}, t.pending[:last]
		}
	}
	t.Gave(t.d.programs.now())
}

// begins notes the job that the program comes to now.
func (t *talk) begins(j *job) {
	t.since = time.Now()
	t.d.at.Store(&position{t.ticket, &title{command: j.rendered.Display, seq: j.seq, since: t.since}})
}

// flush writes what the program can take now.
func (t *talk) flush() {
	fd := t.ours.fds[0]
	for len(t.pending) > 0 && fd >= 0 {
		n, err := unix.Write(fd, t.pending)
		if err == unix.EINTR {
			continue
		}
		if err == unix.EAGAIN {
			return
		}
		if err != nil { // it reads no more; its end, or its answers, tell the rest
			t.pending = nil
			break
		}
		t.pending = t.pending[n:]
	}
	if t.closed && len(t.pending) == 0 {
		t.ours.closeOne(0)
	}
}

// readAnswers reads once, and takes the answers that are whole. It reports whether
// there may be more.
func (t *talk) readAnswers() bool {
	fd := t.ours.fds[1]
	if fd < 0 {
		return false
	}
	n, err := unix.Read(fd, t.room)
	switch {
	case err == unix.EINTR:
		return true
	case err != nil:
		return false
	case n <= 0:
		t.ours.closeOne(1)
		if !t.gone && !t.closed {
			t.hungUp, t.until = true, time.Now().Add(exitTime)
			t.ours.closeOne(0)
		}
		return false
	}
	if t.kill == brokeRules { // it may write for ever
		return true
	}
	t.split.took(t.room[:n])
	t.readErrors() // what it wrote before an answer is that job's
	t.answers()
	return true
}

// answers takes the answers that are whole.
func (t *talk) answers() {
	all := t.whole()
	if t.split.tooLong() {
		t.breaks("its answer is longer than any may be (64 MiB)")
	}
	if len(all) == 0 || t.kill == brokeRules {
		return
	}
	p, now, open, proven := t.d.programs, t.d.programs.now(), t.Open(), t.Proven()
	each, ok := t.Answered(now, len(all), t.unread())
	if !ok {
		t.breaks(surplusText(len(all), open, proven))
		return
	}
	if !proven {
		t.d.restarts.Attached(now)
		p.proven.Store(true)
	}
	t.doubt += len(all)
	begin, done := t.since.UnixNano(), t.jobs[:len(all)]
	t.jobs, t.sizes = t.jobs[len(all):], t.sizes[len(all):]
	if len(t.jobs) > 0 {
		t.begins(t.jobs[0])
	}
	for i, a := range all {
		j := done[i]
		res := result{Start: begin + int64(i)*int64(each), Runtime: int64(each), Slot: t.d.slot, Sent: int64(len(j.line)), Wrote: int64(len(a))}
		res.Out.Short = t.marked(j, a)
		if i == 0 && len(t.stderr) > 0 {
			res.Err.Short = t.marked(j, t.stderr)
			t.stderr = nil
		}
		p.run.ended(j, &res)
	}
}

// whole are the answers that are whole, in memory of their own.
func (t *talk) whole() (all [][]byte) {
	own := make([]byte, 0, t.split.rest())
	for {
		a, ok := t.split.next()
		if !ok {
			return all
		}
		own = append(own, a...)
		all = append(all, own[len(own)-len(a):len(own):len(own)])
	}
}

// breaks ends the talk with a program that does not keep to the rules.
func (t *talk) breaks(why string) { t.kill, t.fault = brokeRules, why }

// unread is how many of the open inputs the program has certainly not read: they are
// in the pipe, or not even there.
func (t *talk) unread() (inputs int) {
	if len(t.held) > 0 {
		return t.Open()
	}
	left := len(t.pending) + t.inPipe()
	for i := len(t.sizes) - 1; i >= 0 && left >= t.sizes[i]; i-- {
		left -= t.sizes[i]
		inputs++
	}
	return inputs
}

// marked is what is printed of an answer, or of what came on standard error before.
func (t *talk) marked(j *job, text []byte) []byte {
	if j.mark == (mark{}) || t.d.programs.run.plan.kept() {
		return text
	}
	m := mark{command.FillSlot(j.mark.Before, t.d.slot), command.FillSlot(j.mark.After, t.d.slot)}
	return m.lines(text)
}

// readErrors takes what is there of standard error.
func (t *talk) readErrors() {
	for fd := t.ours.fds[2]; fd >= 0; {
		n, err := unix.Read(fd, t.room[:cap(t.room)])
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return
		case n <= 0:
			t.ours.closeOne(2)
			return
		}
		t.stderr = append(t.stderr, t.room[:n]...)
		if len(t.stderr) > stderrMax {
			t.d.programs.run.screen.pass(t.stderr)
			t.stderr = nil
		}
	}
}

// endInTime ends a program that takes too long.
func (t *talk) endInTime() {
	p := t.d.programs
	if t.closed && t.Open() == 0 && t.until.IsZero() {
		t.until = time.Now().Add(leaveTime)
	}
	at, due := t.Due()
	switch {
	case t.kill != notKilled:
	case due && p.now() >= at:
		t.kill = tooSlow
	case !t.until.IsZero() && !time.Now().Before(t.until):
		t.kill = tooLate
	default:
		return
	}
	if v, ok := p.run.store.Find(t.ticket); ok {
		p.run.control.tell(v.Slot, t.ticket, orderTimeout)
	}
}

// patience is how long nothing need be looked at; below 0: for ever.
func (t *talk) patience() time.Duration {
	p := t.d.programs
	if t.kill != notKilled {
		return killEvery
	}
	wait := time.Duration(-1)
	sooner := func(d time.Duration) {
		if wait < 0 || d < wait {
			wait = max(d, 0)
		}
	}
	if at, ok := t.Due(); ok {
		sooner(time.Duration(at - p.now()))
	}
	if !t.until.IsZero() {
		sooner(time.Until(t.until))
	}
	if !t.Proven() && t.Open() > 0 && !p.hinted.Load() {
		since := time.Since(t.since)
		if since >= hintAfter && t.unread() == 0 && !p.hinted.Swap(true) {
			p.run.screen.say("job %d: the program has read its input %d s ago and has not answered; %s", t.jobs[0].seq, since/time.Second, flushText)
		}
		sooner(max(hintAfter-since, time.Second))
	}
	return wait
}
