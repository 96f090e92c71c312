// Package ipc has locks, messages and values that processes share and that survive
// the death of any of them, between any two instructions. It needs no server and no
// supervisor: two programs that open a [Space] of the same name have it all.
//
// # The parts
//
// A space is shared memory: a file under /dev/shm, or a memfd that is handed to
// children (layout.go has its picture). Each process that has it open has a slot, a
// row of the table of members (member.go). What is in the space is an object with a
// name (object.go): a [Mutex], a [Semaphore], a channel.
//
// Who holds or waits for something has a claim, a row that says who, what, since when
// and from which line of his program (claim.go). Claims are the truth, and what the
// object says of itself is a digest of them, which is changed with the object's latch
// held (latch.go). When a process dies in the middle of that, the next holder of the
// latch makes the digest anew. A mutex does without claims, as long as nobody waits
// for it: its word is all there is.
//
// Deaths are noticed by the kernel's robust futexes and seen to by whoever notices
// first, once the dead process is certainly gone (bury.go). CRASHES.md lists every
// point of death and its outcome.
//
// # Deadlocks
//
// Who waits in a circle is found within some 20 ms, told of by a [DeadlockError], and
// one of the waits is ended. A circle is one of mutexes, RWMutexes and semaphores: who
// will send to a channel, set an event or come to a barrier cannot be known, so a wait
// for that is no part of one. Units of a semaphore are thought to come back from the
// goroutine that acquired them; where another one releases them, a wait may once be
// taken for a circle, until the semaphore has seen that. What can be known beforehand prevents circles:
//
//	all locks, at once               LockAll
//	their order                      SetRank; Options.CheckOrder learns it and tells
//	                                 of any other, before it ever comes to a deadlock
//	nothing, and all can be undone   Space.Txn: the younger gives way and begins again
//	the most that will be needed     Banker: what could end in a circle must wait
//
// # Ownership
//
// Locks belong to goroutines, not to threads. Every function that may wait takes a
// context, and sleeps: nothing is polled beyond the moment that most waits take.
package ipc
