package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tutti-run/tutti"
	"github.com/tutti-run/tutti/internal/core"
	"github.com/tutti-run/tutti/internal/spool"
)

// openPool starts workers for n commands at once, beside what its caller does next, and
// returns what waits for the first of them.
func (r *mapRun) openPool(n int) func() (*tutti.Pool, error) {
	workers := workersFor(n, r.plan.cpus)
	config := tutti.Config{
		Workers: workers, Concurrency: n, Tasks: tasksFor(r.plan.windowFor(n, workers)), Env: os.Environ(), Files: r.files,
		Adopt: true, Grace: graceFor(r.plan.term), Spin: -1, InOrder: true, Arch: tutti.Arch(r.plan.Arch), Early: true,
	}
	if r.plan.groups != nil {
		config.Workers, config.Concurrency, config.Groups = 0, 0, r.plan.groups
	}
	var pool *tutti.Pool
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		config.Spare = r.plan.head.worker()
		if pool, err = tutti.Open(context.Background(), config); err != nil {
			err = fmt.Errorf("start workers: %w", err)
			if errors.Is(err, unix.EMFILE) {
				err = fmt.Errorf("%w; raise ulimit -n", err)
			}
		}
	}()
	return func() (*tutti.Pool, error) { <-done; return pool, err }
}

// work has the workers run all jobs.
func (r *mapRun) work(jobs int, opened func() (*tutti.Pool, error)) {
	pool, err := opened()
	if err != nil {
		r.fail(err)
		return
	}
	workers := workersFor(jobs, r.plan.cpus)
	window := r.plan.windowFor(jobs, workers)
	ctx := context.Background()
	r.notes.kept() // a job that begins belongs to a run that is known
	pace := pacer{able: !r.plan.gated() && window > jobs+workers}
	for c, err := range runCommand.MapCompleted(ctx, pool, r.supply.calls,
		tutti.AtMostOnce(), tutti.Contained(), tutti.Window(window)) {
		if c.Index < 0 {
			r.fail(err)
			break
		}
		nap := pace.ended(time.Now(), time.Duration(c.Value.Runtime))
		j, res := r.supply.take(c.Index), c.Value
		if err != nil {
			res = r.resultOfError(j, err)
		}
		r.vacate(&res)
		r.ended(j, &res)
		r.supply.leave()
		if nap > 0 {
			time.Sleep(nap)
		}
		pace.waits(time.Now())
	}
	if err := pool.Close(); err != nil {
		r.fail(err)
	}
}

// atHand is how many commands wait at the workers for each of them, so that short
// ones follow each other while the master looks after what has ended: with one at
// hand two workers started 1,750 a second, with fourteen 1,970.
const atHand = 14

// windowFor is how many jobs are at the workers at once: those that run, and
// those at hand. Where a job may have to be run again, only one a worker is at
// hand, for it is run again before those that were not handed out.
func (p *plan) windowFor(jobs, workers int) int {
	if p.tries > 1 {
		return jobs + workers
	}
	return jobs + atHand*workers
}

// tasksFor is a size of the task table that holds a window four times, as the
// engine wants it.
func tasksFor(window int) int {
	const lot, least, most = 64, 1024, 1 << 16
	return min(max((4*window+lot-1)/lot*lot, least), most)
}

// graceFor is how long a worker may take to end its commands.
func graceFor(term []core.TermStep) time.Duration {
	grace := 5 * time.Second // to kill and to clear up
	for _, t := range term {
		grace += time.Duration(t.Wait)
	}
	return grace
}

// resultOfError is the result of a command whose worker gave none. What it wrote
// until its worker died is still there.
func (r *mapRun) resultOfError(j *job, err error) result {
	res := result{How: lost, Exit: -1, Start: time.Now().UnixNano(), Fault: err.Error()}
	if crash, ok := errors.AsType[*tutti.CrashError](err); ok {
		res.Fault = fmt.Sprintf("its worker (process %d) died: %s; what it ran was ended", crash.PID, crash.Status)
	}
	if v, ok := r.store.Find(j.ticket); ok {
		res.Out.Ref, res.Err.Ref = v.Shown[spool.Stdout], v.Shown[spool.Stderr]
		res.Start, res.Slot, res.Wrote = v.Start.UnixNano(), v.Slot+1, res.Out.size()
	}
	return res
}
