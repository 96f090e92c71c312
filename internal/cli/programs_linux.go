package cli

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tutti-run/tutti"
	"github.com/tutti-run/tutti/internal/core"
)

// programs are those of --persistent, one a job slot, each started when there is a
// first input for it. A goroutine a slot talks to its program (dialog); another takes
// jobs from the supply and lays them where any of them may take them.
//
//	states of a slot   idle: it waits for a job, and is in free
//	                   talking: its program runs; it is in free where it has room
//	                   pausing: its program died; back-off
//	program dies       the slot settles with it: one job charged, the others laid back
//	worker dies        its task ends with an error; likewise
//	master dies        the workers' lifeline ends all, as with any command
type programs struct {
	run     *mapRun
	framing framing
	call    call // but for ticket and slot
	slots   []*dialog
	serving int // of slots, the first so many
	pool    *tutti.Pool
	begin   time.Time
	inlet   *inlet
	cpus    *processors
	proven  atomic.Bool // one has answered
	tickets atomic.Uint64
	hinted  atomic.Bool
	ringers sync.WaitGroup // goroutines that ring the slots' bells
	fed     chan struct{}  // closed with over

	mu       sync.Mutex
	room     sync.Cond // jobs has room again, or all is over
	jobs     []*job
	free     []*dialog // that want a job
	over     bool      // no more will come
	trickle  core.Trickle
	trickles atomic.Bool // as it has said last
	deaths   *core.Deaths
	jitter   *rand.Rand
}

// queueMax bounds the jobs that wait to be taken: as many as two fast programs have.
const queueMax = 2048

// newPrograms makes ready what the slots need before workers start.
func newPrograms(r *mapRun) (*programs, error) {
	p := &programs{
		run: r, framing: framing(r.plan.Framing), begin: time.Now(), inlet: newInlet(os.Stdin), cpus: newProcessors(), fed: make(chan struct{}),
		deaths: core.NewDeaths(core.DefaultIntensity(r.plan.jobs)), jitter: rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())),
	}
	p.room.L = &p.mu
	program, err := r.plan.programOf()
	if err != nil {
		return nil, err
	}
	p.call = call{Argv: program.Argv, Path: program.Path, Shell: program.Shell, Talks: true}
	if dir := r.plan.WorkDir; dir != "" {
		if p.call.Dir, err = filepath.Abs(dir); err == nil {
			err = os.MkdirAll(p.call.Dir, 0o777)
		}
		if err != nil {
			return nil, fmt.Errorf("--wd %s: %w", dir, err)
		}
	}
	for i := range r.plan.jobs {
		d, err := newDialog(p, i+1)
		if err != nil {
			p.close()
			return nil, fmt.Errorf("what %d programs are talked to by: %w; give a smaller -j, or raise ulimit -n", r.plan.jobs, err)
		}
		p.slots = append(p.slots, d)
	}
	return p, nil
}

// sockets are the workers' ends, slot 1's first, for workers to inherit.
func (p *programs) sockets() (all []*os.File) {
	for _, d := range p.slots {
		all = append(all, d.socket[1])
	}
	return all
}

func (p *programs) close() {
	for _, d := range p.slots {
		d.close()
	}
}

// work has atOnce programs answer all jobs.
func (p *programs) work(atOnce int, opened func() (*tutti.Pool, error)) {
	r := p.run
	pool, err := opened()
	if err != nil {
		r.fail(err)
		return
	}
	p.pool = pool
	r.notes.syncWithin(p.cpus.block) // and a job that begins belongs to a run that is known
	p.serving = atOnce
	p.ringers.Go(p.feed)
	var all sync.WaitGroup
	for _, d := range p.slots[:atOnce] {
		all.Go(d.serve)
	}
	all.Wait()
	p.cpus.enough(false)
	r.supply.halt()
	p.mu.Lock() // so that feed is not between its look and its wait
	p.room.Broadcast()
	p.mu.Unlock()
	p.ringers.Wait() // or they would ring bells that are closed
	if err := pool.Close(); err != nil {
		r.fail(err)
	}
	p.close()
}

// feed lays out the jobs of the supply until these, or the run, end.
func (p *programs) feed() {
	s := p.run.supply
	for j := s.counted(); j != nil; j = s.counted() {
		if j.skip || j.fault != nil {
			p.run.unrun(j)
			continue
		}
		p.lay(j)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = true
	close(p.fed)
	p.jobs = nil // where the run was ended, these are not begun
	for _, d := range p.slots {
		d.ring()
	}
}

// lay lays a job out to be taken.
func (p *programs) lay(j *job) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.jobs) >= queueMax && !p.stopped() {
		p.room.Wait()
	}
	p.jobs = append(p.jobs, j)
	p.wake()
}

