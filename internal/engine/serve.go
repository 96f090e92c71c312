package engine

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tutti-run/tutti/internal/proc"
	"github.com/tutti-run/tutti/sched"
	"github.com/tutti-run/tutti/shm"
	"github.com/tutti-run/tutti/topo"
)

// Bounds of what the master may ask of a worker.
const (
	lanesMax = 1 << 16
	spinMax  = int64(time.Second)
)

// Exit codes of a worker process.
const (
	exitLeft     = 0  // it was asked to leave
	exitOrphaned = 70 // its master is gone
	exitRefused  = 71 // it could not attach
)

// IsWorker reports whether this process was started to be a worker.
func IsWorker() bool { return os.Getenv(marker) != "" }

// Serve makes this process a worker if it was started to be one, and then never
// returns. handlers are the functions by name, own the program's own policies.
func Serve(handlers map[string]Handler, own sched.Registry) {
	mark := os.Getenv(marker)
	if mark == "" {
		return
	}
	// Before anything else: what the functions start must see nothing of ours.
	_ = os.Unsetenv(marker)
	var err error
	if mark == roleless {
		mark, err = awaitRole()
	}
	if err == nil {
		err = proc.CloseOnExecFrom(fdSegment)
	}
	if err == nil {
		err = serve(mark, handlers, own)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "tutti: worker: %v\n", err)
		os.Exit(exitRefused)
	}
	os.Exit(exitLeft)
}

// serve attaches and runs tasks until the worker is to leave.
func serve(mark string, handlers map[string]Handler, own sched.Registry) error {
	born, err := parseBirth(mark)
	if err != nil {
		return err
	}
	born.restoreProcs()
	slot := born.slot
	if err := limitMemory(born.memory); err != nil {
		return err
	}
	go watchMaster()
	if err := debug.SetCrashOutput(os.NewFile(fdCrash, "crash trace"), debug.CrashOptions{}); err != nil {
		return fmt.Errorf("crash trace: %w", err)
	}
	seg, err := shm.Attach(fdSegment)
	if err != nil {
		return err
	}
	m, err := attach(seg)
	if err != nil {
		return err
	}
	if slot < 1 || slot >= m.Slots {
		return fmt.Errorf("slot %d of %d", slot, m.Slots)
	}
	b := &m.slot[slot]
	held := make(chan error, 1)
	go func() { held <- shm.HoldLifeline(addr(&b.lifeline)) }() // its thread takes a while to start
	w, err := m.newWorkerAt(slot, handlers, own)
	if err != nil {
		return err
	}
	if n := m.threadsOf(slot); runtime.GOMAXPROCS(0) != n { // the program has set another
		runtime.GOMAXPROCS(n)
	}
	if cpu := int(b.cpu.Load()); cpu >= 0 {
		born.cpus = []int{cpu}
	}
	if born.cpus != nil {
		if err := topo.PinProcess(born.cpus...); err != nil {
			fmt.Fprintf(os.Stderr, "tutti: worker %d runs unpinned: %v\n", slot, err)
		}
	}
	if err := <-held; err != nil {
		return err
	}
	b.pid.Store(uint32(os.Getpid()))
	b.state.Store(slotReady)
	m.ringSupervisor()
	serving.Store(w)
	go w.control()
	if w.lanes > 1 {
		go w.loopLanes()
	} else {
		go w.loop()
	}
	<-w.left
	return nil
}

// newWorkerAt makes the worker of a slot as the master has set it up.
func (m *memory) newWorkerAt(slot int, handlers map[string]Handler, own sched.Registry) (*Worker, error) {
	names, err := m.readNames()
	if err != nil {
		return nil, err
	}
	b := &m.slot[slot]
	if b.lanes < 1 || b.lanes > lanesMax || m.head.threads < 1 || m.head.threads > lanesMax || m.head.spinNs < 0 || m.head.spinNs > spinMax {
		return nil, fmt.Errorf("attach pool: %w: %d lanes, %d threads, %d ns of spinning", errLayout, b.lanes, m.head.threads, m.head.spinNs)
	}
	table := make([]Handler, len(names))
	for i, n := range names {
		table[i] = handlers[n]
	}
	n := min(int(m.head.policyLen), len(m.head.policy))
	name := strings.Clone(string(m.head.policy[:n]))
	policy, err := sched.New(name, own)
	if err != nil {
		return nil, fmt.Errorf("%w; what the master registers a worker must register, too, before tutti.Main is called", err)
	}
	submitting, err := sched.New(name, own)
	if err != nil {
		return nil, err
	}
	w := newWorker(m, slot, policy, submitting, table)
	w.names = names
	return w, nil
}

// orphanGrace is how long tasks that lost their commands may take to clear up.
const orphanGrace = 100 * time.Millisecond

// watchMaster ends this process and all that it started when the master is
// gone: then nobody holds the other end of the lifeline any more.
func watchMaster() {
	_, _ = lifelineFile().Read(make([]byte, 1)) // nobody ever writes
	_ = proc.KillAllChildren()
	if w := serving.Load(); w != nil {
		w.block.stop.Store(1)
		w.block.park.Add(1) // SYNC park: an idle one leaves at once
		shm.Wake(addr(&w.block.park), 1)
		select {
		case <-w.left:
		case <-time.After(orphanGrace):
		}
	}
	os.Exit(exitOrphaned)
}

// serving is this process's worker, once it runs tasks.
var serving atomic.Pointer[Worker]
