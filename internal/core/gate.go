package core

import (
	"fmt"
	"math"
	"strconv"
)

// Machine is a sample of the machine's state. Only what Looks names need be set.
type Machine struct {
	// Load is how many threads run or wait for a CPU or a disk now, our own not
	// counted.
	Load float64
	// Free is how many bytes jobs can still get without swapping, Total how many
	// there are at all; both within what a control group allows. Total 0 is unknown.
	Free, Total int64
	// SwapTotal is the size of the swap space; SwapIn and SwapOut count the pages
	// moved since boot.
	SwapTotal       int64
	SwapIn, SwapOut uint64
	// DiskBusy is how many percent of the last while the busiest disk worked; below
	// 0 it is unknown.
	DiskBusy float64
}

// Looks says which parts of a Machine a Gate looks at.
type Looks struct {
	Load, Memory, Swap, Disk bool
}

// GateJobs is what a Gate must know of the jobs.
type GateJobs struct {
	Running   int  // started and not ended, the suspended ones too
	Suspended int  // of these, the ones suspended as Ask said
	Waiting   bool // a job could start at once, were it not for the gate
}

// GateAct is what is to be done.
type GateAct uint8

// The acts. The zero value does nothing.
const (
	GateWait    GateAct = iota // nothing now
	GateStart                  // start one job, and tell Started
	GateKill                   // end the youngest job that is not being ended, and queue it last if it may be tried again
	GateSuspend                // suspend the Count youngest jobs that are not suspended
	GateResume                 // resume the Count oldest jobs that are suspended
	GateNever                  // no job can ever start: end the run with Reason
)

// Admission is a Gate's answer.
type Admission struct {
	Act   GateAct
	Count int
	// Again is after what time to ask again at the latest; 0 where only an event
	// (a start, an end, an answer of the limit's command) changes the answer. After
	// GateKill, GateSuspend and GateResume ask at once, on a new sample.
	Again Span
	// Reason says for people why; empty for GateStart, and for GateWait where no job
	// is waiting.
	Reason string
}

// The times of a Gate.
const (
	// pollFast is how often load and memory are looked at while they matter: a look
	// costs some 30 µs, and a process can take gigabytes in a second.
	pollFast = 100 * Millisecond
	// pollSlow is how often swapping and disks are looked at and a limit's command is
	// run: they are rates over a second, or cost a process.
	pollSlow = Second
	// swapFirst is the first look at swapping, so that a run begins without delay.
	swapFirst = 200 * Millisecond
	// swapStale is the age at which a look at swapping says nothing about now.
	swapStale = 10 * Second
	// resumeGap is the time between two resumptions while memory is plenty: a
	// resumed job's appetite must show first.
	resumeGap = 200 * Millisecond
	// loadSettle bounds how long a job that was started may not show in the load: it
	// is counted besides for this time, and for half of it at least.
	loadSettle = 100 * Millisecond
	// leastDelay is what an automatic delay shrinks to: from less it would not grow
	// again in any useful time.
	leastDelay = Millisecond
)

// Gate decides whether a job may be started now. Ask it before each start, and
// while jobs run as often as it says: it also decides which jobs must give way.
// Like GNU parallel it waits for load and memory even when nothing runs.
type Gate struct {
	rules GateRules

	delay     float64 // ns; changes where it is automatic
	started   bool
	lastStart Time

	recent, older int  // starts in this half of loadSettle and the one before
	half          Time // when this half began

	swapping, swapKnown, swapBegun bool
	swapFrom                       Time
	swapIn, swapOut                uint64

	limit    int // the exit status, where limitAt counts
	answered bool
	spent    bool // a job was started, or ended, on that answer
	limitAt  Time

	ending   int // how many jobs ran when one was last to be ended; 0: none is
	resumeAt Time
}

// NewGate returns a gate for a run that begins.
func NewGate(rules GateRules) *Gate {
	return &Gate{rules: rules, delay: float64(rules.Delay.Span)}
}

// Looks returns what Ask will look at.
func (g *Gate) Looks() Looks {
	r, kind := &g.rules, g.rules.Limit.Kind
	return Looks{
		Load:   r.Load > 0 || kind == LimitLoad,
		Memory: r.MemFree > 0 || r.MemSuspend > 0 || kind == LimitMem,
		Swap:   r.NoSwap,
		Disk:   kind == LimitIO,
	}
}

// SetLoad changes the load below which jobs start, as when its file was read
// again.
func (g *Gate) SetLoad(below float64) { g.rules.Load = below }

// Started notes that a job was started.
func (g *Gate) Started(now Time) {
	g.started, g.lastStart = true, now
	g.spent, g.ending = true, 0
	g.settle(now)
	g.recent++
}

// Ended notes that an attempt of a job ended, and whether it succeeded.
func (g *Gate) Ended(ok bool) {
	switch {
	case !g.rules.Delay.Auto || g.delay == 0:
	case ok:
		g.delay = max(g.delay*0.9, float64(leastDelay))
	default:
		g.delay = min(g.delay*1.3, float64(Day))
	}
}

