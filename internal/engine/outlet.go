package engine

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// outlet copies what a worker process writes to one of its descriptors to the
// caller, line by line. It goes on as long as any process has the pipe open; that
// the worker's own words are through is known sooner, see Read.
type outlet struct {
	r       *os.File
	w       io.Writer
	over    bool          // the process is dead; Read's alone
	drained chan struct{} // closed when all that the process wrote has been copied
	once    sync.Once     // for that
	tell    func()        // called then
	quit    atomic.Bool   // the process gets SIGQUIT from us, and its trace is kept elsewhere
	quiet   bool          // that trace comes; pour's alone

	mu    sync.Mutex
	fatal string // the line in which a dying Go program says why
}

// died tells that the process is dead: all that it wrote is in the pipe.
func (o *outlet) died() { _ = o.r.SetReadDeadline(time.Unix(1, 0)) }

// Read reads from the pipe. Once the process is dead, it reads without waiting,
// until there is nothing: what comes then is the words of descendants.
func (o *outlet) Read(b []byte) (int, error) {
	for {
		if o.over {
			n, err := readNow(o.r, b)
			if !errors.Is(err, errNothingNow) {
				return n, err
			}
			o.over, o.quiet = false, false
			o.isDrained()
		}
		n, err := o.r.Read(b)
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, err
		}
		_ = o.r.SetReadDeadline(time.Time{})
		o.over = true
	}
}

func (o *outlet) isDrained() {
	o.once.Do(func() {
		close(o.drained)
		o.tell()
	})
}

// lineMax is the length up to which a line is kept whole.
const lineMax = 1 << 20

// linesMu keeps lines of different workers apart.
var linesMu sync.Mutex

// pour copies line by line until the end. A line that never ends is copied in
// pieces.
func (o *outlet) pour() {
	defer o.isDrained()
	defer o.r.Close()
	in := bufio.NewReaderSize(o, 64<<10)
	var long []byte // the beginning of a line that did not fit the buffer
	for {
		line, err := in.ReadSlice('\n')
		full := errors.Is(err, bufio.ErrBufferFull)
		if full && len(long) < lineMax || len(long) > 0 {
			long = append(long, line...)
			line = long
		}
		if full && len(long) < lineMax {
			continue
		}
		if len(line) > 0 && o.see(line) {
			linesMu.Lock()
			_, _ = o.w.Write(line) // a caller whose output is gone still wants its results
			linesMu.Unlock()
		}
		long = long[:0]
		if err != nil && !full {
			return
		}
	}
}

// see looks at a line, and reports whether the caller is to see it too: not the
// trace of a process that was made to show where it hangs, which the task's error
// has.
func (o *outlet) see(line []byte) bool {
	if o.quit.Load() && bytes.HasPrefix(line, []byte("SIGQUIT: quit")) {
		o.quiet = true
	}
	if bytes.HasPrefix(line, []byte("fatal error: ")) {
		o.mu.Lock()
		if o.fatal == "" {
			o.fatal = string(line)
		}
		o.mu.Unlock()
	}
	return !o.quiet
}

// lastWords is how long the supervisor waits until what a dead process has written
// is copied, which takes no time unless the caller does not take it.
const lastWords = time.Second

// cause is the line in which the process, which is dead, said why.
func (o *outlet) cause() string {
	select {
	case <-o.drained:
	case <-time.After(lastWords):
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.fatal
}
