package core

import "math/rand/v2"

// Intensity bounds how often the workers of one pool may die by their own fault
// before the pool gives up, as in Erlang/OTP's supervisors: at most Max within
// any Period. A death at start weighs startWeight, every other one weighs one.
type Intensity struct {
	Max    int
	Period Span
}

// startWeight is how many deaths a death at start counts for. A worker that
// cannot even start has the same reason as all the others of its pool, and
// trying again seldom helps.
const startWeight = 4

// DefaultIntensity returns the bound for a pool of so many workers: in a minute
// every worker may die 8 times at work, or twice at start. The period is longer
// than 8 restarts at the greatest back-off, so a worker that keeps dying as soon
// as it lives is always found out.
func DefaultIntensity(workers int) Intensity {
	return Intensity{Max: 2 * startWeight * max(workers, 1), Period: Minute}
}

// DeathKind says whose doing a worker's death was.
type DeathKind uint8

// The kinds of death.
const (
	// OwnDeath: it died while no task ran in it.
	OwnDeath DeathKind = iota
	// StartDeath: it did not start, or died or hung before it attached.
	StartDeath
	// TaskDeath: tasks ran in it; they are charged or suspected instead.
	TaskDeath
	// AskedDeath: we killed it, for a timeout, a cancellation or a limit.
	AskedDeath
)

// Deaths counts the recent deaths of one pool's workers against its Intensity.
// Make one with NewDeaths; all the pool's workers share it.
type Deaths struct {
	intensity Intensity
	recent    []death // oldest first; weighs at most Max, so at most Max long
	weight    int
}

type death struct {
	at     Time
	weight int
}

// NewDeaths returns an empty count. A Max below one means that the first death
// by a worker's own fault ends the pool.
func NewDeaths(i Intensity) *Deaths { return &Deaths{intensity: i} }

// tooMany notes a death of the given weight and reports whether the pool has
// now seen more than it bears. Once over, the death itself is not kept: the pool
// ends.
func (d *Deaths) tooMany(now Time, weight int) bool {
	old := 0
	for old < len(d.recent) && Span(now-d.recent[old].at) >= d.intensity.Period {
		d.weight -= d.recent[old].weight
		old++
	}
	d.recent = append(d.recent[:0], d.recent[old:]...)
	if d.weight+weight > d.intensity.Max {
		return true
	}
	d.recent = append(d.recent, death{at: now, weight: weight})
	d.weight += weight
	return false
}

// The back-off between restarts of one slot.
const (
	// firstBackoff is the delay before the second restart; the first is
	// immediate, since most deaths are single ones.
	firstBackoff = 10 * Millisecond
	// maxBackoff is the greatest delay.
	maxBackoff = 5 * Second
	// settled is how long a worker must have been attached for its slot's
	// back-off to start afresh. Twice maxBackoff: a worker that lives for less
	// than it was waited for has not proved anything.
	settled = 2 * maxBackoff
)

// Restarts decides when one slot's dead worker is started again. The back-off is
// the slot's own, so that one flapping worker does not delay the others; the
// intensity is the whole pool's.
type Restarts struct {
	deaths     *Deaths
	streak     int // deaths that counted, since the slot last settled
	attached   bool
	attachedAt Time
}

// NewRestarts returns the restart policy of one slot of the pool that deaths
// belongs to. NewWorker makes its own.
func NewRestarts(deaths *Deaths) *Restarts { return &Restarts{deaths: deaths} }

// Attached notes that the slot's worker attached at now.
func (r *Restarts) Attached(now Time) { r.attached, r.attachedAt = true, now }

// Died notes that the slot's worker died at now and returns how long to wait
// before the next start, or that the pool is to give up. Deaths that were not
// the worker's own fault are replaced at once and count for nothing.
func (r *Restarts) Died(now Time, k DeathKind, rnd *rand.Rand) (delay Span, giveUp bool) {
	if r.attached && Span(now-r.attachedAt) >= settled {
		r.streak = 0
	}
	r.attached = false
	weight := 1
	switch k {
	case TaskDeath, AskedDeath:
		return 0, false
	case StartDeath:
		weight = startWeight
	}
	if r.deaths.tooMany(now, weight) {
		return 0, true
	}
	r.streak++
	return backoff(r.streak, rnd), false
}

// backoff returns the delay before restart number n (from 1) of a streak: none
// for the first, then between half and all of 10 ms, 20 ms, 40 ms … 5 s. The
// jitter keeps workers that died together from starting together.
func backoff(n int, rnd *rand.Rand) Span {
	if n <= 1 {
		return 0
	}
	return doubled(firstBackoff, maxBackoff, int64(n-2), rnd)
}