// WantsLimit reports whether the limit's command is to be run and its answer told
// to LimitAnswered. Look before each Ask, unless the command is running.
func (g *Gate) WantsLimit(now Time, jobs GateJobs) bool {
	if g.rules.Limit.Kind != LimitCommand {
		return false
	}
	due := !g.limitFresh(now)
	if jobs.Waiting && now >= g.nextStart() {
		return due || g.spent
	}
	return due && jobs.Running > 0
}

// LimitAnswered notes the exit status of the limit's command, as a shell shows it.
func (g *Gate) LimitAnswered(now Time, exit int) {
	g.answered, g.spent = true, false
	g.limitAt, g.limit = now, exit
}

func (g *Gate) limitFresh(now Time) bool {
	return g.answered && now < g.limitAt.after(pollSlow)
}

// nextStart is when the delay has passed.
func (g *Gate) nextStart() Time {
	if !g.started {
		return math.MinInt64
	}
	return g.lastStart.after(Span(g.delay))
}

// settle forgets starts that show in the load by now.
func (g *Gate) settle(now Time) {
	switch gone := Span(now - g.half); {
	case gone >= loadSettle:
		g.recent, g.older, g.half = 0, 0, now
	case gone >= loadSettle/2:
		g.recent, g.older, g.half = 0, g.recent, now
	}
}

// Ask decides what is to be done now, on a sample taken just before.
func (g *Gate) Ask(now Time, m Machine, jobs GateJobs) Admission {
	g.settle(now)
	g.watchSwap(now, m)
	if a, ok := g.relieve(now, m, jobs); ok {
		return a
	}
	watch := g.watch(jobs)
	if !jobs.Waiting {
		return Admission{Again: watch}
	}
	if reason := g.never(m); reason != "" {
		return Admission{Act: GateNever, Reason: reason}
	}
	again, reason := g.hold(now, m, jobs)
	if reason == "" {
		return Admission{Act: GateStart, Again: watch}
	}
	if again == 0 || watch > 0 && watch < again {
		again = watch
	}
	return Admission{Again: again, Reason: reason}
}

// watch is how often running jobs must be watched, 0 for not at all.
func (g *Gate) watch(jobs GateJobs) Span {
	switch {
	case jobs.Running == 0:
		return 0
	case g.Looks().Memory:
		return pollFast
	case g.rules.Limit.Kind == LimitCommand:
		return pollSlow
	}
	return 0
}

// relieve decides whether running jobs must give way, or may go on.
func (g *Gate) relieve(now Time, m Machine, jobs GateJobs) (a Admission, ok bool) {
	if jobs.Running < g.ending {
		g.ending = 0
		g.spent = true // the limit's command looked while that job was there
	}
	if why := g.tooMuch(now, m); why != "" && jobs.Running > 0 {
		// One at a time: what the last one leaves may be enough.
		if g.ending > 0 {
			return Admission{Again: pollFast, Reason: why + "; the youngest job is being ended"}, true
		}
		g.ending, g.spent = jobs.Running, true
		return Admission{Act: GateKill, Count: 1, Reason: why}, true
	}
	if g.rules.MemSuspend == 0 || jobs.Running == 0 {
		return Admission{}, false
	}
	awake, may := jobs.Running-jobs.Suspended, g.mayRun(m, jobs.Running)
	switch {
	case awake > may:
		a = Admission{Act: GateSuspend, Count: awake - may}
	case jobs.Suspended == 0 || awake == may:
		return Admission{}, false
	case may < jobs.Running: // memory is short: exactly so many run
		a = Admission{Act: GateResume, Count: may - awake}
	case now >= g.resumeAt:
		g.resumeAt = now.after(resumeGap)
		a = Admission{Act: GateResume, Count: 1}
	default:
		return Admission{}, false
	}
	a.Reason = fmt.Sprintf("%s of memory free, --memsuspend %s", bytesText(m.Free), bytesText(g.rules.MemSuspend))
	return a, true
}

// tooMuch says why a job must be ended, if one must.
func (g *Gate) tooMuch(now Time, m Machine) string {
	for _, c := range []struct {
		option string
		size   int64
	}{{"--memfree", g.rules.MemFree}, {"--limit mem", g.limitMem()}} {
		if c.size > 0 && m.Free < (c.size+1)/2 {
			return fmt.Sprintf("%s of memory free, less than half of %s %s", bytesText(m.Free), c.option, bytesText(c.size))
		}
	}
	if g.rules.Limit.Kind == LimitCommand && g.limit == 2 && (g.ending > 0 || g.limitFresh(now) && !g.spent) {
		return "--limit says that it is far too much (exit status 2)"
	}
	return ""
}

// limitMem is the size of --limit "mem SIZE", or 0.
func (g *Gate) limitMem() int64 {
	if g.rules.Limit.Kind != LimitMem {
		return 0
	}
	return int64(g.rules.Limit.Value)
}

// mayRun is how many of n jobs may be awake: one while less than MemSuspend is
// free, and all from twice of it, where every halving of what is missing to that
// doubles them, as in GNU parallel. At least 1.
func (g *Gate) mayRun(m Machine, n int) int {
	missing := 2 - float64(m.Free)/float64(g.rules.MemSuspend)
	if missing <= 0 || 1/missing >= float64(n) {
		return max(n, 1)
	}
	return min(1+int(1/missing), max(n, 1))
}

