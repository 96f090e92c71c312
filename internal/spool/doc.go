// Package spool holds what commands write until it is printed.
//
// A worker process reads a command's pipe straight into a chunk of shared memory;
// the master writes it from there, while the command runs or when it has ended. So
// output is copied twice between two pipes. Beyond a budget of memory it goes to
// regions of one unnamed file, and may be compressed there.
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
//
// # Compressed regions
//
// In a store that compresses, what is read of a pipe at once becomes one frame of a
// region; chunks of memory stay as they are. One compressed stream for a whole
// region would be smaller, but its last bytes stay in the compressor until more
// come: what is shown could not be read, and would be lost with the worker. A frame
// is whole by itself: it can be shown once it is written, a reader finds its way by
// headers alone, and a damaged one is an error, and not the end of the process. Nor
// are small frames gathered: what is shown must never be written again. So a
// command that writes in small pieces, each read before the next, gains little;
// what cannot be made smaller is kept as it is, for 8 bytes more.
//
// All numbers but those of entries and frames count the bytes of the command:
// Ref.Size, what is shown, Cursor.Read. A cursor within a frame, as there is where
// whole lines only are shown, unpacks it again.
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
