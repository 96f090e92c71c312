package sched

import "math"

// AgedPriority begins the task of the highest priority, where a task gains one
// level for every AgeNs that it has waited. So a low one is overtaken only by what
// came within a bounded time after it, and nothing starves. As all that wait age
// alike, their order never changes: each has a rank when it comes, the time at
// which a task of priority 0 would have had to come to be its equal.
//
// Cost: one queue that all workers read, and a look at every task there for each
// that is taken. A worker that becomes slow does its proportional share. Known
// failure: under a load that never ends the levels mean a head start of some
// seconds and no more. Order in shared memory: exact, but for what two submitters
// do in the same instant. Source: Kleinrock, A Delay Dependent Queue Discipline,
// Naval Research Logistics Quarterly 11, 1964.
type AgedPriority struct{ central }

// AgeNs is how long a task waits until it equals one of the next higher priority
// that comes then.
const AgeNs = 1_000_000_000

// Name returns "aged-priority".
func (*AgedPriority) Name() string { return "aged-priority" }

// Rank orders by the time of submission, AgeNs earlier for each level.
func (*AgedPriority) Rank(t Task) int64 {
	const most = math.MaxInt64 / 4 / AgeNs
	return t.Submitted - AgeNs*int64(min(max(t.Priority, -most), most))
}
