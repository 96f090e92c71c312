package tutti

import (
	"fmt"
	"slices"
	"time"

	"github.com/tutti-run/tutti/internal/engine"
)

// Option changes how a call's tasks are run.
type Option func(*options)

type options struct {
	timeout    time.Duration
	attempts   int
	atMostOnce bool
	contained  bool
	affinity   int
	hints      Hints
	perTask    any // func(In) Hints
	noWait     bool
	window     int
}

// check says what of the options cannot be had from a pool.
func (o *options) check(workers int) error {
	switch {
	case o.timeout < 0:
		return fmt.Errorf("tutti: Timeout(%v): a time limit is above 0, or 0 for none", o.timeout)
	case o.attempts < 0:
		return fmt.Errorf("tutti: Retries(%d): between 0 and %d", o.attempts, engine.MaxAttempts-1)
	case o.attempts > engine.MaxAttempts:
		return fmt.Errorf("tutti: Retries(%d): between 0 and %d", o.attempts-1, engine.MaxAttempts-1)
	case o.hints.Expected < 0:
		return fmt.Errorf("tutti: Expected(%v): a time is above 0, or 0 where it is not known", o.hints.Expected)
	case o.affinity < 0 || o.affinity > workers:
		return fmt.Errorf("tutti: Affinity(%d): the workers are 1 to %d, and 0 is any", o.affinity, workers)
	}
	return nil
}

func (o *options) apply(opts []Option) {
	for _, f := range opts {
		f(o)
	}
}

// Timeout limits how long each task may run, counted from its start. A task
// past its limit has its context cancelled; one that still runs after
// Config.Grace is killed. Either way only that task fails, with an error that is
// context.DeadlineExceeded. 0 is no limit.
//
// That holds, too, for a call within a task that finds no room in the pool and runs
// in place.
func Timeout(d time.Duration) Option { return func(o *options) { o.timeout = d } }

// Retries sets how often a task is run again after its worker died of it; 0
// means that the first such death is its end. Without this option it is 2.
// Deaths that other tasks are to blame for do not count. The most is 254.
func Retries(n int) Option {
	return func(o *options) {
		if o.attempts = n + 1; n < 0 {
			o.attempts = n // to be refused; 0 would be the default
		}
	}
}

// AtMostOnce has each task begun once only: when its worker dies it fails with
// a CrashError, whoever was to blame. While it runs its worker runs nothing else.
// Where a task calls another that way, and no other worker is idle, the call runs in
// the worker of its caller, which is there and waits; it begins when what else runs
// there, in other lanes (Config.TasksPerWorker) or in other calls of that task, has
// ended or waits itself, and none of that goes on before it has ended. So such a call
// must not need anything of a task that runs on until the call has ended.
//
// Whose a call is says its context or, where that is no task's, the goroutine that
// makes it: those that a task starts, and those that they start, are the task's. They
// are known by a profiler label, "tutti.task", which labels that are added by a context
// derived from the task's leave in its place. A goroutine without it, started by an
// init function for example, is no task's: what it calls at most once begins when a
// worker has nothing else to run, so a task must not wait for that; and in a full
// pool it fails with ErrFull.
//
// Not kept apart from it are
//   - the calls that it makes itself;
//   - tasks that are asked to end: they go on, so that they can;
//   - the task whose context a call of another one has;
//   - goroutines: those that a function leaves behind when it returns, with what they
//     call, and those of a task that wait for nothing while another of its goroutines
//     waits for a call;
//   - while it waits for a call, what only its group takes (Config.Groups).
func AtMostOnce() Option { return func(o *options) { o.atMostOnce = true } }

// Contained says of tasks that run AtMostOnce that they cannot harm their worker,
// since all they do is run other programs: they may share it.
func Contained() Option { return func(o *options) { o.contained = true } }

// Priority has tasks taken before those of a lower priority; 0 is normal. A
// pool tells three classes apart: above, at and below 0. Policies that order
// exactly tell all numbers apart, and earliest-deadline does not look at it.
func Priority(n int) Option { return func(o *options) { o.hints.Priority = n } }

// Affinity has tasks wait at a worker, numbered from 1, whose caches or files
// are warm for them. Another one takes them when it is idle.
func Affinity(worker int) Option { return func(o *options) { o.affinity = worker } }

// NoWait has Call and Go fail with ErrFull where they would wait for room.
func NoWait() Option { return func(o *options) { o.noWait = true } }

// Window sets how many tasks of a Map may be under way at once; without this
// option it is 1024, or a quarter of Config.Tasks if that is less.
func Window(n int) Option { return func(o *options) { o.window = max(1, n) } }

const defaultWindow = 1024

func windowOf(opts []Option) (o options) {
	o.window = defaultWindow
	o.apply(slices.Clip(opts))
	return o
}
