package waitfor

import (
	"fmt"
	"math/bits"
	"slices"
)

// Class names a kind of lock for an Order: locks that are taken under the same
// rule share one, as all locks made at one line of a program do.
type Class int

// Order remembers which classes were taken while which were held, and finds the
// first two places in a program that take them in opposite orders, whether or
// not they ever met: what Linux's lockdep does. It bears no own state, so it may
// be copied, and made anew over the same memory by each process.
//
// Its memory is a matrix of bits, a row for each held class, and a bit once set
// stays set until all are cleared. One store adds a pair, and adding it again
// changes nothing: whoever dies in between has added it or has not, and loses
// nothing else.
//
//	row held  ┌ stride words ┐
//	   0      │ bit next: next was taken while 0 was held
//	   …
//	invariant: the pairs that Add set have no cycle
//
// Two who check at once could each set one half of a cycle, so the caller lets in
// one at a time, from the check to the store. To find out without that whether
// there is anything to add, read the word that Bit names. Where some read like
// this, Add's plain store would be a race: call Check, and if it is ok set the bit
// with an atomic operation, all under the lock. Order itself stores only in Add,
// Put and Clear.
// Bits that nobody here set, in memory that a stranger wrote, cost a wrong answer
// and never more.
//
// A lock that is only tried cannot block: it needs no Add as next, though it is
// held for what follows. Shared holders count like others: readers in opposite
// orders block each other as soon as writers go before readers.
type Order struct {
	classes int
	stride  int // words in a row
	rows    []uint64
}

// classesMax keeps OrderWords from overflowing.
const classesMax = 1 << 20

// OrderWords returns how many words of memory an Order of so many classes needs.
func OrderWords(classes int) int { return classes * orderStride(classes) }

func orderStride(classes int) int { return (classes + 63) / 64 }

// NewOrder returns the order of classes 0 to classes-1 that lies in the first
// words of mem; all zeros is the empty one. The memory must not move.
func NewOrder(classes int, mem []uint64) (Order, error) {
	if classes < 0 || classes > classesMax {
		return Order{}, fmt.Errorf("lock order: %d classes, 0 to %d are possible", classes, classesMax)
	}
	if need := OrderWords(classes); len(mem) < need {
		return Order{}, fmt.Errorf("lock order: %d classes need %d words, got %d", classes, need, len(mem))
	}
	return Order{classes: classes, stride: orderStride(classes), rows: mem[:OrderWords(classes)]}, nil
}

// Bit returns where it is recorded that next was taken while held was held: the
// index of the word, and the bit in it. It may be read at any time, atomically;
// where it is set, there is nothing to add. known is false for a class that is out
// of range.
func (o Order) Bit(held, next Class) (word int, bit uint64, known bool) {
	if !o.has(held) || !o.has(next) {
		return 0, 0, false
	}
	return int(held)*o.stride + int(next)/64, 1 << (uint(next) % 64), true
}

// Has reports whether a bit that Bit named is set.
func (o Order) Has(word int, bit uint64) bool { return o.rows[word]&bit != 0 }

// Check reports whether next may be taken while held is held, and records
// nothing. If the opposite order is recorded it returns false with the shortest
// such path, from next to held: each was held while the one after it was taken.
// That is the one class alone if held and next are the same. Classes that are out
// of range are not checked.
func (o Order) Check(held, next Class) (path []Class, ok bool) {
	word, bit, known := o.Bit(held, next)
	if !known || o.rows[word]&bit != 0 {
		return nil, true
	}
	path = o.path(next, held)
	return path, path == nil
}

// Add records that next was taken while held was held, unless Check says that it
// may not be, whose answer it returns.
func (o Order) Add(held, next Class) (path []Class, ok bool) {
	path, ok = o.Check(held, next)
	if ok {
		o.Put(held, next)
	}
	return path, ok
}

// Put records a pair of an order that was found free of cycles already, such as
// that of another process. Classes that are out of range are passed over.
func (o Order) Put(held, next Class) {
	if word, bit, known := o.Bit(held, next); known {
		o.rows[word] |= bit
	}
}

// Clear takes back all that was recorded.
func (o Order) Clear() { clear(o.rows) }

func (o Order) has(c Class) bool { return c >= 0 && int(c) < o.classes }

// path returns a shortest path between two classes, always the same, or nil. Each
// class is visited once, so each word is looked at once at most.
func (o Order) path(from, to Class) []Class {
	if from == to {
		return []Class{from}
	}
	before := make([]Class, o.classes)
	seen := make([]uint64, o.stride)
	seen[from/64] |= 1 << (uint(from) % 64)
	for queue := []Class{from}; len(queue) > 0; queue = queue[1:] {
		at := queue[0]
		row := o.rows[int(at)*o.stride:][:o.stride]
		for i := range row {
			for fresh := row[i] &^ seen[i]; fresh != 0; fresh &= fresh - 1 {
				c := Class(i*64 + bits.TrailingZeros64(fresh))
				if !o.has(c) { // a stranger's bits
					break
				}
				before[c] = at
				if c == to {
					return o.back(before, from, to)
				}
				seen[i] |= 1 << (uint(c) % 64)
				queue = append(queue, c)
			}
		}
	}
	return nil
}

func (o Order) back(before []Class, from, to Class) []Class {
	path := []Class{to}
	for c := to; c != from; {
		c = before[c]
		path = append(path, c)
	}
	slices.Reverse(path)
	return path
}

// Rank is a lock's place in an order that is declared beforehand: locks are
// taken by ascending rank. 0 is no rank and not checked.
type Rank int64

// CheckRank reports whether a lock of rank next may be taken while locks of the
// ranks held are held: only if it is above them all, since two of equal rank have
// no order. Those who follow it can never be a cycle of such locks: the one of
// them that holds the highest waits for none of the others. why says what is
// wrong, and what to do.
func CheckRank(held []Rank, next Rank) (why string, ok bool) {
	for _, r := range held {
		switch {
		case r == 0 || next == 0 || next > r:
		case next == r:
			return fmt.Sprintf("a lock of rank %d is held and another of the same rank is wanted; take them with one call that takes several", next), false
		default:
			return fmt.Sprintf("a lock of rank %d is wanted while one of rank %d is held; take the one of rank %d first", next, r, next), false
		}
	}
	return "", true
}
