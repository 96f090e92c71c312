// Package engine keeps the tasks of a pool in memory that all its processes
// share, and lets every process submit, take, run and finish them with one
// compare-and-swap a step, so that any process may die between any two
// instructions and nothing is lost.
//
// # The parts
//
// A segment (package shm) holds everything; see layout.go for its picture.
// Each process owns a slot: slot 0 is the master, slots 1 to n the workers.
// Every task has a descriptor in a fixed table and one 64-bit word that says
// all about it: state, owner, attempt, generation (word.go). Queues hold hints
// only (queue.go): a set bit says that a task may be waiting. Whoever wants a
// task must win the CAS on its word; a lost hint is set again by a sweep, a
// stale one loses the CAS.
//
// # States of a task
//
//	          submit            take              finish
//	FREE → WRITING → QUEUED ──────────→ RUNNING ──────────→ DONE
//	 ↑                 │ ↑                │  │                │
//	 │                 │ └── worker died ─┘  └ too many ─→ FAILED
//	 │                 └── cancelled ─→ CANCELLED             │
//	 └──────────────── collected by the submitter ────────────┘
//
// A collected descriptor may go straight back to QUEUED with the next
// generation when its submitter has another task at hand.
//
// There is no state for "taken in a batch but not begun": a batch is published
// as hints in the taker's slot, its tasks stay QUEUED, and whoever is idle may
// still take them. So nothing has to be given back when the taker dies or is
// busy with the first of them for an hour, and a task costs one CAS less.
//
// Where the master assigns (AMP), the way of a hint is another and that of the word the
// same: see assign.go.
//
// # Who moves a word
//
//	from       to         who                        recorded
//	FREE       WRITING    the submitter              owner = submitter
//	WRITING    QUEUED     the same process
//	QUEUED     RUNNING    any worker                 owner = worker
//	RUNNING    DONE       the same process
//	QUEUED     CANCELLED  the submitter
//	RUNNING    QUEUED     the supervisor, when the owner died: attempt + 1,
//	                      or the same attempt when nobody is to blame
//	RUNNING    FAILED     the supervisor             owner = master
//	QUEUED     FAILED     the assigner, when no group is left that takes it
//	terminal   FREE       the submitter; for a dead one the supervisor
//
// Result cells belong to the slot that writes them (result.go): a late store
// of a dying process can only touch memory that nobody else uses until that
// process is certainly gone. CRASHES.md lists each point of death and what
// becomes of the task.
package engine
