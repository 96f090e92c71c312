package tutti

import (
	"io"
	"os"
	"time"

	"github.com/tutti-run/tutti/ipc"
)

// Config is the shape of a pool. The zero value is right for most: one worker a
// CPU that this process may use, one task at a time in each, work stealing.
type Config struct {
	// Workers is the number of worker processes; 0 means one for each CPU that
	// affinity and cgroup quota leave to this process.
	Workers int
	// TasksPerWorker is how many tasks a worker runs at once, each in a goroutine
	// of its own; 0 means 1. More is for tasks that wait for I/O. Tasks that may
	// run at most once never share a worker.
	TasksPerWorker int
	// Concurrency, when not 0, is how many tasks run at once over all workers,
	// instead of Workers × TasksPerWorker: the workers share it out.
	Concurrency int
	// Policy decides where tasks wait, where idle workers look, and in what order:
	// "work-stealing" (the default), another of package sched, where each says when
	// it serves and when it fails, or one that RegisterPolicy has been given.
	Policy string
	// Arch is SMP or AMP; empty means AMP where there are groups, and else SMP.
	Arch Arch
	// Groups are workers of different kinds: some with a device each, one that alone may
	// use a licence, some on slower cores. The master assigns each task to a group that
	// takes its function. Their Counts stand in place of Workers.
	//
	// Each function needs a group that takes it, or Open fails. A task may call functions
	// of other groups. When their calls find the pool full they fail with ErrFull, since
	// they cannot run in place: let Config.Tasks be larger then than all calls that are
	// under way at once.
	Groups []Group
	// Pin binds each worker to a CPU of its own, spread over cores, caches and
	// NUMA nodes. A worker has threads for that one only (GOMAXPROCS,
	// OMP_NUM_THREADS and its like). Where a CPU is taken from this process, by a
	// cpuset, its affinity or because it goes offline, the worker moves to another,
	// within half a second or so, and home again when it is back: workers are where
	// this process may be.
	Pin bool
	// Tasks is the most tasks that are in the pool at once, waiting, running or
	// not yet collected: a multiple of 64 up to 65536; 0 means 4096. Submitting
	// more blocks.
	Tasks int
	// Memory bounds the shared memory for inputs and results that do not fit into
	// a task's descriptor, and for slices; 0 means half of this machine's, or of
	// its cgroup's, or an eighth of what this process may map (ulimit -v). A quarter of it may hold inputs that wait. It is taken from
	// the system only as it is used. The most is 1 TiB, less 64 KiB.
	Memory int64
	// Grace is how long a task that was cancelled, or is past its time limit, may
	// take to end before its worker is killed; 0 means 2 s. The worker is first
	// sent SIGQUIT, so that the trace shows where it hung.
	Grace time.Duration
	// MaxRestarts bounds how many workers may die of themselves, with no task to
	// blame, within a minute before the pool ends with an error; 0 means 8 for
	// each worker.
	MaxRestarts int
	// InOrder has the tasks of a MapCompleted start in the order of its input, each
	// taken by itself. Without it workers take tasks in batches, and one may start a
	// few places before or behind its turn, which for short ones is many times faster.
	// It stands above a policy's order.
	InOrder bool
	// OnDeadlock says what is done when functions, or the master, wait in a circle for
	// what they hold of Pool.Space: the zero value gives the youngest an error that wraps
	// ipc.ErrDeadlock; ipc.KillProcess kills its worker, whose task is run again as after
	// any death, so that functions need not see to it. A wait of the master ends with the
	// error in any case.
	OnDeadlock ipc.Policy
	// Spin says how long a waiting process polls before it sleeps: 0 measures at
	// the start and does not poll where workers leave no CPU free for it; below 0
	// never polls; a second is the most. Where it does not poll it offers the CPU
	// to others a few dozen times before it sleeps.
	Spin time.Duration
	// AttachTimeout is how long a started worker may take until Main takes it
	// over; 0 means 10 s.
	AttachTimeout time.Duration
	// Env is the environment of the workers; nil means this process's, with
	// OMP_NUM_THREADS and its like set to a worker's share of the CPUs.
	Env []string
	// Early has Open return when the first worker is ready: for programs that are over
	// soon, or have many workers. Others start beside it as there are CPUs for that, the
	// rest when it has got a task, or a tenth of a second later. One that cannot start
	// then ends the pool later. Until it is ready nothing is placed with it: under a
	// policy by which workers never take from each other, as round-robin, what others
	// were given before stays theirs. It has no effect where there are Groups.
	Early bool
	// Spare, if not nil, becomes the first worker; see [StartSpare].
	Spare *Spare
	// Files are inherited by the workers, from descriptor 6 on.
	Files []*os.File
	// Stdout and Stderr receive what workers print, line by line; nil means this
	// process's own.
	Stdout, Stderr io.Writer
	// Adopt says that this process is a child subreaper which has no children of
	// its own beside the pool: it ends what a dead worker left running.
	Adopt bool
}

// DefaultTasks is the size of a pool's task table when Config.Tasks is 0.
const DefaultTasks = 4096
