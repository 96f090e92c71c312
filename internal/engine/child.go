package engine

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/tutti-run/tutti/internal/core"
	"github.com/tutti-run/tutti/internal/proc"
	"github.com/tutti-run/tutti/shm"
)

// marker is the environment variable by which a process knows that it is to be
// a worker. It holds layout version and birth; serve removes it.
const marker = "TUTTI_WORKER"

// The descriptors that a worker inherits.
const (
	fdSegment = 3 + iota
	fdLifeline
	fdCrash
	fdFiles // Config.Files from here
)

// child is one worker slot as its supervisor sees it. The loop alone uses it.
type child struct {
	slot    int
	core    *core.Worker
	proc    *proc.Process // nil when there is none
	epoch   uint32        // of proc
	status  proc.Status
	trace   *os.File // what the process writes when it crashes
	stdout  *outlet
	stderr  *outlet   // what it prints there passes through this
	timer   core.Time // 0: none
	lost    bool      // its lifeline broke and that was heard
	forTask bool      // it was signalled for the sake of a task
	doomed  bool      // to be killed as soon as it has started
}

func (k *child) pid() int {
	if k.proc == nil {
		return 0
	}
	return k.proc.PID()
}

func (k *child) signal(sig syscall.Signal) {
	if k.proc == nil {
		k.doomed = k.doomed || sig == sigKill
		return
	}
	if sig == sigKill && k.lost {
		_ = k.proc.Finish() // the kernel broke the lifeline: it is dying, of what its end will tell
		return
	}
	_ = k.proc.Signal(sig) // a process that is gone needs no signal
}

// spawn starts a process for the slot. The start itself runs beside the loop, but for
// that of a spare, which has begun long ago.
func (k *child) spawn(s *supervisor, epoch uint32) {
	k.lost, k.forTask, k.doomed, k.status = false, false, false, proc.Status{}
	b := &s.m.slot[k.slot]
	if epoch > 1 {
		b.stats.restarts.Add(1)
	}
	b.epoch.Store(uint64(epoch))
	b.pid.Store(0)
	b.stop.Store(0)
	b.lifeline.Store(0)
	b.state.Store(slotStarting)
	if s.cfg.Spare != nil && k.slot == 1 && epoch == 1 {
		k.attend(s, epoch) // it takes no time, and those that start now would be in its way
		return
	}
	go k.attend(s, epoch)
}

// attend starts a process for the slot, and has the loop hear of that and, from a
// goroutine, of its end.
func (k *child) attend(s *supervisor, epoch uint32) {
	p, o, err := start(s, k.slot, epoch)
	if err != nil {
		s.tell(news{slot: k.slot, ev: core.Event{Kind: core.StartFailed, Epoch: epoch}, err: err})
		return
	}
	s.mu.Lock()
	k.trace, k.stdout, k.stderr = o.trace, o.stdout, o.stderr
	s.mu.Unlock()
	s.tell(news{slot: k.slot, ev: core.Event{Epoch: epoch}, proc: p})
	go func() {
		status := p.Wait()
		o.stdout.died()
		o.stderr.died()
		s.tell(news{slot: k.slot, ev: core.Event{Kind: core.Exited, Epoch: epoch}, status: status})
	}()
}

// started notes the process of the slot.
func (k *child) started(s *supervisor, p *proc.Process, epoch uint32) {
	k.proc, k.epoch = p, epoch
	s.m.slot[k.slot].pid.Store(uint32(p.PID()))
	if k.doomed {
		k.signal(sigKill)
	}
}

// outlets are where what a worker process writes comes out.
type outlets struct {
	trace          *os.File
	stdout, stderr *outlet
}

// start starts a worker process with its descriptors.
func start(s *supervisor, slot int, epoch uint32) (p *proc.Process, o outlets, err error) {
	var writeEnds []*os.File
	defer func() {
		closeAll(writeEnds)
		if err != nil {
			o.close()
		}
	}()
	if o.trace, err = crashFile(); err != nil {
		return nil, o, err
	}
	for _, to := range []struct {
		outlet **outlet
		w      io.Writer
	}{{&o.stdout, s.cfg.Stdout}, {&o.stderr, s.cfg.Stderr}} {
		r, w, err := os.Pipe()
		if err != nil {
			return nil, o, err
		}
		*to.outlet = &outlet{r: r, w: to.w, drained: make(chan struct{}), tell: s.pouring.Done}
		writeEnds = append(writeEnds, w)
	}
	born, env := s.cfg.birthOf(slot, int(epoch))
	var with []string
	with, born.procs = withProcs(env, s.m.threadsOf(slot))
	spec := proc.Spec{
		Path: proc.Self(), Name: os.Args[0],
		Env:    append(with, fmt.Sprintf("%s=%v", marker, born)),
		Stdout: writeEnds[0], Stderr: writeEnds[1],
		Extra:       append([]*os.File{s.life.seg, s.life.read, o.trace}, s.cfg.Files...),
		OOMScoreAdj: s.life.oomScore,
	}
	if slot == 1 && epoch == 1 {
		p = s.cfg.Spare.become(spec, env, born)
	}
	if p == nil {
		p, err = proc.Start(spec)
	}
	if err != nil {
		return nil, o, err
	}
	for _, out := range []*outlet{o.stdout, o.stderr} {
		s.pouring.Add(1)
		go out.pour()
	}
	return p, o, nil
}

