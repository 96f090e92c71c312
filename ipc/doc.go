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
// one of the waits is ended. There is no alarm where somebody could still help, so a wait
// is part of a circle only where it is known who could:
//
//	Mutex, RWMutex      who holds it, or is ahead in its line
//	OwnedSemaphore      those who hold its units, which nobody else may release
//	Once                who is about it; Do within its own function is told at once
//	Chan, Select        those who have said that they alone serve it, with Sender and
//	                    Receiver, when all of them have; see there. A Select waits for
//	                    any of its channels, and who waits for one for any who serve it
//
// All else can be helped by anybody, whom the space cannot know: other channels, units of
// a Semaphore, an Event, a Cond, a Barrier, a Server, a Topic, a Stream. A wait for one of
// these is never taken for part of a circle, and what a Banker postpones neither. That the
// context of a wait will end is not counted as help. A goroutine that ended with a lock
// held keeps it, as with sync.Mutex, and who waits for it is not told.
//
// What can be known beforehand prevents circles:
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
