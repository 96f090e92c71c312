package cli

import (
	"io"
	"os"
	"sync"
)

// tee copies what is read into a file, which may come later than the first bytes. Until
// keep is called what was read waits in memory: that is what a reader takes at once to
// see how the inputs begin, or nothing.
type tee struct {
	from io.Reader

	mu    sync.Mutex
	early []byte
	to    *os.File // nil: not kept, or not yet
	told  bool     // keep was called
	fault error    // of writing; then no more is kept
}

// Read reads, and notes what it has read before anybody sees it.
func (t *tee) Read(p []byte) (int, error) {
	n, err := t.from.Read(p)
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.to != nil && t.fault == nil:
		_, t.fault = t.to.Write(p[:n])
	case !t.told:
		t.early = append(t.early, p[:n]...)
	}
	return n, err
}

// keep has what was read, and will be, written to a file; nil: to none.
func (t *tee) keep(to *os.File) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.to, t.told = to, true; to != nil {
		_, t.fault = to.Write(t.early)
	}
	t.early = nil
}

// end keeps nothing of what is read from now on, by a goroutine that nobody waits for,
// and returns why not all that was read is kept.
func (t *tee) end() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.to = nil
	return t.fault
}
