package engine

import (
	"context"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tutti-run/tutti/internal/core"
	"github.com/tutti-run/tutti/sched"
	"github.com/tutti-run/tutti/shm"
	"github.com/tutti-run/tutti/topo"
)

// Config is the shape of a pool. Every field must be set; package tutti does.
type Config struct {
	Workers int
	Lanes   int // tasks at once over all workers, at least Workers
	Policy  string
	Own     sched.Registry        // policies of the program's own, beside those of sched
	CPUs    []topo.CPU            // by worker: the CPU to pin it to; nil for no pinning
	CPUsNow func() ([]int, error) // the CPUs that there are at the moment; nil: topo.Usable
	Threads int                   // GOMAXPROCS of a worker
	Tasks   int
	Memory  int64   // bytes of inputs and results that do not fit a descriptor
	Extra   int64   // bytes that the user lays out himself, see Submitter.Extra
	Groups  []Group // of Workers in all; nil for workers that are all alike
	Assign  bool    // the master assigns all tasks, see assign.go; must be where there are groups
	InOrder bool    // tasks start oldest first, one at a time
	Early   bool    // the pool is open when one worker has attached; not where there are groups
	SpinNs  int64   // how long to spin before sleeping; below 0: measure
	Limits  core.StopLimits
	Restart core.Intensity
	Attach  core.Span // how long a worker may take to attach
	Env     []string  // the workers' environment
	Files   []*os.File
	Stdout  io.Writer // workers' standard output, line by line
	Stderr  io.Writer
	Adopt   bool     // this process is a subreaper: end the trees of dead workers
	Names   []string // the functions, by number
	Spare   *Spare   // becomes the first worker, if not nil and it can
	// Meanwhile, if not nil, is called while workers start, before any task. With its
	// error there is no pool.
	Meanwhile func(*Submitter) error
}

// MemoryMax is the most memory that a pool can address.
const MemoryMax = (1<<24 - 1) * shm.SpanBytes

// Master is a pool as its master sees it.
type Master struct {
	sub *Submitter
	sup *supervisor
	seg *shm.Segment
	m   *memory

	closeOnce sync.Once
}

// Open lays out a pool, starts its workers, and returns when all have attached, or with
// Config.Early the first.
func Open(ctx context.Context, cfg Config) (*Master, error) {
	if err := shm.Probe(); err != nil {
		return nil, err
	}
	policy, err := sched.New(cfg.Policy, cfg.Own)
	if err != nil {
		return nil, err
	}
	spans := int(min(max(cfg.Memory, 16*shm.SpanBytes), MemoryMax) / shm.SpanBytes)
	l, err := Geometry{Slots: cfg.Workers + 1, Tasks: cfg.Tasks, Spans: spans, Extra: cfg.Extra, Assigned: cfg.Assign}.layout()
	if err != nil {
		return nil, err
	}
	seg, err := shm.Create(l.size, l.words)
	if err != nil {
		return nil, fmt.Errorf("open pool: %w", err)
	}
	m, err := create(seg, l)
	if err == nil {
		err = m.writeNames(cfg.Names)
	}
	if err != nil {
		return nil, joinClose(fmt.Errorf("open pool: %w", err), seg)
	}
	m.setup(&cfg)
	if cfg.Assign && !cfg.InOrder && sched.InLots(policy) {
		m.head.ahead = 1
	}
	p := &Master{m: m, seg: seg, sub: newSubmitter(m, 0, policy)}
	p.sup, err = newSupervisor(p, cfg)
	if err != nil {
		return nil, joinClose(fmt.Errorf("open pool: %w", err), seg)
	}
	if cfg.Assign {
		p.sup.assigner = newAssigner(m, policy, p.sup.refuse)
		m.assigner = p.sup.assigner
		go p.sup.assigner.run()
	}
	go p.sup.run()
	if cfg.SpinNs < 0 {
		m.head.spinNs = calibrate()
	}
	if cfg.Meanwhile != nil {
		err = cfg.Meanwhile(p.sub)
	}
	if err == nil {
		err = p.sup.awaitReady(ctx)
	}
	if err != nil {
		p.Close()
		p.Unmap()
		return nil, err
	}
	return p, nil
}

func joinClose(err error, seg *shm.Segment) error {
	if e := seg.Close(); e != nil {
		return fmt.Errorf("%w; %w", err, e)
	}
	return err
}