func (o outlets) close() {
	if o.trace != nil {
		_ = o.trace.Close()
	}
	for _, out := range []*outlet{o.stdout, o.stderr} {
		if out != nil {
			_ = out.r.Close()
		}
	}
}

func closeAll(files []*os.File) {
	for _, f := range files {
		_ = f.Close()
	}
}

// hush keeps from the caller the trace that SIGQUIT will have the process write.
func (k *child) hush(s *supervisor) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if k.stderr != nil {
		k.stderr.quit.Store(true)
	}
}

// release closes what was kept for the process.
func (k *child) release(s *supervisor) {
	s.mu.Lock()
	trace := k.trace
	k.trace, k.stdout, k.stderr = nil, nil, nil
	s.mu.Unlock()
	if trace != nil {
		_ = trace.Close()
	}
	k.proc = nil
	b := &s.m.slot[k.slot]
	b.pid.Store(0)
}

// crash says how the slot's process ended.
func (k *child) crash(m *memory) Crash {
	c := Crash{
		Status: k.status.String(), Exit: k.status.Exit, Signal: int(k.status.Signal), OOM: k.status.OOM,
		Worker: k.slot, PID: k.pid(), Trace: k.readTrace(),
	}
	if k.proc != nil && !k.forTask && !k.left(m) {
		m.slot[k.slot].stats.crashes.Add(1)
	}
	return c
}

// left reports whether the process ended because it was asked to leave. A task may
// have ended it with the same status.
func (k *child) left(m *memory) bool {
	return m.slot[k.slot].stop.Load() != 0 && k.status.Exit == exitLeft && k.status.Signal == 0
}

// readTrace returns the crash trace, with its cause in front: the runtime writes
// "fatal error: …" to standard error alone.
func (k *child) readTrace() string {
	if k.trace == nil {
		return ""
	}
	info, err := k.trace.Stat()
	if err != nil || info.Size() == 0 {
		return ""
	}
	return k.stderr.cause() + trace(func(off int64, n int) []byte {
		b := make([]byte, n)
		got, err := k.trace.ReadAt(b, off)
		if err != nil && !errors.Is(err, io.EOF) {
			return []byte(fmt.Sprintf("(the crash trace could not be read: %v)", err))
		}
		return b[:got]
	}, info.Size())
}

// describe says how the process ended in a line or two.
func (k *child) describe() error {
	text := fmt.Sprintf("worker %d (process %d): %v", k.slot, k.pid(), k.status)
	if t, _, _ := strings.Cut(strings.TrimSpace(k.readTrace()), "\n"); t != "" {
		text += ": " + t
	}
	if k.core.State() == core.Starting {
		return fmt.Errorf("%s, before it attached: %w", text, ErrNotAttached)
	}
	return errors.New(text)
}

// lifelines are what all workers inherit: the pipe whose end tells them that the
// master died, and the segment.
type lifelines struct {
	read, write *os.File
	seg         *os.File
	oomScore    int
}

func newLifelines(shared *shm.Segment) (*lifelines, error) {
	seg, err := segmentFile(shared)
	if err != nil {
		return nil, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		_ = seg.Close()
		return nil, fmt.Errorf("lifeline: %w", err)
	}
	return &lifelines{read: r, write: w, seg: seg, oomScore: oomScore()}, nil
}

// oomScore is a worker's oom_score_adj: it is to go before its master does when memory
// runs out.
func oomScore() int {
	if b, err := os.ReadFile("/proc/self/oom_score_adj"); err == nil {
		if n, err := strconv.Atoi(strings.TrimSpace(string(b))); err == nil {
			return min(n+100, 1000)
		}
	}
	return 0
}

func (l *lifelines) close() {
	closeAll([]*os.File{l.read, l.write, l.seg})
}
