package cli

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"sync"
	"syscall"

	"github.com/tutti-run/tutti/internal/jobserver"
	"github.com/tutti-run/tutti/internal/proc"
)

// tokens bounds the commands that run by a pool that other programs share, or that
// is ours and the commands share: the first needs none, each further one has one.
//
// What is held lies in a pipe (see jobserver), and this process is not alone in
// having its ends: the token keeper has them too. It waits for the end of the
// lifeline, which this process and its workers hold, and puts back what is left
// then. A worker leaves only when what it ran is gone; so a token is back when its
// command is, and not before.
//
//	killed            tokens
//	command, worker   given back by this process, as for any end
//	this process      the workers end their commands and leave; then by the keeper
//	keeper            this process starts another
//	both at once      the limit: what was held is lost
//
// A make among the commands that is killed loses what it held itself. Only who
// serves the pool can know that: when nothing runs, a pool of ours is filled up.
type tokens struct {
	pool     *jobserver.Client
	served   int        // tokens of the pool, where it is ours; else 0
	ends     []*os.File // of that pool, which commands may open by our number
	say      func(reason string)
	freed    chan struct{} // no command runs any more
	lifeline *os.File      // has no other use than to be open
	line     *os.File      // its read end
	kept     chan struct{} // closed: no keeper runs any more, and none is wanted

	entering sync.Mutex // held in enter
	mu       sync.Mutex // over what follows
	running  int
	taken    int  // tokens that are counted: one that enter has just taken is not yet
	strays   bool // something runs on that may hold tokens
	closing  bool
}

// lent is a file that commands have under a number.
type lent struct {
	file *os.File
	as   int
}

// enlist has the run share job slots with others, where it was started by a make or
// asked for. It is to be called before the number of jobs is used.
func (r *mapRun) enlist() error {
	p := r.plan
	if p.JobServer == "off" || p.DryRun || p.ShowLimits || p.ShellQuote > 0 {
		return nil
	}
	flags := os.Getenv(jobserver.FlagsVariable)
	auth, found, err := jobserver.Parse(flags)
	switch {
	case !found && p.JobServer == "auto":
		return nil
	case p.RoundRobin || p.Tee || p.Given("shard") || p.Given("bin"):
		complain("jobs that all read at the same time cannot wait for each other's tokens; so they run without those of %s", jobserver.FlagsVariable)
		return nil
	}
	if found && err == nil {
		most := jobserver.RoomMax + 1
		if auth.Jobs > 0 {
			most = auth.Jobs
		}
		if p.jobs = min(p.jobs, most); p.jobs == 1 && p.jobsFile == "" {
			return nil // it needs no token
		}
		if err = r.takePart(auth); err == nil {
			return nil
		}
	}
	if p.JobServer == "auto" {
		how := "one job runs at a time, as -j does not say otherwise"
		if p.Given("jobs") {
			how = "-j alone says how many jobs run"
		} else {
			p.jobs = 1
		}
		complain("%s names a jobserver that cannot be used: %v; write + before the command in the makefile, or --jobserver off; %s", jobserver.FlagsVariable, err, how)
		return nil
	}
	return r.serve(flags)
}

// takePart takes part in a pool.
func (r *mapRun) takePart(auth jobserver.Auth) error {
	most := r.plan.jobs
	if r.plan.jobsFile != "" {
		most = max(most, jobsRoom(r.plan.cpus))
	}
	k := &tokens{say: r.screen.holds, freed: make(chan struct{}, 1), kept: make(chan struct{})}
	var err error
	if k.pool, err = jobserver.Open(auth, most-1); err != nil {
		return err
	}
	if k.line, k.lifeline, err = os.Pipe(); err != nil {
		return errors.Join(err, k.pool.Close())
	}
	r.tokens, r.plan.shared = k, true
	return nil
}

// serve makes a pool for the commands, and takes part in it.
func (r *mapRun) serve(flags string) error {
	p := r.plan
	read, write, err := jobserver.Serve(p.jobs)
	if err != nil {
		return fmt.Errorf("--jobserver: %w; or say a smaller -j", err)
	}
	here := jobserver.Auth{Read: int(read.Fd()), Write: int(write.Fd()), Jobs: p.jobs}
	if err := r.takePart(here); err != nil {
		return fmt.Errorf("--jobserver: %w", err)
	}
	r.tokens.served, r.tokens.ends = p.jobs-1, []*os.File{read, write}
	there := jobserver.Auth{Jobs: p.jobs}
	if p.JobServer == "fifo" {
		// The pipe has no name that could be left behind: this one ends with us.
		there.Fifo = fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), here.Read)
	} else {
		there.Read = lentFrom
		for slices.Contains(r.handed, there.Read) || slices.Contains(r.handed, there.Read+1) {
			there.Read++
		}
		there.Write = there.Read + 1
		r.lent = []lent{{read, there.Read}, {write, there.Write}}
	}
	return os.Setenv(jobserver.FlagsVariable, there.Flags(flags))
}

