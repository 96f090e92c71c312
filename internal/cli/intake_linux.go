package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tutti-run/tutti/internal/proc"
)

// intakes opens what commands of this worker read.
type intakes struct {
	blocks *os.File
	names  []string

	mu    sync.Mutex
	files []*os.File // as names, opened when needed
	pipes map[int]*os.File
}

// pipe is the read end of a slot's own pipe. It is inherited and stays open.
func (s *intakes) pipe(slot int) *os.File {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pipes == nil {
		s.pipes = map[int]*os.File{}
	}
	if s.pipes[slot] == nil {
		s.pipes[slot] = os.NewFile(uintptr(fdPipes+slot-1), "input")
	}
	return s.pipes[slot]
}

func (s *intakes) file(n int) (*os.File, error) {
	if n == 0 {
		return s.blocks, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.files == nil {
		s.files = make([]*os.File, len(s.names))
	}
	if n < 0 || n > len(s.files) {
		return nil, fmt.Errorf("input file number %d of %d", n, len(s.files))
	}
	if s.files[n-1] == nil {
		f, err := os.Open(s.names[n-1])
		if err != nil {
			return nil, fmt.Errorf("read a part: %w", err)
		}
		s.files[n-1] = f
	}
	return s.files[n-1], nil
}

// open makes ready what a command is to read; nil for no intake.
// The run's end ends the filling of a file.
func (s *intakes) open(in *intake, runEnds <-chan struct{}) (*feed, error) {
	if in == nil {
		return nil, nil
	}
	f := &feed{intake: *in, files: s, head: in.Head, runEnds: runEnds}
	if in.Path == "" {
		return f, nil
	}
	return f, f.openPath()
}

// feed gives one command its intake.
type feed struct {
	intake
	files *intakes
	head  []byte
	next  int   // piece
	done  int64 // of it
	sent  int64
	block []byte // the piece, mapped, while it is written
	unmap func() error

	runEnds  <-chan struct{}
	ended    atomic.Bool // its command has
	fifoDone chan error  // the named pipe is written, or nobody reads it
}

// attach has the command read it.
func (f *feed) attach(c *proc.Command) {
	switch {
	case f.Path != "":
	case f.Slot > 0:
		c.Stdin = f.files.pipe(f.Slot)
	default:
		c.Stdin, c.Input = nil, f
	}
}

// Feed writes what the pipe takes. Of a file of --pipe-part it moves pages and not
// copies of them. A block in memory is copied: its pages are used again when the
// command has ended, and one that moved them on, to somebody who reads them later,
// would have handed on another's data.
func (f *feed) Feed(fd int) error {
	for len(f.head) > 0 {
		n, err := unix.Write(fd, f.head)
		if again, err := flow(err); again || err != nil {
			return err
		}
		f.head, f.sent = f.head[n:], f.sent+int64(n)
	}
	for f.next < len(f.Pieces) {
		p := f.Pieces[f.next]
		if f.done == p.Len {
			f.next, f.done = f.next+1, 0
			continue
		}
		file, err := f.files.file(p.File)
		if err != nil {
			return err
		}
		if p.File == 0 {
			if again, err := f.copy(fd, file, p); again || err != nil {
				return err
			}
			continue
		}
		off := p.Off + f.done
		n, err := unix.Splice(int(file.Fd()), &off, fd, nil, int(min(p.Len-f.done, spliceMax)), unix.SPLICE_F_NONBLOCK)
		if again, err := flow(err); again || err != nil {
			return err
		}
		if n == 0 {
			return fmt.Errorf("%s is shorter than it was", file.Name())
		}
		f.done, f.sent = f.done+n, f.sent+n
	}
	return io.EOF
}

// copy writes some of a block; again is later, when the pipe takes more.
func (f *feed) copy(fd int, file *os.File, p piece) (again bool, err error) {
	if f.block == nil {
		if f.block, f.unmap, err = mapBlock(file, p); err != nil {
			return false, err
		}
	}
	n, err := unix.Write(fd, f.block[f.done:])
	if again, err := flow(err); again || err != nil {
		return again, err
	}
	f.done, f.sent = f.done+int64(n), f.sent+int64(n)
	if f.done == p.Len {
		return false, f.drop()
	}
	return false, nil
}

// drop unmaps the block.
func (f *feed) drop() error {
	if f.block == nil {
		return nil
	}
	f.block = nil
	return f.unmap()
}

// spliceMax bounds one splice.
const spliceMax = 1 << 20

// flow sorts out the error of a write to a pipe that does not block: again is
// later, when it takes more.
func flow(err error) (again bool, fault error) {
	if err == unix.EAGAIN || err == unix.EINTR {
		return true, nil
	}
	return false, err
}

// openPath makes the file or named pipe.
func (f *feed) openPath() error {
	if f.Fifo {
		if err := proc.MakeFile(f.Path, func() error { return unix.Mkfifo(f.Path, 0o600) }); err != nil {
			return fmt.Errorf("--fifo: make %s: %w", f.Path, err)
		}
		f.fifoDone = make(chan error, 1)
		go func() { f.fifoDone <- f.fillPipe() }()
		return nil
	}
	var to *os.File
	err := proc.MakeFile(f.Path, func() (err error) {
		to, err = os.OpenFile(f.Path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		return err
	})
	if err == nil {
		err = f.fill(to)
	}
	if err != nil {
		proc.RemoveFile(f.Path)
		return fmt.Errorf("--cat: %w", err)
	}
	return nil
}

// fillPipe writes all to the named pipe when somebody reads it.
func (f *feed) fillPipe() error {
	to, err := os.OpenFile(f.Path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return f.fill(to)
}

// fill writes all and closes.
func (f *feed) fill(to *os.File) error {
	_, err := to.Write(f.head)
	f.sent = int64(len(f.head))
	if f.Slot > 0 && err == nil {
		var n int64
		n, err = io.Copy(to, untilEnded{&waitingReader{f.files.pipe(f.Slot), f.runEnds}, &f.ended})
		f.sent += n
	}
	for _, p := range f.Pieces {
		if err != nil {
			break
		}
		var from *os.File
		if from, err = f.files.file(p.File); err != nil {
			break
		}
		var n int64
		n, err = io.Copy(to, untilEnded{io.NewSectionReader(from, p.Off, p.Len), &f.ended})
		f.sent += n
		if err == nil && n < p.Len {
			err = fmt.Errorf("%s is shorter than it was", from.Name())
		}
	}
	return errors.Join(err, to.Close())
}

// errEnded is why a named pipe was not filled: its command has ended.
var errEnded = errors.New("the command has ended")

// untilEnded reads until the command has ended.
type untilEnded struct {
	io.Reader
	ended *atomic.Bool
}

// Read reads what there is.
func (u untilEnded) Read(p []byte) (int, error) {
	if u.ended.Load() {
		return 0, errEnded
	}
	return u.Reader.Read(p)
}

// waitingReader reads a pipe until the run ends.
type waitingReader struct {
	pipe    *os.File
	runEnds <-chan struct{}
}

// Read waits for something to read.
func (w *waitingReader) Read(p []byte) (int, error) {
	fds := []unix.PollFd{{Fd: int32(w.pipe.Fd()), Events: unix.POLLIN}}
	for {
		select {
		case <-w.runEnds:
			return 0, errEnded
		default:
		}
		if n, err := unix.Poll(fds, 100); n > 0 && err == nil {
			return w.pipe.Read(p)
		}
	}
}

// leave ends the filling of the named pipe, whose command has ended. Who fills it
// may still wait for a reader to come, or to read: until it has left, this is one.
func (f *feed) leave() error {
	f.ended.Store(true)
	fd, err := unix.Open(f.Path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil { // somebody took the name away, after it was opened
		return <-f.fifoDone
	}
	defer unix.Close(fd)
	buf := make([]byte, 64<<10)
	for {
		select {
		case err := <-f.fifoDone:
			return err
		case <-time.After(time.Millisecond):
			_, _ = unix.Read(fd, buf) // to make room, whatever it was
		}
	}
}

// close takes away what was made for the command, notes in r what went wrong
// with it, and returns how much was given.
func (f *feed) close(r *result) int64 {
	if err := f.drop(); err != nil && r.Fault == "" {
		r.Fault = err.Error()
	}
	if f.Path == "" {
		return f.sent
	}
	if f.Fifo {
		if err := f.leave(); err != nil && !errors.Is(err, unix.EPIPE) && !errors.Is(err, errEnded) && r.Fault == "" {
			r.Fault = "its input is not whole: " + err.Error()
		}
	}
	proc.RemoveFile(f.Path)
	return f.sent
}
