package command

import (
	"fmt"
	"strings"
)

// batcher puts records together into jobs.
type batcher struct {
	records func() ([]string, error)
	fits    func(Job) bool // nil: any number of records fits
	limit   int            // records a job at most, 0 for as many as fit
	noArgs  bool
	slots   int // over which the last records are spread, 0 for not at all or not any more

	pending [][]string // read, and not in a job yet
	ended   bool       // nothing follows pending
	last    int        // records of the job before: about so many will fit again
	seq     int64
}

func newBatcher(spec InputSpec, records func() ([]string, error), fits func(Job) bool) *batcher {
	b := &batcher{records: records, fits: fits, limit: spec.perJob(), noArgs: spec.NoArgs, last: 1}
	if spec.Batch == Spread {
		b.slots = spec.Jobs
	}
	if b.fits == nil && b.limit == 0 {
		b.fits = fitsAnyShell
	}
	return b
}

// fitsAnyShell is a cautious guess for who cannot tell.
func fitsAnyShell(j Job) bool {
	const quotes = 3 // two quotes and a blank
	n := 0
	for _, v := range j.Args {
		n += len(v) + quotes
	}
	return n <= ArgBytesMax || len(j.Args) == 1
}

// next gives the next job; ok is false at the end.
func (b *batcher) next() (job Job, ok bool, err error) {
	n, err := b.most()
	if err != nil || n == 0 {
		return Job{}, false, err
	}
	if b.slots > 0 {
		if err := b.read(n + 1); err != nil {
			return Job{}, false, err
		}
		// The rest fits into one job: all slots get a share of it, so that
		// they work and end together.
		if len(b.pending) == n {
			b.limit = (n + b.slots - 1) / b.slots
			n = b.limit
			b.slots = 0
		}
	}
	b.seq++
	b.last = n
	job = b.job(n)
	b.drop(n)
	return job, true, nil
}

// drop takes the first n records off; the memory is used again where it can be.
func (b *batcher) drop(n int) {
	if n < len(b.pending) {
		b.pending = b.pending[n:]
		return
	}
	clear(b.pending)
	b.pending = b.pending[:0]
}

// job is a job of the first n records that are pending.
func (b *batcher) job(n int) Job {
	j := Job{Seq: b.seq}
	switch {
	case b.noArgs:
	case n == 1:
		j.Args = b.pending[0]
	default:
		for _, record := range b.pending[:n] {
			j.Args = append(j.Args, record...)
		}
	}
	return j
}

// read sees to it that n records are pending, or all that there are.
func (b *batcher) read(n int) error {
	for len(b.pending) < n && !b.ended {
		record, err := b.records()
		if err != nil {
			return err
		}
		if record == nil {
			b.ended = true
			return nil
		}
		b.pending = append(b.pending, record)
	}
	return nil
}

// most tells how many records the next job takes, 0 at the end. It tries twice
// as many until they do not fit and then halves the gap: each try costs as much
// as the command line is long, and what is read is at most twice what is used.
func (b *batcher) most() (int, error) {
	if b.fits == nil {
		err := b.read(b.limit)
		return min(b.limit, len(b.pending)), err
	}
	fit, unfit := 0, 0 // unfit is 0 until known
	for try := b.last; unfit == 0; try = 2 * fit {
		if b.limit > 0 {
			try = min(try, b.limit)
		}
		if err := b.read(try); err != nil {
			return 0, err
		}
		try = min(try, len(b.pending))
		if try == fit {
			return fit, nil
		}
		if b.fitting(try) {
			fit = try
		} else {
			unfit = try
		}
	}
	for unfit-fit > 1 {
		middle := (fit + unfit) / 2
		if b.fitting(middle) {
			fit = middle
		} else {
			unfit = middle
		}
	}
	if fit == 0 {
		return 0, fmt.Errorf("job %d: the command line is too long with a single record, which begins with %q; shorten it, allow more with -s, or pass the values in a file",
			b.seq+1, shortened(strings.Join(b.pending[0], " ")))
	}
	return fit, nil
}

// fitting asks whether a job of the first n records is short enough.
func (b *batcher) fitting(n int) bool {
	j := b.job(n)
	j.Seq = b.seq + 1
	return b.fits(j)
}