// lentFrom is the first number that commands may have an end of the pool under: what
// scripts use themselves has one digit.
const lentFrom = 10

// enter waits until a command may start; false where none may any more, as stop says.
func (k *tokens) enter(stop <-chan struct{}) (bool, error) {
	if k == nil {
		return true, nil
	}
	k.entering.Lock()
	defer k.entering.Unlock()
	defer k.say("")
	for !k.first() {
		k.say("waiting for a job slot of the jobserver")
		ok, err := k.pool.Take(stop, k.freed)
		if ok {
			k.mu.Lock()
			defer k.mu.Unlock()
			k.running++
			k.taken++
			return true, k.settleLocked()
		}
		select {
		case <-stop:
			return false, nil
		default:
		}
		if err != nil {
			return false, err
		}
	}
	return true, nil
}

// first takes the slot that needs no token, if it is free.
func (k *tokens) first() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	select {
	case <-k.freed:
	default:
	}
	if k.running > 0 {
		return false
	}
	k.running = 1
	return true
}

// leave notes the end of a command that had entered; strays says that it left
// something running.
func (k *tokens) leave(strays bool) error {
	if k == nil {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.running--
	k.strays = k.strays || strays
	if k.running == 0 {
		select {
		case k.freed <- struct{}{}:
		default:
		}
	}
	return k.settleLocked()
}

// settleLocked gives back what is held and not needed, and fills a pool of ours up
// when nobody can have any of its tokens.
func (k *tokens) settleLocked() error {
	var err error
	for ; err == nil && k.taken > max(k.running-1, 0); k.taken-- {
		err = k.pool.Give()
	}
	if err != nil || k.running > 0 || k.served == 0 || k.strays {
		return err
	}
	free, err := k.pool.Free()
	if lost := k.served - free; err == nil && lost > 0 {
		err = k.pool.Refill(lost)
	}
	return err
}

// keepersMax bounds how often a keeper that was killed is followed by another.
const keepersMax = 16

// keep has a process keep what is held, until close.
func (k *tokens) keep() error {
	if k == nil {
		return nil
	}
	keeper, err := k.startKeeper()
	if err != nil {
		return fmt.Errorf("start the keeper of the jobserver's tokens: %w", err)
	}
	go func() {
		defer close(k.kept)
		for range keepersMax {
			keeper.Wait()
			k.mu.Lock()
			closing := k.closing
			k.mu.Unlock()
			if closing {
				return
			}
			if keeper, err = k.startKeeper(); err != nil {
				break
			}
		}
		complain("nobody keeps the jobserver's tokens any more: if this process is killed they are lost; its keeper was killed %d times", keepersMax)
	}()
	return nil
}

func (k *tokens) startKeeper() (*proc.Process, error) {
	// In a process group of its own, as a signal to ours is not for it.
	return proc.Start(proc.Spec{
		Path: proc.Self(), Name: "tutti", Args: []string{tokensWord, strconv.Itoa(os.Getpid())},
		Extra: append([]*os.File{k.line}, k.pool.Heir()...),
	})
}

// close gives all back. The workers have left, and nobody enters any more.
func (k *tokens) close() error {
	if k == nil {
		return nil
	}
	k.entering.Lock()
	defer k.entering.Unlock()
	k.mu.Lock()
	held, err := k.pool.Held()
	k.closing, k.running, k.taken = true, 0, held
	if err == nil {
		err = k.settleLocked()
	}
	k.mu.Unlock()
	err = errors.Join(err, k.lifeline.Close())
	<-k.kept
	return errors.Join(err, k.line.Close(), k.pool.Close())
}

// tokensWord calls this program as the keeper of the tokens of another.
const tokensWord = "tokens-of"

// tokenKeeperMain is that process: it has the lifeline and what the jobserver says as
// its descriptors, and ends by nothing but the end of all others.
func tokenKeeperMain() int {
	const fdLine, fdHeld, fdPool = 3, 4, 5
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGTSTP, syscall.SIGUSR1, syscall.SIGUSR2)
	line, held, pool := os.NewFile(fdLine, "lifeline"), os.NewFile(fdHeld, "held"), os.NewFile(fdPool, "pool")
	if line == nil || held == nil || pool == nil {
		complain("this is for tutti's own use")
		return exitUsage
	}
	// Nobody writes: it returns when all writers are gone.
	if _, err := line.Read(make([]byte, 1)); err == nil {
		return exitUsage
	}
	jobserver.Return(held, pool)
	return 0
}
