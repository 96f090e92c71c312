// Package spool holds what commands write until it is printed.
//
// A worker process reads a command's pipe straight into a chunk of shared memory;
// the master writes it from there, while the command runs or when it has ended. So
// output is copied twice between two pipes, and never through a codec. Beyond a
// budget of memory it goes to regions of one unnamed file.
//
// # Who owns what, and what a death leaves
//
// A chunk or region is an entry of one table, and belongs to a ticket: the number,
// never given twice, of one start of a command. An entry is claimed by one
// compare-and-swap of its owner from 0 to the ticket; the entries of one stream
// are a list in the order of its bytes.
//
//	who dies                    what is left, and who takes it back
//	worker, before the CAS      nothing
//	worker, after it            entries of its ticket, in its list or not, and its
//	                            lane: the master's Reclaim, when the process is
//	                            certainly gone
//	worker, between write and   bytes beyond what is shown: nobody reads them
//	showing them
//	master                      all goes with the last process: nothing has a name
//
// The master alone frees entries of commands that have ended, and of those that
// run only what lies behind the entry that is written to.
package spool

// ChunkBytes is the size of a chunk: twice what a pipe holds at first, so that few
// reads are cut short, and small enough for two thousand of them.
const ChunkBytes = 128 << 10

// Ref names what a command wrote to one stream.
type Ref struct {
	First uint32 `cbor:"1,keyasint,omitempty"` // number of the first entry, from 1; 0: none
	Size  int64  `cbor:"2,keyasint,omitempty"` // bytes
}

// Stream is one of the two that a command writes.
type Stream int

// The streams.
const (
	Stdout Stream = iota
	Stderr
	streams
)
