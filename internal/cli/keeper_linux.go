package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/fxamacker/cbor/v2"
	"golang.org/x/sys/unix"

	"github.com/tutti-run/tutti/internal/codec"
	"github.com/tutti-run/tutti/internal/core"
	"github.com/tutti-run/tutti/internal/proc"
	"github.com/tutti-run/tutti/ipc"
)

// The descriptors of a process that this one started for itself.
const (
	fdOrders  = 3
	fdAnswers = 4
)

// helper is such a process, as its parent sees it.
type helper struct {
	*proc.Process
	orders  *os.File // its end tells the helper that this process is gone
	to      *cbor.Encoder
	answers *os.File
	from    *cbor.Decoder
}

// startHelper starts this program again as word says, in this process group.
func startHelper(word, about string, order any) (h *helper, err error) {
	theirOrders, orders, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer theirOrders.Close()
	answers, theirAnswers, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, orders.Close())
	}
	defer theirAnswers.Close()
	h = &helper{orders: orders, to: codec.Encoding.NewEncoder(orders), answers: answers, from: codec.Decoding.NewDecoder(answers)}
	h.Process, err = proc.Start(proc.Spec{
		Path: proc.Self(), Name: "tutti", Args: []string{word, about}, SameGroup: true,
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		Extra: []*os.File{theirOrders, theirAnswers},
	})
	if err != nil {
		return nil, errors.Join(err, orders.Close(), answers.Close())
	}
	// A helper that died at once is met again by who reads its answer.
	_ = h.to.Encode(order)
	return h, nil
}

// helped opens the descriptors of a helper, reads its order, and calls gone when the
// parent is gone, and heard with each signal that it passes on.
func helped(order any, heard func(syscall.Signal), gone func()) (answer func(any) error, err error) {
	if err := proc.CloseOnExecFrom(fdOrders); err != nil {
		return nil, err
	}
	in, out := os.NewFile(fdOrders, "orders"), os.NewFile(fdAnswers, "answers")
	if in == nil || out == nil {
		return nil, errors.New("this is for tutti's own use")
	}
	from := codec.Decoding.NewDecoder(in)
	if err := from.Decode(order); err != nil {
		return nil, fmt.Errorf("this is for tutti's own use: %w", err)
	}
	go func() {
		for {
			var s int
			if from.Decode(&s) != nil {
				gone()
				return
			}
			heard(syscall.Signal(s))
		}
	}()
	return codec.Encoding.NewEncoder(out).Encode, nil
}

// passedOn are the signals to this process that are the command's.
var passedOn = []os.Signal{syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2}

// heed has ch get the signals that this process was not started to ignore (nohup). A
// command that is started later has them in their usual way.
func heed(ch chan<- os.Signal, signals ...os.Signal) {
	for _, s := range signals {
		if !signal.Ignored(s) {
			signal.Notify(ch, s)
		}
	}
}

// keep runs a command under what this process holds, and returns how it ended.
func keep(o *charge) (ended, error) {
	if err := proc.BecomeSubreaper(); err != nil {
		return ended{}, err
	}
	signals := make(chan os.Signal, 8)
	heed(signals, passedOn...)
	defer signal.Stop(signals)
	k, err := startHelper(keeperWord, o.Display, o)
	if err != nil {
		return ended{}, err
	}
	go func() {
		for s := range signals {
			// What a terminal's keys send has reached the command, too.
			if sig := s.(syscall.Signal); sig != syscall.SIGINT && sig != syscall.SIGQUIT || !inForeground() {
				_ = k.to.Encode(int(sig))
			}
		}
	}()
	var e ended
	err = k.from.Decode(&e)
	status := k.Wait()
	if err == nil {
		return e, nil
	}
	killed, err := proc.KillOrphans(func(int) bool { return false })
	if err != nil {
		return ended{}, err
	}
	return ended{}, &exitError{exitMapUsage, fmt.Errorf("who kept the command was killed (%s), and so the command was ended, %d processes: %s", status, len(killed), o.Display)}
}

// inForeground reports whether this process is what the keys of its terminal signal.
func inForeground() bool {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		return false
	}
	defer tty.Close()
	group, err := unix.IoctlGetInt(int(tty.Fd()), unix.TIOCGPGRP)
	return err == nil && group == syscall.Getpgrp()
}

// tell says what is to be said of a command's end, and returns the exit code of who
// ran it in the foreground.
func (e *ended) tell() error {
	if len(e.Strays) > 0 {
		complain("the command left running: %s; --strays kill would end them", strings.Join(e.Strays, ", "))
	}
	switch {
	case e.Fault != "":
		return &exitError{max(e.Exit, 1), errors.New(e.Fault)}
	case e.Signal == int(syscall.SIGINT) && !signal.Ignored(os.Interrupt):
		// A shell's loop ends with Ctrl-C only if what ran in it died of it.
		dieOf(syscall.SIGINT)
	}
	if e.Exit == 0 {
		return nil
	}
	return &exitError{e.Exit, nil}
}