// setup writes what workers read when they attach.
func (m *memory) setup(cfg *Config) {
	m.head.spinNs = max(0, cfg.SpinNs)
	if cfg.InOrder {
		m.head.inOrder = 1
	}
	m.head.nextWake.Store(math.MaxInt64)
	m.head.id = rand.Uint64()
	m.head.threads = uint32(max(1, cfg.Threads))
	m.head.policyLen = uint32(copy(m.head.policy[:], cfg.Policy))
	m.setGroups(cfg.Groups)
	m.slot[0].state.Store(slotReady)
	m.slot[0].pid.Store(uint32(os.Getpid()))
	lane := 0
	for i := range cfg.Workers {
		b := &m.slot[i+1]
		b.lanes = uint32((cfg.Lanes + cfg.Workers - 1 - i) / cfg.Workers)
		b.lane0 = uint32(lane)
		lane += int(b.lanes)
		b.cpu.Store(-1)
		if cfg.CPUs != nil {
			b.setCPU(cfg.CPUs[i%len(cfg.CPUs)])
		}
	}
}

// threadsOf is GOMAXPROCS of the worker in a slot.
func (m *memory) threadsOf(slot int) int {
	return threadsFor(int(m.head.threads), int(m.slot[slot].lanes))
}

// ThreadsEach is GOMAXPROCS of the first worker.
func (c *Config) ThreadsEach() int { return threadsFor(c.Threads, (c.Lanes+c.Workers-1)/c.Workers) }

func threadsFor(threads, lanes int) int {
	if lanes > 1 {
		return max(threads, 2) // who takes the tasks sleeps in the kernel, and must not hold the only P
	}
	return threads
}

// Submitter is the master's door to the table.
func (p *Master) Submitter() *Submitter { return p.sub }

// Workers returns the process numbers of the workers that are ready.
func (p *Master) Workers() []int {
	var pids []int
	for i := range p.m.slot[1:] {
		if b := &p.m.slot[i+1]; b.state.Load() == slotReady {
			pids = append(pids, int(b.pid.Load()))
		}
	}
	return pids
}

// Close ends the pool now: what waits is dropped, what runs is cancelled, and
// after the grace period killed. It returns when every worker is gone and its
// memory has gone back to the system. The segment stays mapped, reading as
// zeros, until Unmap.
func (p *Master) Close() {
	p.closeOnce.Do(func() {
		p.sub.close(ErrClosed)
		p.sup.close()
		<-p.sup.done
		if p.sup.assigner != nil {
			p.sup.assigner.close()
		}
		_ = p.seg.Release(0, p.m.size)
	})
	<-p.sup.done
}

// Unmap ends the use of the segment. The pool is closed, no call is under way,
// and nobody keeps a pointer into shared memory.
func (p *Master) Unmap() { _ = p.seg.Close() }

// Err returns why the pool has ended, nil while it is open.
func (p *Master) Err() error { return p.sub.Err() }

// spinFactor is how many wake-ups long a spin may be: a spin that ends just
// before the wake-up would have come has cost as much again as sleeping. The
// bounds, in nanoseconds, hold where the machine was disturbed while it measured.
const (
	spinFactor = 3
	spinLeast  = 5_000
	spinMost   = 200_000
)

// calibrate measures how long it takes to wake a sleeping thread and returns
// how long to spin before sleeping.
func calibrate() int64 {
	const rounds = 15
	ping, pong := new(atomic.Uint32), new(atomic.Uint32)
	go func() {
		for i := uint32(0); i < rounds; i++ {
			for ping.Load() == i {
				shm.Wait(addr(ping), i, time.Second)
			}
			pong.Add(1)
			shm.Wake(addr(pong), 1)
		}
	}()
	var ns []int64
	for i := uint32(0); i < rounds; i++ {
		start := now()
		ping.Add(1)
		shm.Wake(addr(ping), 1)
		for pong.Load() == i {
			shm.Wait(addr(pong), i, time.Second)
		}
		ns = append(ns, (now()-start)/2)
	}
	return spinFor(ns)
}

// spinFor returns how long to spin where wake-ups took so long. It sorts them.
func spinFor(ns []int64) int64 {
	slices.Sort(ns)
	return min(max(spinFactor*ns[len(ns)/2], spinLeast), spinMost)
}
