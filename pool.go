package tutti

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tutti-run/tutti/internal/core"
	"github.com/tutti-run/tutti/internal/engine"
	"github.com/tutti-run/tutti/ipc"
	"github.com/tutti-run/tutti/topo"
)

// Pool is a set of worker processes and the memory they share with this one.
// All its methods, and calls of functions over it, may be used from many
// goroutines at once.
type Pool struct {
	sub     *engine.Submitter
	master  *engine.Master // nil inside a worker
	numbers map[string]uint32

	calls sync.WaitGroup // what Drain waits for
	// feeders read the inputs of Maps, and may be blocked in them for ever when the
	// loop has been left. They use the memory, and Drain does not wait for them.
	feeders sync.WaitGroup
	gone    bool // guarded by mu: the memory is unmapped, or about to be
	mu      sync.Mutex
	closed  bool
	unmap   sync.Once
	unbind  func() bool // has Open's context forget the pool
	lent    atomic.Bool // the user has had memory of the pool: a Slice's
	memory  poolMemory
	space   *ipc.Space // nil until it is asked for
}

// Open starts a pool and returns when all its workers are ready. When ctx ends,
// the pool is closed.
func Open(ctx context.Context, c Config) (*Pool, error) {
	machine, err := c.look(ctx)
	if err != nil {
		return nil, err
	}
	names := registeredNames()
	cfg, err := c.engine(machine, names)
	if err != nil {
		return nil, err
	}
	if cfg.Extra, err = ipc.SpaceBytes(spaceData(cfg.Memory), ipc.Options{}); err != nil {
		return nil, fmt.Errorf("tutti: %w", err)
	}
	var p *Pool
	cfg.Meanwhile = func(sub *engine.Submitter) error {
		p = newPool(sub, names)
		return p.foundSpace(cfg.Memory, c.OnDeadlock)
	}
	master, err := engine.Open(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("tutti: %w", err)
	}
	p.master = master
	ipc.AddMemory(p.memory)
	p.mu.Lock()
	p.unbind = context.AfterFunc(ctx, func() { _ = p.Close() })
	p.mu.Unlock()
	return p, nil
}

func newPool(sub *engine.Submitter, names []string) *Pool {
	p := &Pool{sub: sub, numbers: numbersOf(names)}
	p.memory = poolMemory{p, sub.PoolID()}
	return p
}

// engine fills in what the zero value leaves open.
func (c Config) engine(m *topo.Machine, names []string) (engine.Config, error) {
	cpus := m.Parallelism()
	arch, err := c.arch()
	if err != nil {
		return engine.Config{}, err
	}
	if err := c.checkGroups(m, names); err != nil {
		return engine.Config{}, err
	}
	workers := cmp.Or(c.groupWorkers(), c.Workers, cpus)
	lanes := cmp.Or(c.Concurrency, workers*cmp.Or(c.TasksPerWorker, 1))
	tasks := cmp.Or(c.Tasks, DefaultTasks)
	if err := c.check(workers, lanes, tasks); err != nil {
		return engine.Config{}, err
	}
	share := max(1, cpus/workers)
	if c.Pin {
		share = 1
	}
	cfg := engine.Config{
		Workers: workers, Lanes: lanes, Policy: c.Policy, Own: ownPolicies(), Threads: share, Tasks: tasks, Memory: cmp.Or(c.Memory, ownShare(m)),
		SpinNs:  int64(c.Spin),
		Assign:  arch == AMP,
		InOrder: c.InOrder, Early: c.Early && len(c.Groups) == 0,
		Limits:  core.StopLimits{Grace: core.Span(cmp.Or(c.Grace, 2*time.Second)), QuitGrace: core.Second},
		Restart: core.DefaultIntensity(workers),
		Attach:  core.Span(cmp.Or(c.AttachTimeout, 10*time.Second)),
		Env:     c.Env, Files: c.Files, Stdout: c.Stdout, Stderr: c.Stderr, Adopt: c.Adopt, Names: names,
	}
	if c.Spare != nil {
		cfg.Spare = c.Spare.spare
	}
	if c.MaxRestarts > 0 {
		cfg.Restart.Max = c.MaxRestarts
	}
	c.fillIn(&cfg, m, cpus, share)
	c.setGroups(&cfg, m, names)
	return cfg, nil
}