// dieOf ends this process by a signal.
func dieOf(sig syscall.Signal) {
	signal.Reset(sig)
	_ = syscall.Kill(os.Getpid(), sig)
	<-time.After(time.Second) // the signal comes at once
	os.Exit(128 + int(sig))
}

// signalled ends a wait: a signal came.
type signalled struct{ sig syscall.Signal }

// Error says it; nobody reads it, since the process dies of the signal.
func (s *signalled) Error() string { return s.sig.String() }

// untilSignal is ctx until a signal comes that ends this process: so it can leave what
// it waits in before it dies of that, see diedOf.
func untilSignal(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	signals := make(chan os.Signal, 1)
	heed(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		if s, ok := <-signals; ok {
			cancel(&signalled{s.(syscall.Signal)})
		}
	}()
	return ctx, sync.OnceFunc(func() {
		signal.Stop(signals)
		close(signals)
		cancel(nil)
	})
}

// diedOf ends this process if a wait ended by a signal; else it returns what err is.
func diedOf(err error) error {
	if s, ok := errors.AsType[*signalled](err); ok {
		dieOf(s.sig)
	}
	return err
}

// errHolderGone ends what ran for a holder that is gone.
var errHolderGone = errors.New("its holder is gone")

// keeperMain is the process that runs the command.
func keeperMain() int {
	var o charge
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	started := make(chan *proc.Running, 1)
	heard := make(chan os.Signal, 8)
	answer, err := helped(&o, func(s syscall.Signal) { heard <- s }, func() { cancel(errHolderGone) })
	if err != nil {
		complain("%v", err)
		return exitUsage
	}
	// What the terminal sends has reached the command, and a reader that has gone is an
	// error of writing, which is told.
	signals := make(chan os.Signal, 8)
	heed(signals, append(passedOn, syscall.SIGPIPE)...)
	go func() {
		for s := range signals {
			if s == syscall.SIGTERM {
				heard <- s
			}
		}
	}()
	go func() {
		p := <-started
		for s := range heard {
			p.Signal(s.(syscall.Signal))
		}
	}()
	e := o.run(ctx, started)
	_ = answer(e) // the holder may be gone
	return 0
}

// run takes what the command runs under, runs it, and gives all back.
func (o *charge) run(ctx context.Context, started chan *proc.Running) (e ended) {
	fail := func(err error) ended { return ended{Exit: exitMapUsage, Fault: err.Error()} }
	if err := proc.BecomeSubreaper(); err != nil {
		return fail(err)
	}
	s, err := enterShellSpace(o.Space)
	if err != nil {
		return fail(err)
	}
	defer func() {
		if err := s.leave(); err != nil && e.Fault == "" {
			e = fail(err)
		}
	}()
	for _, n := range o.Needs {
		n.Name = runningPrefix + n.Name
		if o.Seize {
			err = s.seize(n)
		} else {
			err = s.take(ctx, n)
		}
		if err != nil {
			return fail(err)
		}
		defer func() { _ = s.give(n) }()
	}
	return o.carryOut(ctx, s, started)
}

// carryOut runs the command to its end, and prints what it wrote.
func (o *charge) carryOut(ctx context.Context, s *shellSpace, started chan *proc.Running) ended {
	if o.TimeoutNs > 0 {
		timed, stop := context.WithTimeoutCause(ctx, time.Duration(o.TimeoutNs), errTimeout)
		defer stop()
		ctx = timed
	}
	c := proc.Command{
		Path: o.Path, Argv: o.Argv, Env: o.Env, Dir: o.Dir, Nice: o.Nice, SameGroup: true,
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Term: termSteps(o.Term),
		Started: func(r *proc.Running) { started <- r },
	}
	if o.Stdin != "" {
		f, err := os.Open(o.Stdin)
		if err != nil {
			return ended{Exit: exitMapUsage, Fault: err.Error()}
		}
		defer f.Close()
		c.Stdin = f
	}
	var printed [2]outlet
	switch o.Output {
	case printGroup:
		printed = [2]outlet{newHoard(os.Stdout), newHoard(os.Stderr)}
	case printLines:
		printed = [2]outlet{newLiner(os.Stdout), newLiner(os.Stderr)}
	}
	if printed[0] != nil {
		c.Out, c.Err = printed[0], printed[1]
	}
	r := proc.Run(ctx, c)
	e := o.report(&r, context.Cause(ctx))
	if printed[0] != nil {
		e.print(s, printed)
	}
	return e
}

