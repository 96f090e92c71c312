package journal

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
	"slices"
	"strconv"
	"strings"
)

// Options say how a log is resumed.
type Options struct {
	RetryFailed bool // commands that failed run again (GNU's --resume-failed)
}

// Done is what earlier runs finished: a multiset of commands. Each finished job
// takes 24 bytes, whatever its command's length. It is used by one goroutine; a
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

	keys   []key    // sorted, each once
	counts []uint32 // how many jobs of keys[i] are finished and not yet asked for
	left   int

	// Keys are as good as random, so their first bits say about where one is:
	// begins[b] is where the keys begin whose first bits are b or more.
	begins []uint32
	shift  int // by which a key's first 64 bits become its first bits
}

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
	b := k.first() >> d.shift
	from, to := d.begins[b], d.begins[b+1]
	i, ok := slices.BinarySearchFunc(d.keys[from:to], k, compareKeys)
	if i += int(from); !ok || d.counts[i] == 0 {
		return false
	}
	d.counts[i]--
	d.left--
	return true
}

// Len is how many finished jobs have not been asked for. What is left when the
// inputs end belongs to jobs that are no longer among them.
func (d *Done) Len() int {
	if d == nil {
		return 0
	}
	return d.left
}

// first are the first 64 bits, in the order of the keys.
func (k key) first() uint64 { return binary.BigEndian.Uint64(k[:]) }

// index makes begins: about one key a beginning.
func (d *Done) index() {
	width := max(1, bits.Len(uint(len(d.keys))))
	d.shift = 64 - width
	d.begins = make([]uint32, 1<<width+1)
	next := 0
	for i, k := range d.keys {
		for b := int(k.first() >> d.shift); next <= b; next++ {
			d.begins[next] = uint32(i)
		}
	}
	for ; next < len(d.begins); next++ {
		d.begins[next] = uint32(len(d.keys))
	}
}

func compareKeys(a, b key) int { return bytes.Compare(a[:], b[:]) }

// attempt is one job of one run of the inputs.
type attempt struct {
	key key
	seq int64
}

// collector builds a Done from a log's entries.
type collector struct {
	finished []key
	failed   map[attempt]struct{} // failed, and not succeeded since
}

func (c *collector) add(e Entry) {
	c.addKey(keyOf(e.Seq, e.Command), e.Seq, e.OK())
}

func (c *collector) addKey(k key, seq int64, ok bool) {
	a := attempt{k, seq}
	if ok {
		delete(c.failed, a)
		c.finished = append(c.finished, a.key)
		return
	}
	if c.failed == nil {
		c.failed = map[attempt]struct{}{}
	}
	c.failed[a] = struct{}{}
}

func (c *collector) done(o Options) *Done {
	if !o.RetryFailed {
		for a := range c.failed {
			c.finished = append(c.finished, a.key) // sorted below
		}
	}
	slices.SortFunc(c.finished, compareKeys)
	d := &Done{keys: c.finished[:0], left: len(c.finished)}
	for _, k := range c.finished {
		if n := len(d.keys); n > 0 && d.keys[n-1] == k {
			d.counts[n-1]++
			continue
		}
		d.keys = append(d.keys, k) // in place: never ahead of what is read
		d.counts = append(d.counts, 1)
	}
	d.index()
	return d
}
