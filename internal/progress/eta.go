package progress

import (
	"fmt"
	"math"
	"time"
)

// Estimate is what is known of the time that a run will still take. Its zero value
// is that nothing is known.
type Estimate struct {
	Left  time.Duration
	Known bool
}

// String says an estimate no more exactly than it is known: "about 3 min".
func (e Estimate) String() string {
	if !e.Known {
		return "unknown"
	}
	d := e.Left
	switch {
	case d <= 10*time.Second:
		return fmt.Sprintf("about %d s", max(ceil(d, time.Second), 1))
	case d <= 55*time.Second:
		return fmt.Sprintf("about %d s", 5*ceil(d, 5*time.Second))
	case d < 99*time.Minute+30*time.Second:
		return fmt.Sprintf("about %d min", max(d.Round(time.Minute)/time.Minute, 1))
	case d < 36*time.Hour:
		d = d.Round(10 * time.Minute)
		return fmt.Sprintf("about %d h %02d min", d/time.Hour, d%time.Hour/time.Minute)
	}
	d = d.Round(time.Hour)
	return fmt.Sprintf("about %d d %d h", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
}

func ceil(d, unit time.Duration) int64 { return int64((d + unit - 1) / unit) }

// Estimator tells how long a run will still take. It is told of each job that
// ended; its zero value is ready. It is not safe for several goroutines.
//
// Two answers are worked out and the later one taken. The first lays what waits
// upon the slots, each job taking as long as the last ones did, and those that run
// what is left of that. It knows what a plain mean over the time passed does not:
// that 64 jobs in flight are nearly done although none has ended. The second is how
// fast jobs ended of late: it sees what slots do not show, jobs that are held back
// by --delay or a lack of memory, and what starting one costs.
type Estimator struct {
	count int64
	mean  float64             // of the run times, in ns; the latest ones weigh most
	ends  [endsHeld]time.Time // of the last jobs, by count modulo endsHeld
}

const (
	endsHeld  = 256
	endsLeast = 16   // fewer say too little about a rate
	weight    = 0.05 // of the latest run time, once there are more than 1/weight
)

// Ended tells of a job that ended at a time and had taken ran.
func (e *Estimator) Ended(at time.Time, ran time.Duration) {
	e.ends[e.count%endsHeld] = at
	e.count++
	e.mean += (float64(max(ran, 0)) - e.mean) * max(weight, 1/float64(e.count))
}

// Left is the time that is left at s.Now. It is not known before the first job
// ended and while the total is not known, nor when only jobs are left that have
// already taken more than twice as long as the others: nobody knows of those.
func (e *Estimator) Left(s State) Estimate {
	left := s.left()
	if left == 0 {
		return Estimate{Known: true}
	}
	if left < 0 || e.count == 0 {
		return Estimate{}
	}
	running := min(s.Running, left)
	rests, flown, longest := e.inFlight(s, running)
	waiting := left - running
	if waiting == 0 {
		if longest > 2*e.mean {
			return Estimate{}
		}
		return known(makespan(rests, 0, e.mean))
	}
	slots := s.Slots
	if slots <= 0 { // any number: as many as there were
		slots = max(int(running), 1)
	}
	for len(rests) < slots {
		rests = append(rests, 0)
	}
	ns := makespan(rests, waiting, e.mean)
	if rate := e.rate(s, flown); rate > 0 {
		ns = max(ns, (float64(left)-flown)/rate)
	}
	return known(ns)
}

// longestEstimate keeps the estimate within what a Duration holds.
const longestEstimate = float64(100 * 365 * 24 * time.Hour)

func known(ns float64) Estimate {
	return Estimate{Left: time.Duration(min(ns, longestEstimate)), Known: true}
}

// inFlight looks at the running jobs: how long each will still take, in ns; how
// many jobs' work they have done together; and the greatest age.
func (e *Estimator) inFlight(s State, running int64) (rests []float64, flown, longest float64) {
	for i := range running {
		age := e.mean / 2 // of those that are not listed
		if i < int64(len(s.Jobs)) {
			age = max(float64(s.Now.Sub(s.Jobs[i].Since)), 0)
		}
		longest = max(longest, age)
		rests = append(rests, max(e.mean-age, 0))
		if e.mean > 0 {
			flown += min(age/e.mean, 1)
		}
	}
	return rests, flown, longest
}

// rate is how many jobs ended in a nanosecond of late, or since the begin, where
// the work of those in flight counts too; 0 if that cannot be told.
func (e *Estimator) rate(s State, flown float64) float64 {
	// Jobs that began together end together: two rounds of them make a mean.
	look := min(max(endsLeast, 2*int64(s.Slots)), endsHeld)
	count, since := float64(e.count)+flown, s.Begin
	if e.count >= look {
		count, since = float64(look-1), e.ends[(e.count-look)%endsHeld]
	}
	passed := float64(s.Now.Sub(since))
	if passed <= 0 {
		return 0
	}
	return count / passed
}

// makespan is the time until jobs that take mean each have run on slots that are
// free after rests, in ns.
func makespan(rests []float64, jobs int64, mean float64) float64 {
	least := 0.0
	for _, rest := range rests {
		least = max(least, rest)
	}
	if jobs <= 0 || mean <= 0 || len(rests) == 0 {
		return least
	}
	fit := func(t float64) bool {
		n := 0.0
		for _, rest := range rests {
			n += max(math.Floor((t-rest)/mean), 0)
		}
		return n >= float64(jobs)
	}
	low, high := 0.0, least+mean*math.Ceil(float64(jobs)/float64(len(rests)))*1.001
	for range 40 {
		if mid := (low + high) / 2; fit(mid) {
			high = mid
		} else {
			low = mid
		}
	}
	return max(least, high)
}