// layBack lays jobs out that a program did not come to, before all others.
func (p *programs) layBack(jobs []*job) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.jobs = append(jobs[:len(jobs):len(jobs)], p.jobs...)
	for range p.jobs {
		p.wake()
	}
}

// wake tells one of the slots that want a job, one whose program runs if there is
// one. The caller holds the lock.
func (p *programs) wake() {
	best := -1
	for i, d := range p.free {
		if best < 0 || d.talks && !p.free[best].talks {
			best = i
		}
	}
	if best >= 0 {
		d := p.free[best]
		p.free = append(p.free[:best], p.free[best+1:]...)
		d.wants = false
		d.ring()
	}
}

// stopped reports whether nothing more is to be begun.
func (p *programs) stopped() bool {
	select {
	case <-p.run.supply.stop:
		return true
	default:
		return false
	}
}

// take gives a slot, which has so many open, its next job. Where there is none it is told
// when to ask again; over says that it need not.
func (p *programs) take(d *dialog, open int) (j *job, over bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over || p.stopped() {
		p.room.Signal()
		return nil, true
	}
	if len(p.jobs) == 0 {
		if !d.wants {
			d.wants = true
			p.free = append(p.free, d)
		}
		return nil, false
	}
	j = p.jobs[0]
	p.jobs[0] = nil
	p.jobs = p.jobs[1:]
	if len(p.jobs) < queueMax {
		p.room.Signal()
	}
	p.paceLocked(p.trickle.Next(len(p.jobs) == 0 && open == 0 && p.idleBut(d) == p.serving-1))
	return j, false
}

// idleBut is how many slots but d want a job. The caller holds the lock.
func (p *programs) idleBut(d *dialog) int {
	if d.wants {
		return len(p.free) - 1
	}
	return len(p.free)
}

// paceLocked has one processor do, while inputs trickle.
func (p *programs) paceLocked(trickles bool) {
	if trickles != p.trickles.Load() {
		p.trickles.Store(trickles)
		p.cpus.enough(trickles)
	}
}

// pausing notes that no input has come for pauseAfter.
func (p *programs) pausing() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.trickle.Pause()
	p.paceLocked(false)
}

// pauseAfter is when inputs have ceased to trickle. The slot that waits for the next one
// keeps the only processor until then.
const pauseAfter = 5 * time.Millisecond

// talking notes whether a slot's program runs. One that pauses wants no job, and what
// it was woken for another one takes.
func (p *programs) talking(d *dialog, on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	d.talks = on
	if on {
		return
	}
	for i, other := range p.free {
		if other == d {
			p.free = append(p.free[:i], p.free[i+1:]...)
			d.wants = false
			break
		}
	}
	if len(p.jobs) > 0 {
		p.wake()
	}
}

// died counts the end of a slot's program, and says how long to wait before the next
// start; false where there were too many.
func (p *programs) died(d *dialog, kind core.DeathKind) (delay core.Span, goOn bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delay, giveUp := d.restarts.Died(p.now(), kind, p.jitter)
	return delay, !giveUp
}

func (p *programs) now() core.Time { return core.Time(time.Since(p.begin)) }

// titles are the inputs that programs are at, by the tickets of their starts.
func (p *programs) titles() map[uint64]title {
	m := map[uint64]title{}
	for _, d := range p.slots {
		if at := d.at.Load(); at != nil {
			m[at.ticket] = *at.title
		}
	}
	return m
}

// errGaveUp is why a run ends whose program does not live.
var errGaveUp = errors.New("its program dies again and again")

// gaveUp ends the run.
func (p *programs) gaveUp(last string) {
	what := "and answers little between"
	if !p.proven.Load() {
		what = "and has never answered"
	}
	p.run.fail(fmt.Errorf("--persistent: %w, %s; the last time: %s; try it by hand: echo INPUT | %s", errGaveUp, what, last, p.run.plan.Persistent))
}

// newSocket makes the two ends of a slot's socket.
func newSocket() (ends [2]*os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return ends, os.NewSyscallError("socketpair", err)
	}
	return [2]*os.File{os.NewFile(uintptr(fds[0]), "socket"), os.NewFile(uintptr(fds[1]), "socket")}, nil
}
