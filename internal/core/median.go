package core

import "math/bits"

// Median is the running median of lengths of time, such as the run times of the
// jobs that succeeded, in bounded memory. Of an even number of values it is the
// lower of the two in the middle. The zero value is empty and ready.
//
// Up to medianExact values the median is exact. After that values are counted in
// buckets, and the median is off by at most 1/128 of itself (0.8 %), whatever the
// values and their order.
//
// The buckets are those of Gil Tene's HdrHistogram: each power of two is divided
// into 64 equal ones. The remedian, which GNU parallel uses, needs less memory
// but promises only something about ranks, and only for values in random order,
// which run times of sorted inputs are not; sampling needs chance.
type Median struct {
	sorted  []Span   // while they are few
	buckets []uint64 // nil before
	count   uint64
}

const (
	// medianExact is how many values are kept (8 KiB).
	medianExact = 1024
	// medianBits divides each power of two into 1<<medianBits buckets.
	medianBits = 6
	// medianBuckets is enough for every positive Span (29 KiB).
	medianBuckets = (64 - medianBits) << medianBits
)

// Add counts one value. A negative one counts as zero.
func (m *Median) Add(s Span) {
	s = max(s, 0)
	m.count++
	if m.buckets == nil && len(m.sorted) == medianExact {
		m.buckets = make([]uint64, medianBuckets)
		for _, old := range m.sorted {
			m.buckets[bucketOf(old)]++
		}
		m.sorted = nil
	}
	if m.buckets != nil {
		m.buckets[bucketOf(s)]++
		return
	}
	m.sorted = append(m.sorted, s)
	i := len(m.sorted) - 1
	for ; i > 0 && m.sorted[i-1] > s; i-- {
		m.sorted[i] = m.sorted[i-1]
	}
	m.sorted[i] = s
}

// Count returns how many values were added.
func (m *Median) Count() uint64 { return m.count }

// Value returns the median, 0 before the first value.
func (m *Median) Value() Span {
	if m.count == 0 {
		return 0
	}
	rank := (m.count - 1) / 2 // from 0
	if m.buckets == nil {
		return m.sorted[rank]
	}
	for i, n := range m.buckets {
		if rank < n {
			return middleOf(i)
		}
		rank -= n
	}
	panic("core: the buckets of a median hold fewer values than were counted")
}

// bucketOf returns the bucket of s, which is not negative: its highest bit and
// the medianBits after that. Values below 2<<medianBits have one each.
func bucketOf(s Span) int {
	shift := max(bits.Len64(uint64(s))-1-medianBits, 0)
	return shift<<medianBits + int(s>>shift)
}

// middleOf returns the value in the middle of a bucket.
func middleOf(bucket int) Span {
	shift := max(bucket>>medianBits-1, 0)
	low := Span(bucket-shift<<medianBits) << shift
	return low + (Span(1)<<shift-1)/2
}
