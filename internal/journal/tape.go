package journal

import (
	"io"
	"os"
)

// tape is a file that is written from its begin to its end and laid out ahead: behind
// what was written stand zeros. So hardly a write changes the size of the file, or which
// blocks it has, and a sync is one of data alone: a journal is synced a hundred times a
// second, and each request to a disk interrupts who works.
//
//	the writer dies   zeros stay at the end, which are no line: readers pass over them, and
//	                  who goes on cuts them off
//	a power cut       what was not synced may be zeros, or as it was written, or cut off
//	the disk is full  nothing is laid out, and a write fails when there is no room for it
//
// It is not safe for several goroutines.
type tape struct {
	taped
	end  int64 // of what was written
	laid int64 // the size of the file
}

// taped is the part of *os.File that a tape needs.
type taped interface {
	io.WriterAt
	Truncate(size int64) error
	Sync() error
	Close() error
}

// dataFile is a file whose Sync is one of its data, where the system knows such a thing.
type dataFile struct{ *os.File }

const (
	// page is how much is laid out by one write. A file system may hold what one write
	// brought as one piece, and look at all blocks of that at each later one: behind a
	// single write of a mebibyte, lines took ext4 of Linux 6.18 four times as long.
	page = 4 << 10
	// aheadMost bounds what is laid out ahead; before that, as much as was written.
	aheadMost = 64 << 10
)

var blank [page]byte

// Write writes b whole, or nothing of it.
func (t *tape) Write(b []byte) (int, error) {
	if to := t.end + int64(len(b)); to > t.laid {
		t.layOut(to + min(t.end, aheadMost))
	}
	if _, err := t.WriteAt(b, t.end); err != nil {
		t.trim() // what cannot be taken off is a torn line, which readers pass over
		return 0, err
	}
	t.end += int64(len(b))
	t.laid = max(t.laid, t.end)
	return len(b), nil
}

// layOut lays out whole pages up to where to is within, as far as there is room.
func (t *tape) layOut(to int64) {
	for t.laid < to {
		n, err := t.WriteAt(blank[t.laid%page:], t.laid)
		t.laid += int64(n)
		if err != nil {
			return
		}
	}
}

// trim cuts off what lies behind what was written, before a last Sync.
func (t *tape) trim() {
	if t.Truncate(t.end) == nil {
		t.laid = t.end
	}
}
