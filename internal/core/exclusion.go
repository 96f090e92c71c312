package core

// Exclusion decides which tasks of one process may run at the same time: any number
// that share it, or one that has it alone. A task that waits for another runs
// nothing, so it does not count until it goes on.
//
// Whoever wants it alone says so while it waits: then no further task begins, so
// that its turn comes when those that run have ended or wait. Those that have begun
// go on, and so do the calls that they make: else they might never end. Nobody
// holds a share while it waits for being alone, so no two can block each other.
//
// The zero value is free. It is not safe for concurrent use.
type Exclusion struct {
	sharing int
	wanted  int
	alone   bool
}

// Begin admits a task that nobody's call waits for.
func (e *Exclusion) Begin() bool { return e.wanted == 0 && e.Share() }

// Share admits a task that goes on after it has waited, or that runs in a call of one
// that waits.
func (e *Exclusion) Share() bool {
	if e.alone {
		return false
	}
	e.sharing++
	return true
}

// Leave takes back a Begin or a Share.
func (e *Exclusion) Leave() { e.sharing-- }

// Isolate admits a task that runs alone.
func (e *Exclusion) Isolate() bool {
	if e.alone || e.sharing > 0 {
		return false
	}
	e.alone = true
	return true
}

// Rejoin takes back an Isolate.
func (e *Exclusion) Rejoin() { e.alone = false }

// Want says that somebody waits for Isolate, and Unwant that it does not any more.
func (e *Exclusion) Want()   { e.wanted++ }
func (e *Exclusion) Unwant() { e.wanted-- }
