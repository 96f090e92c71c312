package journal

import (
	"crypto/sha256"
	"math/bits"
	"strconv"
	"strings"
)

// Options say how a log is resumed.
type Options struct {
	RetryFailed bool // commands that failed run again (GNU's --resume-failed)
}

// Done is what earlier runs finished: a multiset of commands. Each finished job
// takes 16 bytes, and some 40 more once one was asked for that stands elsewhere in the
// log than in the inputs, whatever its command's length. It is used by one goroutine; a
// nil Done is empty.
//
// What a task is, is its command's text. The same text several times is counted,
// so that of three equal jobs, two of them finished, one is left. The number of
// a job is part of what it is only where the text mentions PARALLEL_SEQ, since
// then the number decides what it does. (A script that reads this variable on
// its own cannot be seen from here.)
//
// Failed commands count as finished, unless Options.RetryFailed. One that failed
// and was retried by a later run is logged twice and counts once, as its lines
// have the same number and text.
type Done struct {
	// Torn is what was cut off the log's end, or nil.
	Torn *TornError

	left int // jobs that are finished and were not asked for yet

	// Inputs mostly come again in their order, which is about that of the log; so the
	// next one asked for stands near the last one's place. That is looked at first, and
	// costs a tenth of a search in a large table.
	log    []key          // in the log's order; those before next were asked for
	next   int            // and
	taken  uint64         // a bit each for those from next on: they were, too
	counts map[key]uint32 // in the place of log, once one was asked for that is not near; never 0
}

// near is how many keys are looked at.
const near = 64

// key is a command's identity. 128 bits, because a collision would silently skip
// a job: that any two of 10 million collide has a chance of about 10^-25.
type key [16]byte

// numberVariable is in commands that read their number.
const numberVariable = "PARALLEL_SEQ"

func keyOf(seq int64, command string) key {
	var id []byte
	if strings.Contains(command, numberVariable) {
		id = strconv.AppendInt(id, seq, 10)
		id = append(id, 0) // no command has a NUL, so that no command begins like this
	}
	sum := sha256.Sum256(append(id, command...))
	return key(sum[:16])
}

// Has tells whether the job with this number and command is finished, and takes
// it out: ask once for each job, in the order of the inputs.
func (d *Done) Has(seq int64, command string) bool {
	if d == nil || d.left == 0 {
		return false
	}
	return d.takeOut(keyOf(seq, command))
}

func (d *Done) takeOut(k key) bool {
	if d.counts == nil {
		if d.takeNear(k) {
			return true
		}
		d.count()
	}
	switch n := d.counts[k]; n {
	case 0:
		return false
	case 1:
		delete(d.counts, k)
	default:
		d.counts[k] = n - 1
	}
	d.left--
	return true
}

// takeNear takes k out if it is near where the last one was.
func (d *Done) takeNear(k key) bool {
	for i, other := range d.log[d.next:min(d.next+near, len(d.log))] {
		if bit := uint64(1) << i; d.taken&bit == 0 && other == k {
			d.taken |= bit
			passed := bits.TrailingZeros64(^d.taken)
			d.next, d.taken = d.next+passed, d.taken>>passed
			d.left--
			return true
		}
	}
	return false
}

// count makes a table of what was not asked for yet.
func (d *Done) count() {
	d.counts = make(map[key]uint32, d.left)
	for i, k := range d.log[d.next:] {
		if i >= near || d.taken>>i&1 == 0 {
			d.counts[k]++
		}
	}
	d.log = nil
}

// Len is how many finished jobs have not been asked for. What is left when the
// inputs end belongs to jobs that are no longer among them.
func (d *Done) Len() int {
	if d == nil {
		return 0
	}
	return d.left
}

// attempt is one job of one run of the inputs.
type attempt struct {
	key key
	seq int64
}

// collector builds a Done from a log's entries.
type collector struct {
	counting bool // what succeeded is not kept
	finished []key
	seqs     []int64              // of finished
	failed   map[attempt]struct{} // failed, and not succeeded since
}

func (c *collector) add(e Entry) {
	c.addKey(keyOf(e.Seq, e.Command), e.Seq, e.OK())
}

func (c *collector) addKey(k key, seq int64, ok bool) {
	a := attempt{k, seq}
	if ok {
		if delete(c.failed, a); !c.counting {
			c.finished, c.seqs = append(c.finished, k), append(c.seqs, seq)
		}
		return
	}
	if c.failed == nil {
		c.failed = map[attempt]struct{}{}
	}
	c.failed[a] = struct{}{}
}

func (c *collector) done(o Options) *Done {
	finished := c.succeeded()
	if !o.RetryFailed {
		for a := range c.failed {
			finished = append(finished, a.key)
		}
	}
	return &Done{log: finished, left: len(finished)}
}

// succeeded is what succeeded and did not fail since, as a task may that is run again
// because one before it has changed.
func (c *collector) succeeded() []key {
	if len(c.failed) == 0 {
		return c.finished
	}
	kept := make([]key, 0, len(c.finished))
	for i, k := range c.finished {
		if _, since := c.failed[attempt{k, c.seqs[i]}]; !since {
			kept = append(kept, k)
		}
	}
	return kept
}
