package cli

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/tutti-run/tutti"
	"github.com/tutti-run/tutti/internal/command"
	"github.com/tutti-run/tutti/internal/proc"
)

// runCommand is the one function of the command door: it runs in a worker.
var runCommand = tutti.NewFunc("tutti.command", func(ctx context.Context, c call) (result, error) {
	w, err := worker()
	if err != nil {
		return result{}, err
	}
	return w.run(ctx, &c), nil
})

// The descriptors that a worker inherits from tutti map.
const (
	fdControl = 6 + iota
	fdSpool
	fdStdout
	fdStderr
)

// runner runs commands in a worker process.
type runner struct {
	*control
	setup
	spool          *os.File
	stdout, stderr *os.File // of the master, for direct commands
	term           []proc.TermStep
	env            []string
	end            context.CancelFunc // of ended
	ended          context.Context    // done when what runs is to end
}

// worker is this process's runner, made by the first command.
var worker = sync.OnceValues(func() (*runner, error) {
	page, s, err := attachControl(fdControl)
	if err != nil {
		return nil, err
	}
	if err := proc.BecomeSubreaper(); err != nil {
		return nil, fmt.Errorf("watch the processes of commands: %w", err)
	}
	w := &runner{control: page, setup: s}
	if s.SpoolFlaw == "" {
		w.spool = os.NewFile(fdSpool, "spool")
	}
	if s.Direct {
		w.stdout, w.stderr = os.NewFile(fdStdout, "stdout"), os.NewFile(fdStderr, "stderr")
	}
	for _, t := range s.Term {
		w.term = append(w.term, proc.TermStep{Signal: syscall.Signal(t.Signal), Wait: time.Duration(t.WaitNs)})
	}
	w.env = append(foreignEnv(os.Environ()), "PARALLEL_PID="+strconv.Itoa(s.Master))
	w.ended, w.end = context.WithCancel(context.Background())
	go w.follow()
	return w, nil
})

// foreignEnv is env without what each command is given anew: the first of two
// variables of one name would be seen, which inside another run is that one's.
func foreignEnv(env []string) []string {
	return slices.DeleteFunc(env, func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return name == "PARALLEL_PID" || name == "PARALLEL_SEQ" || name == "PARALLEL_JOBSLOT"
	})
}

// follow does what the control page says, for as long as this process lives.
func (w *runner) follow() {
	held := false
	for {
		bell := atomic.LoadUint32(&w.bell)
		hold := w.paused.Load() != 0
		if hold != held {
			held = hold
			if hold {
				proc.SignalCommands(syscall.SIGSTOP)
			} else {
				proc.SignalCommands(syscall.SIGCONT)
			}
		}
		switch w.now() {
		case ending:
			w.end()
		case killing:
			w.end()
			// What may not be killed is waited for by proc.Run.
			_ = proc.KillAllChildren()
		}
		w.await(bell)
	}
}

// run runs one command to its end.
func (w *runner) run(task context.Context, c *call) result {
	if !w.awaitStart() {
		return result{How: notStarted, Exit: -1}
	}
	// What ends the run ends the command; so does the pool's end.
	ctx, cancel := context.WithCancel(w.ended)
	defer cancel()
	defer context.AfterFunc(task, cancel)()
	if w.TimeoutNs > 0 {
		ctx, cancel = context.WithTimeout(ctx, time.Duration(w.TimeoutNs))
		defer cancel()
	}
	slot := 1
	if info, ok := tutti.Info(task); ok {
		slot = info.Lane + 1
	}
	path, argv := c.exec(slot)
	spec := proc.Command{
		Path: path, Argv: argv, Direct: w.Direct, Stdout: w.stdout, Stderr: w.stderr,
		Env: append(w.env[:len(w.env):len(w.env)],
			"PARALLEL_SEQ="+strconv.FormatInt(c.Seq, 10), "PARALLEL_JOBSLOT="+strconv.Itoa(slot)),
		MemoryMax: w.MemoryMax, Term: w.term,
	}
	if w.spool != nil {
		spec.Spool = &spool{file: w.spool, tail: &w.spoolTail}
	}
	done := proc.Run(ctx, spec)
	return w.report(&done)
}

// exec is what to execute, with the slot filled in.
func (c *call) exec(slot int) (path string, argv []string) {
	r := command.Rendered{Path: c.Path, Argv: c.Argv, Shell: c.Shell, Display: c.Display}
	if c.Display != "" {
		r = r.WithSlot(slot)
	}
	return r.Exec()
}

// report makes a result of what is known of a command that has ended.
func (w *runner) report(d *proc.Result) result {
	r := result{
		Exit: d.Status.Exit, Signal: int(d.Status.Signal), Start: d.Start.UnixNano(), Runtime: int64(d.Runtime),
		CPU:    d.Status.Rusage.Utime.Nano() + d.Status.Rusage.Stime.Nano(),
		Stdout: captured(d.Stdout), Stderr: captured(d.Stderr), Strays: d.Strays,
	}
	switch {
	case d.Stopped == "timeout":
		r.How = timedOut
	case d.Stopped != "":
		r.How = stopped
	case d.StartErr != nil:
		r.Fault = d.StartErr.Error()
	case d.SpoolErr != nil && w.SpoolFlaw != "":
		r.Fault = "its output is not whole: " + w.SpoolFlaw
	case d.SpoolErr != nil:
		r.Fault = "its output is not whole: " + d.SpoolErr.Error()
	case d.Status.OOM:
		r.Fault = "killed, as memory ran out"
	}
	if d.Stopped == "" && w.KillLeft {
		r.Strays = killStrays(d.Strays)
	}
	return r
}

// killStrays ends what a command left behind and returns what may not be killed.
func killStrays(strays []proc.Stray) (left []proc.Stray) {
	for _, s := range strays {
		if err := proc.KillTree(s.PID); err != nil {
			left = append(left, s)
		}
	}
	return left
}
