package engine

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/tutti-run/tutti/internal/core"
	"github.com/tutti-run/tutti/internal/proc"
	"github.com/tutti-run/tutti/shm"
)

// marker is the environment variable by which a process knows that it is to be
// a worker. It holds layout version, slot and epoch; serve removes it.
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
	files   []*os.File
	stderr  *tap      // what it prints there passes through this
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
	_ = k.proc.Signal(sig) // a process that is gone needs no signal
}

// spawn starts a process for the slot. The start itself runs beside the loop.
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
	go func() {
		stderr := &tap{ended: make(chan struct{})}
		p, trace, files, err := start(s, k.slot, epoch, stderr)
		if err != nil {
			s.tell(news{slot: k.slot, ev: core.Event{Kind: core.StartFailed, Epoch: epoch}, err: err})
			return
		}
		s.mu.Lock()
		k.trace, k.files, k.stderr = trace, files, stderr
		s.mu.Unlock()
		s.tell(news{slot: k.slot, ev: core.Event{Epoch: epoch}, proc: p})
		status := p.Wait()
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

// start starts a worker process with its descriptors.
func start(s *supervisor, slot int, epoch uint32, stderr *tap) (p *proc.Process, trace *os.File, files []*os.File, err error) {
	defer func() {
		if err != nil {
			closeAll(files)
		}
	}()
	if trace, err = crashFile(); err != nil {
		return nil, nil, nil, err
	}
	files = append(files, trace)
	outR, outW, err := os.Pipe()
	if err != nil {
		return nil, nil, files, err
	}
	errR, errW, err := os.Pipe()
	if err != nil {
		closeAll([]*os.File{outR, outW})
		return nil, nil, files, err
	}
	p, err = proc.Start(proc.Spec{
		Path: proc.Self(), Name: os.Args[0],
		Env:    append(s.cfg.Env[:len(s.cfg.Env):len(s.cfg.Env)], fmt.Sprintf("%s=%d:%d:%d", marker, layoutVersion, slot, epoch)),
		Stdout: outW, Stderr: errW,
		Extra:       append([]*os.File{s.life.seg, s.life.read, trace}, s.cfg.Files...),
		OOMScoreAdj: s.life.oomScore,
	})
	closeAll([]*os.File{outW, errW})
	if err != nil {
		closeAll([]*os.File{outR, errR})
		return nil, nil, files, err
	}
	go copyLines(s.cfg.Stdout, outR, nil)
	go copyLines(s.cfg.Stderr, errR, stderr)
	return p, trace, files, nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		_ = f.Close()
	}
}

// release closes what was kept for the process.
func (k *child) release(s *supervisor) {
	s.mu.Lock()
	files := k.files
	k.files, k.trace, k.stderr = nil, nil, nil
	s.mu.Unlock()
	closeAll(files)
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
	if k.proc != nil && !k.forTask && !k.left() {
		m.slot[k.slot].stats.crashes.Add(1)
	}
	return c
}

// left reports whether the process ended because it was asked to leave.
func (k *child) left() bool { return k.status.Exit == exitLeft && k.status.Signal == 0 }

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
	return k.stderr.fatal() + trace(func(off int64, n int) []byte {
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
	l := &lifelines{read: r, write: w, seg: seg}
	// A worker is to go before its master does when memory runs out.
	if b, err := os.ReadFile("/proc/self/oom_score_adj"); err == nil {
		if n, err := strconv.Atoi(strings.TrimSpace(string(b))); err == nil {
			l.oomScore = min(n+100, 1000)
		}
	}
	return l, nil
}

func (l *lifelines) close() {
	closeAll([]*os.File{l.read, l.write, l.seg})
}

// tap remembers the line in which a dying Go program says why.
type tap struct {
	mu    sync.Mutex
	line  string
	ended chan struct{} // closed when nothing more will come
}

func (t *tap) see(line []byte) {
	if t == nil || !bytes.HasPrefix(line, []byte("fatal error: ")) {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.line == "" {
		t.line = string(line)
	}
}

// lastWords is how long the supervisor waits for what a dead process has
// written to standard error. Its own lines are in the pipe already; only a
// descendant that holds the pipe open makes it wait for this long.
const lastWords = 20 * time.Millisecond

func (t *tap) fatal() string {
	select {
	case <-t.ended:
	case <-time.After(lastWords):
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.line
}

// lineMax is the length up to which a line is kept whole.
const lineMax = 1 << 20

// linesMu keeps lines of different workers apart.
var linesMu sync.Mutex

// copyLines copies from r to w line by line; a line that never ends is copied in
// pieces.
func copyLines(w io.Writer, r *os.File, t *tap) {
	defer r.Close()
	if t != nil {
		defer close(t.ended)
	}
	in := bufio.NewReaderSize(r, 64<<10)
	var long []byte // the beginning of a line that did not fit the buffer
	for {
		line, err := in.ReadSlice('\n')
		full := errors.Is(err, bufio.ErrBufferFull)
		if full && len(long) < lineMax || len(long) > 0 {
			long = append(long, line...)
			line = long
		}
		if full && len(long) < lineMax {
			continue
		}
		if len(line) > 0 {
			t.see(line)
			linesMu.Lock()
			_, _ = w.Write(line) // a caller whose output is gone still wants its results
			linesMu.Unlock()
		}
		long = long[:0]
		if err != nil && !full {
			return
		}
	}
}
