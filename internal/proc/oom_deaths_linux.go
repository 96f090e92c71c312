package proc

import (
	"sync"
	"time"
)

// ledger sets the kills that the kernel counted against the deaths of workers,
// which live for long: a kill is no reason for a death much later, nor for two.
// What has not become a worker's by the next death was somebody else's.
type ledger struct {
	count func() uint64 // kills so far, as the kernel counts them

	mu   sync.Mutex
	seen uint64    // the count at the last death
	open uint64    // kills that no death was set against yet
	rose time.Time // when the last of them was seen
}

var workerKills = ledger{count: func() uint64 {
	n, _ := ownOOM().count()
	return n
}}

// together is how far apart the deaths of two workers may be seen that were killed
// at once: the memory of a large one is given back before its death is told.
const together = time.Second

// death notes the death of a worker, which was started when the kernel had counted
// since kills, and reports whether one of the kills was its own. Only a suspect was
// killed by nobody that is known.
func (l *ledger) death(at time.Time, since uint64, suspect bool) bool {
	n := l.count()
	l.mu.Lock()
	defer l.mu.Unlock()
	if at.Sub(l.rose) > together {
		l.open = 0
	}
	if from := max(l.seen, since); n > from {
		l.open += n - from
		l.rose = at
	}
	l.seen = max(l.seen, n)
	if !suspect || l.open == 0 {
		return false
	}
	l.open--
	return true
}
