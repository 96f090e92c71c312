package sched

// ShortestFirst begins the task that is expected to take least, which makes the
// mean waiting time the least possible. Priorities come first; tasks of unknown
// length come last.
//
// Cost: one queue that all workers read, and a look at every task there for each
// that is taken. A worker that becomes slow does its proportional share. Known
// failure: while short ones keep coming long ones wait for ever; a long one that
// begins last leaves the other workers idle. Order in shared memory: exact, but for
// tasks of equal length, which may be passed by a round of the others. Source:
// Smith, Various Optimizers for Single-Stage Production, Naval Research Logistics
// Quarterly 3, 1956.
type ShortestFirst struct{ central }

// Name returns "shortest-first".
func (*ShortestFirst) Name() string { return "shortest-first" }

// Rank orders by priority, and then by length.
func (*ShortestFirst) Rank(t Task) int64 {
	if t.Expected <= 0 {
		return levelled(t.Priority, lengthMax)
	}
	return levelled(t.Priority, t.Expected)
}
