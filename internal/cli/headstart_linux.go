package cli

import (
	"os"

	"github.com/tutti-run/tutti"
	"github.com/tutti-run/tutti/internal/proc"
)

// headStart is what a map begins before its command line is read: the process that is to
// be the first worker, which takes longer to start than all the rest before it is needed.
// A nil one has begun nothing.
type headStart struct {
	handed  []int // see proc.TakeInherited
	err     error // why they are not known
	started chan struct{}
	spare   *tutti.Spare // nil: there is none, which is no loss
}

// beginEarly begins a head start for a map with these words, unless it would be in vain.
func beginEarly(words []string) *headStart {
	if !needsWorkers(words) {
		return nil
	}
	h := &headStart{started: make(chan struct{})}
	h.handed, h.err = proc.TakeInherited() // before anything is opened here
	config := tutti.Config{Env: os.Environ()}
	go func() {
		defer close(h.started)
		h.spare, _ = tutti.StartSpare(config)
	}()
	return h
}

// inherited are the descriptors that this process was handed.
func (h *headStart) inherited() ([]int, error) {
	if h == nil {
		return proc.TakeInherited()
	}
	return h.handed, h.err
}

// worker is the process that is to be the first worker; nil for none.
func (h *headStart) worker() *tutti.Spare {
	if h == nil {
		return nil
	}
	<-h.started
	return h.spare
}

// close ends what nobody has needed.
func (h *headStart) close() { h.worker().Close() }
