package journal

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"
)

// Recorder writes the journal of a run. Its methods may be called from several
// goroutines. The file is locked until Close, or until this process ends in any way.
//
// Each call writes, so that what it noted survives the death of this process. What is
// to survive a power cut as well is on the disk some time later: a goroutine syncs the
// file, at most SyncEvery after a write, for all that was written meanwhile. No job
// waits for it.
type Recorder struct {
	file  *tape
	sides []side // synced before it: the folder once, the kept inputs

	mu     sync.Mutex
	buf    []byte
	broken error
	dirty  bool              // written to since the last sync began
	told   bool              // Fault was
	within func(sync func()) // makes each sync; nil: it is made as it is

	wake chan struct{} // something is to be synced
	quit chan struct{}
	done chan struct{} // the syncing has ended
}

// side is a file that is synced and closed with the journal.
type side interface {
	Sync() error
	Close() error
}

// SyncEvery bounds how long what was noted may be lost to a power cut, beside the time
// that the disk takes.
const SyncEvery = 10 * time.Millisecond

// newRecorder makes a Recorder that writes to f from end on, where that is to end as well.
func newRecorder(f taped, end int64, sides ...side) *Recorder {
	r := &Recorder{file: &tape{taped: f, end: end, laid: end}, sides: sides, wake: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{})}
	go r.syncAll()
	return r
}

// Jobs notes jobs that have ended.
func (r *Recorder) Jobs(jobs ...Job) {
	r.write(func(b []byte) []byte {
		for i := range jobs {
			b = jobs[i].appendTo(b)
		}
		return b
	})
}

// Total notes how many jobs there are.
func (r *Recorder) Total(n int64) {
	r.write(func(b []byte) []byte { return appendLine(b, 'T', strconv.AppendInt(nil, n, 10)) })
}

func (r *Recorder) json(kind byte, v any) {
	r.write(func(b []byte) []byte {
		b, err := appendJSON(b, kind, v)
		if err != nil {
			panic("journal: " + err.Error()) // the types are ours
		}
		return b
	})
}

// write writes lines. The first error is the end of the journal and not of the run.
func (r *Recorder) write(lines func([]byte) []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.broken != nil {
		return
	}
	r.buf = lines(r.buf[:0])
	if _, err := r.file.Write(r.buf); err != nil {
		r.broken = fmt.Errorf("write the journal: %w", err)
		return
	}
	if !r.dirty {
		r.dirty = true
		select {
		case r.wake <- struct{}{}:
		default:
		}
	}
}

// syncAll syncs what was written, until Close.
func (r *Recorder) syncAll() {
	defer close(r.done)
	for {
		select {
		case <-r.wake:
			r.sync()
		case <-r.quit:
			return
		}
		select {
		case <-time.After(SyncEvery):
		case <-r.quit:
			return
		}
	}
}

// SyncWithin has within called for each sync, which it is to make: that is a system call
// which may take long.
func (r *Recorder) SyncWithin(within func(sync func())) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.within = within
}

// sync waits until all that was written is on the disk.
func (r *Recorder) sync() {
	r.mu.Lock()
	dirty, within := r.dirty, r.within
	r.mu.Unlock()
	switch {
	case !dirty:
	case within != nil:
		within(r.syncNow)
	default:
		r.syncNow()
	}
}

func (r *Recorder) syncNow() {
	r.mu.Lock()
	sides := r.sides
	r.dirty = false
	r.mu.Unlock()
	for _, f := range append(sides[:len(sides):len(sides)], side(r.file)) {
		if err := f.Sync(); err != nil && !errors.Is(err, os.ErrClosed) {
			r.mu.Lock()
			if r.broken == nil {
				r.broken = fmt.Errorf("write the journal to disk: %w", err)
			}
			r.mu.Unlock()
			return
		}
	}
}

// Fault returns why the journal is no longer written, once.
func (r *Recorder) Fault() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.told {
		return nil
	}
	r.told = r.broken != nil
	return r.broken
}

// Close notes how the run ended, and returns when that is on the disk. The error is
// why not all was written, unless Fault has told it.
func (r *Recorder) Close(e RunEnd) error {
	r.json('E', e)
	fault := r.stop()
	return errors.Join(r.Fault(), fault)
}

// stop ends the journal where it stands, once that is on the disk.
func (r *Recorder) stop() error {
	close(r.quit)
	<-r.done
	r.file.trim()
	r.sync()
	for _, f := range r.sides {
		_ = f.Close()
	}
	return r.file.Close()
}