// never says why no job can ever be started, if so.
func (g *Gate) never(m Machine) string {
	for _, c := range []struct {
		option string
		size   int64
	}{{"--memfree", g.rules.MemFree}, {"--memsuspend", g.rules.MemSuspend}, {"--limit mem", g.limitMem()}} {
		if m.Total > 0 && c.size > m.Total {
			return fmt.Sprintf("%s %s can never be met: this machine, or what a control group leaves of it, has %s of memory; ask for less",
				c.option, bytesText(c.size), bytesText(m.Total))
		}
	}
	if g.rules.Limit.Kind == LimitCommand && g.answered && (g.limit == 126 || g.limit == 127) {
		return fmt.Sprintf("--limit %q cannot be run (exit status %d); say a command that ends with 0, 1 or 2", g.rules.Limit.Command, g.limit)
	}
	return ""
}

// hold says why no job may be started now, and after what time to look again; the
// empty reason lets one start.
func (g *Gate) hold(now Time, m Machine, jobs GateJobs) (again Span, reason string) {
	if next := g.nextStart(); now < next {
		return Span(next - now), "the last start is less than --delay " + spanText(Span(g.delay)) + " ago"
	}
	load := m.Load + float64(g.recent+g.older)
	switch limit := g.rules.Limit; {
	case g.rules.Load > 0 && load >= g.rules.Load:
		return pollFast, "load " + decimal(load) + " is not below --load " + decimal(g.rules.Load)
	case g.rules.NoSwap && !g.swapKnown:
		return swapFirst, "--noswap looks whether the machine is swapping"
	case g.rules.NoSwap && g.swapping:
		return pollSlow, "the machine swaps in and out (--noswap)"
	case limit.Kind == LimitLoad && load > limit.Value:
		return pollFast, "load " + decimal(load) + " is above --limit load " + decimal(limit.Value)
	case limit.Kind == LimitIO && m.DiskBusy < 0:
		return swapFirst, "--limit io looks how busy the disks are"
	case limit.Kind == LimitIO && m.DiskBusy > limit.Value:
		return pollSlow, "a disk is " + decimal(m.DiskBusy) + " % busy, above --limit io " + decimal(limit.Value)
	case limit.Kind == LimitCommand && g.answered && g.limit != 0: // also while it is asked again
		return pollSlow, "--limit says not now (exit status " + strconv.Itoa(g.limit) + ")"
	case limit.Kind == LimitCommand && (g.spent || !g.limitFresh(now)):
		return 0, "the command of --limit has not answered yet"
	}
	return g.holdMemory(m, jobs)
}

// holdMemory is the part of hold that looks at memory.
func (g *Gate) holdMemory(m Machine, jobs GateJobs) (again Span, reason string) {
	r := &g.rules
	switch {
	case m.Free < r.MemFree:
		return pollFast, fmt.Sprintf("%s of memory free, less than --memfree %s", bytesText(m.Free), bytesText(r.MemFree))
	case m.Free < g.limitMem():
		return pollFast, fmt.Sprintf("%s of memory free, less than --limit mem %s", bytesText(m.Free), bytesText(g.limitMem()))
	case r.MemSuspend == 0:
		return 0, ""
	case m.Free < r.MemSuspend:
		return pollFast, fmt.Sprintf("%s of memory free, less than --memsuspend %s", bytesText(m.Free), bytesText(r.MemSuspend))
	case jobs.Suspended > 0:
		return pollFast, fmt.Sprintf("%d jobs are suspended by --memsuspend %s", jobs.Suspended, bytesText(r.MemSuspend))
	case g.mayRun(m, jobs.Running+1) <= jobs.Running:
		return pollFast, fmt.Sprintf("%s of memory free: by --memsuspend %s another job would be suspended at once", bytesText(m.Free), bytesText(r.MemSuspend))
	}
	return 0, ""
}

// watchSwap keeps account of whether the machine swaps both in and out.
func (g *Gate) watchSwap(now Time, m Machine) {
	if !g.rules.NoSwap {
		return
	}
	if m.SwapTotal == 0 {
		g.swapKnown, g.swapping = true, false
		return
	}
	age := Span(now - g.swapFrom)
	if !g.swapBegun || age > swapStale {
		g.swapBegun, g.swapKnown = true, false
		g.swapFrom, g.swapIn, g.swapOut = now, m.SwapIn, m.SwapOut
		return
	}
	both := m.SwapIn > g.swapIn && m.SwapOut > g.swapOut
	if age >= pollSlow || !g.swapKnown && age >= swapFirst {
		g.swapKnown, g.swapping = true, both
		g.swapFrom, g.swapIn, g.swapOut = now, m.SwapIn, m.SwapOut
	} else if both {
		g.swapKnown, g.swapping = true, true
	}
}

// decimal writes a number for people.
func decimal(f float64) string { return strconv.FormatFloat(math.Round(f*100)/100, 'f', -1, 64) }