// fillIn fills in what depends on the machine and on this process.
func (c *Config) fillIn(cfg *engine.Config, m *topo.Machine, cpus, share int) {
	switch {
	case c.Spin < 0 || c.Spin == 0 && cfg.Workers >= cpus:
		cfg.SpinNs = 0 // a poller would take the CPU from who could end its wait
	case c.Spin == 0:
		cfg.SpinNs = -1 // measure
	}
	if c.Pin {
		for _, id := range m.Spread() {
			cfg.CPUs = append(cfg.CPUs, m.CPUs[slices.IndexFunc(m.CPUs, func(c topo.CPU) bool { return c.ID == id })])
		}
	}
	if cfg.Stdout == nil {
		cfg.Stdout = os.Stdout
	}
	if cfg.Stderr == nil {
		cfg.Stderr = os.Stderr
	}
	if cfg.Env == nil {
		cfg.Env = workerEnv(os.Environ(), share)
	}
}

// check says what of a Config cannot be had. The figures are those that it comes to.
func (c Config) check(workers, lanes, tasks int) error {
	switch {
	case len(c.Groups) > 0 && c.Workers != 0 && c.Workers != workers:
		return fmt.Errorf("tutti: Config.Workers is %d and the groups have %d: leave it 0 where there are groups", c.Workers, workers)
	case workers < 1 || workers >= engine.MaxSlots:
		return fmt.Errorf("tutti: Config.Workers is %d: 1 to %d are possible", workers, engine.MaxSlots-1)
	case c.TasksPerWorker < 0:
		return fmt.Errorf("tutti: Config.TasksPerWorker is %d", c.TasksPerWorker)
	case c.Memory < 0 || c.Memory > engine.MemoryMax:
		return fmt.Errorf("tutti: Config.Memory is %d: up to %d bytes are possible, and 0 for half of the machine's", c.Memory, int64(engine.MemoryMax))
	case c.MaxRestarts < 0:
		return fmt.Errorf("tutti: Config.MaxRestarts is %d: 1 or more is possible, and 0 for 8 a worker", c.MaxRestarts)
	case c.Grace < 0 || c.AttachTimeout < 0:
		return fmt.Errorf("tutti: Config.Grace is %v, Config.AttachTimeout %v: neither is below 0", c.Grace, c.AttachTimeout)
	case lanes < workers:
		return fmt.Errorf("tutti: Config.Concurrency is %d, less than the %d workers", lanes, workers)
	case c.Spin > time.Second:
		return fmt.Errorf("tutti: Config.Spin is %v: at most a second is possible", c.Spin)
	case c.OnDeadlock > ipc.KillProcess:
		return fmt.Errorf("tutti: Config.OnDeadlock is %d: ipc.AbortYoungest, ipc.ReportOnly and ipc.KillProcess are possible", c.OnDeadlock)
	case lanes > 1<<16:
		return fmt.Errorf("tutti: %d tasks at once: at most 65536 are possible", lanes)
	case tasks < 64 || tasks > 1<<16 || tasks%64 != 0:
		return fmt.Errorf("tutti: Config.Tasks is %d: a multiple of 64 from 64 to 65536 is possible", tasks)
	}
	return nil
}

// ownShare is how much memory a pool may take of a machine where nobody says.
func ownShare(m *topo.Machine) int64 {
	memory := m.MemoryBytes
	if m.MemoryLimit > 0 {
		memory = min(memory, m.MemoryLimit)
	}
	memory /= 2
	if m.AddressSpace > 0 {
		memory = min(memory, m.AddressSpace/8) // it is mapped as a whole, and as much for spaces
	}
	return memory
}

// threadVariables bound the threads of numerical libraries, which otherwise
// start one a CPU in every worker.
var threadVariables = []string{
	"OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS",
	"VECLIB_MAXIMUM_THREADS", "NUMEXPR_NUM_THREADS", "RAYON_NUM_THREADS",
}

