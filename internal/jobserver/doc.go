// Package jobserver shares a number of job slots with other programs, by GNU make's
// protocol: one slot is everybody's own, and for each further job that runs at the
// same time a token, a byte, is taken out of a pipe and put back afterwards.
//
// # Where tokens are, and who returns them
//
// A token that was taken is never in a process's memory. Take moves it by splice(2)
// from the pool, the pipe that all share, into a pipe of our own, and Give moves it
// back; the kernel does either whole or not at all. So at every instruction each
// token lies in one of the two pipes, as the byte that it was, and whoever has the
// ends of both can return what a dead process held: Return.
//
//	pool --splice--> held --splice--> pool
//
// The pool's ends are shared with strangers: with them goes the open file, whose
// flags are everybody's. So they are only looked at; what we read and write through
// are open files of our own, got through /proc/self/fd or the name of the fifo, and
// our not blocking is nobody else's.
//
// # Room
//
// Bytes that are written share a page, those that are moved back have a slot of the
// pipe each: 16 slots unless somebody asked for more. A pool must have a slot for
// each of its tokens, or a make that gives one back would find it full, and wait
// where it must not. Open makes a pool larger where it has to be, and refuses one
// that it cannot.
package jobserver
