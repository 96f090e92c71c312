package sched

// LongestFirst begins the task that is expected to take longest, so that no long
// one is left for the end, when the other workers have nothing to do beside it.
// Priorities come first; tasks of unknown length come last.
//
// Cost: one queue that all workers read, and a look at every task there for each
// that is taken. A worker that becomes slow does its proportional share. Known
// failure: while long ones keep coming short ones wait for ever, and the mean
// waiting time is the worst of all; it is for work that is there at the start and
// whose end matters. The last worker is done at the latest 4/3 − 1/3n of the best
// possible time. Order in shared memory: exact, but for tasks of equal length,
// which may be passed by a round of the others. Source: Graham, Bounds on
// Multiprocessing Timing Anomalies, SIAM J. Applied Mathematics 17(2), 1969.
type LongestFirst struct{ central }

// Name returns "longest-first".
func (*LongestFirst) Name() string { return "longest-first" }

// Rank orders by priority, and then by falling length.
func (*LongestFirst) Rank(t Task) int64 { return levelled(t.Priority, lengthMax-t.Expected) }