// print prints what is left to print. Commands that end together take turns on one
// file.
func (e *ended) print(s *shellSpace, printed [2]outlet) {
	for i, f := range []*os.File{os.Stdout, os.Stderr} {
		var st unix.Stat_t
		err := unix.Fstat(int(f.Fd()), &st)
		if err == nil {
			var turn *ipc.Mutex
			if turn, err = s.inTurn(fmt.Sprintf("printing to %x:%x", st.Dev, st.Ino)); err == nil {
				err = errors.Join(printed[i].end(), turn.Unlock())
			}
		}
		if errors.Is(err, syscall.EPIPE) {
			e.Exit = max(e.Exit, 128+int(syscall.SIGPIPE))
		} else if err != nil && e.Fault == "" {
			e.Exit, e.Fault = exitMapUsage, "its output is not whole: "+err.Error()
		}
	}
}

func (o *charge) report(r *proc.Result, why error) ended {
	e := ended{Exit: r.Status.Exit, Signal: int(r.Status.Signal)}
	strays := r.Strays
	switch {
	case why == errHolderGone:
		e.Fault = why.Error() // nobody hears it
	case why == errTimeout && r.Stopped != "":
		e.Fault = "the command was ended at its --timeout: " + o.Display
	case r.StartErr != nil:
		e.Fault = r.StartErr.Error()
	case r.Status.OOM:
		e.Fault = "killed, as memory ran out: " + o.Display
	}
	if r.Stopped == "" && o.KillStrays {
		strays = killStrays(strays)
	}
	for _, s := range strays {
		e.Strays = append(e.Strays, fmt.Sprintf("%s (%d)", s.Comm, s.PID))
	}
	return e
}

func termSteps(steps []core.TermStep) (all []proc.TermStep) {
	if steps == nil {
		return proc.DefaultTerm()
	}
	for _, t := range steps {
		all = append(all, proc.TermStep{Signal: syscall.Signal(t.Signal), Wait: time.Duration(t.Wait)})
	}
	return all
}

// outlet takes what a command writes, and prints it.
type outlet interface {
	proc.Sink
	end() error
}

// hoardMax is how much output of a command waits in memory; more goes to a file.
const hoardMax = 1 << 20

// hoard keeps output until the end.
type hoard struct {
	to   *os.File
	room [64 << 10]byte
	mem  []byte
	file *os.File // what mem had no room for; it has no name
	err  error
}

func newHoard(to *os.File) *hoard { return &hoard{to: to} }

// Room is where the next bytes are to be put.
func (h *hoard) Room() []byte { return h.room[:] }

// Took keeps the n bytes that were put in Room.
func (h *hoard) Took(n int) {
	if h.mem = append(h.mem, h.room[:n]...); len(h.mem) < hoardMax || h.err != nil {
		return
	}
	if h.file == nil {
		if h.file, h.err = os.CreateTemp("", "tutti-output"); h.err != nil {
			return
		}
		h.err = os.Remove(h.file.Name())
	}
	if h.err == nil {
		_, h.err = h.file.Write(h.mem)
	}
	h.mem = h.mem[:0]
}

func (h *hoard) end() error {
	if h.err == nil && h.file != nil {
		if _, h.err = h.file.Seek(0, io.SeekStart); h.err == nil {
			_, h.err = io.Copy(h.to, h.file)
		}
		h.err = errors.Join(h.err, h.file.Close())
	}
	if h.err == nil {
		_, h.err = h.to.Write(h.mem)
	}
	return h.err
}

// liner prints whole lines.
type liner struct {
	to   *os.File
	room [64 << 10]byte
	rest []byte // of a line
	err  error
}

func newLiner(to *os.File) *liner { return &liner{to: to} }

// Room is where the next bytes are to be put.
func (l *liner) Room() []byte { return l.room[:] }

// Took prints the lines among the n bytes that were put in Room.
func (l *liner) Took(n int) {
	l.rest = append(l.rest, l.room[:n]...)
	at := bytes.LastIndexByte(l.rest, '\n') + 1
	if at == 0 && len(l.rest) > hoardMax {
		at = len(l.rest) // nobody reads such lines
	}
	if at > 0 {
		if l.err == nil {
			_, l.err = l.to.Write(l.rest[:at])
		}
		l.rest = append(l.rest[:0], l.rest[at:]...)
	}
}

func (l *liner) end() error {
	if l.err == nil && len(l.rest) > 0 {
		_, l.err = l.to.Write(l.rest)
	}
	return l.err
}

// helperMain is what this program does when another of its processes started it to
// hold something, or to keep a command or tokens; ok says that it was.
func helperMain(args []string) (code int, ok bool) {
	if len(args) == 2 && args[0] == holderWord {
		return holderMain(), true
	}
	if len(args) == 2 && args[0] == keeperWord {
		return keeperMain(), true
	}
	if len(args) == 2 && args[0] == tokensWord {
		return tokenKeeperMain(), true
	}
	return 0, false
}
