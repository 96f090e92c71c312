package waitfor

// Age says when something began: smaller is older. Who has equal ages is the
// same transaction.
type Age uint64

// Move is what a transaction does about a lock. The zero value is none.
type Move uint8

// The answers of WoundWait.
const (
	// Take: nobody else stands in the way.
	Take Move = iota + 1
	// WaitOlder: wait; all who stand in the way are older.
	WaitOlder
	// Wound: abort those that are named, then wait until nobody stands in the way.
	Wound
)

// WoundWait decides what a transaction of age asker does about a lock, where
// others are the ages of all who stand in the way: who hold it so that asker
// cannot, and who will get it before asker. wounded are the indexes in others of
// those to abort: all that are younger, whether or not an older one is there
// too. A wounded transaction gives back all its locks, at the latest when it
// next asks for one, ends its wait at once, and begins again with the age it
// had. (D. J. Rosenkrantz, R. E. Stearns, P. M. Lewis II, System Level
// Concurrency Control for Distributed Database Systems, ACM TODS 3(2), 1978.)
//
// Ask again whenever others have changed: an older one that waits must wound a
// younger one that got the lock before it. It is simplest to hand a lock to the
// oldest who waits for it; then only holders and older waiters ever stand in the
// way.
//
// No deadlock: whoever waits for somebody that is not wounded is younger, so
// along a chain of such waits ages fall, and it cannot close. A wait for one that
// is wounded ends, since that one waits for nothing any more.
//
// No livelock: the oldest transaction that has not ended is never wounded, and
// waits only for wounded ones; so it ends. Ages are kept and new ones are
// greater, so only so many as were there before are older than any given one, and
// each becomes the oldest in its turn. A new age after each abort would lose this.
func WoundWait(asker Age, others []Age) (does Move, wounded []int) {
	does = Take
	for i, age := range others {
		switch {
		case age > asker:
			wounded = append(wounded, i)
		case age < asker:
			does = WaitOlder
		}
	}
	if wounded != nil {
		does = Wound
	}
	return does, wounded
}