// workerEnv is the environment of a worker: env, with thread bounds where the
// user has set none. Under the race detector a worker leaves at once.
func workerEnv(env []string, share int) []string {
	env = slices.Clone(env)
	set := map[string]bool{}
	for _, kv := range env {
		name, _, _ := strings.Cut(kv, "=")
		set[name] = true
	}
	for _, name := range threadVariables {
		if !set[name] {
			env = append(env, fmt.Sprintf("%s=%d", name, share))
		}
	}
	if raceEnabled && !set["GORACE"] {
		env = append(env, "GORACE=atexit_sleep_ms=0")
	}
	return env
}

// Close ends the pool now: tasks that wait are dropped, those that run are
// cancelled and, after Config.Grace, killed with their workers. Calls under way
// return ErrClosed. It returns when every worker process is gone.
func (p *Pool) Close() error {
	if p.master == nil {
		return errors.New("tutti: a task cannot close the pool that it runs in")
	}
	p.mu.Lock()
	p.closed = true
	unbind := p.unbind
	p.mu.Unlock()
	unbind()
	p.closeSpace()
	p.master.Close()
	p.unmap.Do(func() {
		ipc.RemoveMemory(p.memory)
		go func() { // calls that are still on their way out look at the memory
			p.mu.Lock()
			p.gone = true
			p.mu.Unlock()
			p.calls.Wait()
			p.feeders.Wait()
			if !p.lent.Load() {
				p.master.Unmap()
			}
		}()
	})
	return nil
}

// Drain waits until every call under way has returned, and then closes the
// pool. New calls fail from the start. When ctx ends first the pool is closed
// at once and the error is that of ctx. The tasks of futures are waited for, whether
// somebody waits for the future or not; their results can be asked for afterwards.
func (p *Pool) Drain(ctx context.Context) error {
	if p.master == nil {
		return errors.New("tutti: a task cannot close the pool that it runs in")
	}
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	if !p.look() {
		return nil // it was closed before
	}
	err := p.sub.Quiesce(ctx)
	p.leave()
	if err != nil && ctx.Err() == nil {
		return p.Close() // it was closed, or its workers are gone
	}
	idle := make(chan struct{})
	go func() { p.calls.Wait(); close(idle) }()
	select {
	case <-idle:
		return p.Close()
	case <-ctx.Done():
		return errors.Join(context.Cause(ctx), p.Close())
	}
}

// Workers returns the number of worker processes.
func (p *Pool) Workers() int { return p.sub.Workers() }

// enter notes a call under way; leave ends it.
func (p *Pool) enter() error {
	if p.master == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		if err := p.sub.Err(); err != nil {
			return err
		}
		return ErrClosed
	}
	p.calls.Add(1)
	return nil
}

// look notes a call that looks at the memory, also of a pool that takes no more calls;
// false when the memory is gone. leave ends it.
func (p *Pool) look() bool {
	if p.master == nil {
		return true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gone {
		return false
	}
	p.calls.Add(1)
	return true
}

func (p *Pool) leave() {
	if p.master != nil {
		p.calls.Done()
	}
}

// number returns the number of a function in this pool.
func (p *Pool) number(name string) (uint32, error) {
	n, ok := p.numbers[name]
	if !ok {
		return 0, fmt.Errorf("tutti: function %q was registered after the pool was opened; register it in a package-level variable", name)
	}
	return n, nil
}

func numbersOf(names []string) map[string]uint32 {
	numbers := make(map[string]uint32, len(names))
	for i, n := range names {
		numbers[n] = uint32(i)
	}
	return numbers
}

// inWorker is the pool as this worker process sees it; set once by the first task.
var inWorker atomic.Pointer[Pool]

// workerPool returns the pool that a task runs in.
func workerPool(r *engine.Run) *Pool {
	if p := inWorker.Load(); p != nil {
		return p
	}
	p := newPool(r.Submitter(), r.Names())
	if inWorker.CompareAndSwap(nil, p) {
		ipc.AddMemory(p.memory)
	}
	return inWorker.Load()
}
