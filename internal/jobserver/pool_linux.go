package jobserver

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Client takes tokens out of a pool. Take may be called by one goroutine at a time,
// the rest by any.
type Client struct {
	from *os.File // the pool, not blocking
	to   *os.File // the pool
	in   *os.File // the held tokens' pipe, its write end
	out  *os.File // its read end
}

// RoomMax is how many tokens a pool may have where its size is not known.
const RoomMax = 255

// Open finds a pool, and makes room for so many held tokens.
func Open(a Auth, held int) (*Client, error) {
	read, write := a.Fifo, a.Fifo
	if a.Fifo == "" {
		if err := onePipe(a.Read, a.Write); err != nil {
			return nil, err
		}
		read, write = fmt.Sprintf("/proc/self/fd/%d", a.Read), fmt.Sprintf("/proc/self/fd/%d", a.Write)
	}
	c := new(Client)
	var err error
	// The reader is there before the writer, which would wait for one.
	if c.from, err = open(read, unix.O_RDONLY|unix.O_NONBLOCK); err != nil {
		return nil, err
	}
	if c.to, err = open(write, unix.O_WRONLY); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	if c.out, c.in, err = os.Pipe(); err == nil {
		tokens := a.Jobs - 1
		if a.Jobs == 0 {
			tokens = RoomMax
		}
		if err = reserve(c.to, tokens); err == nil {
			err = reserve(c.in, held)
		}
	}
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// onePipe wants the two descriptors to be the ends of one pipe: in a process that
// make has not handed them to, the numbers are another's, or nobody's.
func onePipe(read, write int) error {
	var r, w unix.Stat_t
	if unix.Fstat(read, &r) != nil || unix.Fstat(write, &w) != nil || r.Mode&unix.S_IFMT != unix.S_IFIFO || r.Dev != w.Dev || r.Ino != w.Ino {
		return errors.New("its descriptors were not handed to this process")
	}
	return nil
}

// open opens an end of a pipe as an open file of our own.
func open(path string, flags int) (*os.File, error) {
	for {
		fd, err := unix.Open(path, flags|unix.O_CLOEXEC, 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, &fs.PathError{Op: "open", Path: path, Err: err}
		}
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFIFO {
			_ = unix.Close(fd)
			return nil, fmt.Errorf("%s is no fifo", path)
		}
		return os.NewFile(uintptr(fd), path), nil
	}
}

// reserve has a pipe have a slot for each of so many tokens.
func reserve(pipe *os.File, tokens int) error {
	return control(pipe, func(fd int) error {
		want := (tokens + 1) * os.Getpagesize()
		if size, err := unix.FcntlInt(uintptr(fd), unix.F_GETPIPE_SZ, 0); err != nil || size >= want {
			return err
		}
		var err error = unix.EINVAL
		if want <= math.MaxInt32 { // the kernel looks at 32 bits
			_, err = unix.FcntlInt(uintptr(fd), unix.F_SETPIPE_SZ, want)
		}
		if err != nil {
			return fmt.Errorf("a pipe cannot be made large enough for %d tokens (%d bytes, %w); raise the sysctl fs.pipe-max-size", tokens, want, err)
		}
		return nil
	})
}

// control calls f with a file's descriptor, whose flags stay as they are.
func control(file *os.File, f func(fd int) error) error {
	conn, err := file.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	if err := conn.Control(func(fd uintptr) { failed = f(int(fd)) }); err != nil {
		return err
	}
	return failed
}

// move moves a token from one pipe to another.
func move(from, to int) error {
	for {
		n, err := unix.Splice(from, nil, to, nil, 1, unix.SPLICE_F_NONBLOCK)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return err
		case n == 0:
			return errEmpty
		default:
			return nil
		}
	}
}

// errEmpty says that a pipe is empty and nobody could fill it.
var errEmpty = errors.New("nobody is left who has the other end")

// Take takes a token, as soon as there is one; false when one of the two channels
// was ready before.
func (c *Client) Take(stop, enough <-chan struct{}) (bool, error) {
	ended, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		select {
		case <-stop:
		case <-enough:
		case <-ended:
			return
		}
		_ = c.from.SetReadDeadline(time.Unix(1, 0)) // long past: it waits no longer
	}()
	defer func() {
		close(ended)
		<-done
		_ = c.from.SetReadDeadline(time.Time{})
	}()
	from, err := c.from.SyscallConn()
	if err != nil {
		return false, err
	}
	var moved error
	err = from.Read(func(fd uintptr) bool {
		moved = control(c.in, func(in int) error { return move(int(fd), in) })
		return moved != unix.EAGAIN
	})
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return false, nil
	case err == nil && moved == nil:
		return true, nil
	}
	return false, fmt.Errorf("take a token: %w", errors.Join(err, moved))
}

// Give puts a token back.
func (c *Client) Give() error { return give(c.out, c.to) }

func give(held, pool *os.File) error {
	return control(held, func(out int) error {
		return control(pool, func(to int) error {
			for {
				err := move(out, to)
				if err != unix.EAGAIN {
					return err
				}
				// Its pool is full, which reserve has made impossible as long as nobody
				// puts in what he has not taken out.
				if n, err := queued(out); n == 0 || err != nil {
					return errEmpty
				}
				if _, err := unix.Poll([]unix.PollFd{{Fd: int32(to), Events: unix.POLLOUT}}, -1); err != nil && err != unix.EINTR {
					return err
				}
			}
		})
	})
}

// Held is how many tokens are held.
func (c *Client) Held() (n int, err error) {
	err = control(c.out, func(fd int) error {
		n, err = queued(fd)
		return err
	})
	return n, err
}

// Free is how many tokens are in the pool.
func (c *Client) Free() (n int, err error) {
	err = control(c.from, func(fd int) error {
		n, err = queued(fd)
		return err
	})
	return n, err
}

// Refill puts n new tokens into a pool that is ours.
func (c *Client) Refill(n int) error {
	_, err := c.to.Write([]byte(Tokens(n)))
	return err
}

func queued(fd int) (int, error) { return unix.IoctlGetInt(fd, unix.TIOCINQ) }

// Heir are the files that whoever is to Return what is held must have: the read end
// of the held tokens' pipe and the pool.
func (c *Client) Heir() []*os.File { return []*os.File{c.out, c.to} }

// Return puts all back that a process held which is dead.
func Return(held, pool *os.File) {
	for give(held, pool) == nil {
	}
}

// Close closes the files. What is held then goes with the last of the heirs.
func (c *Client) Close() error {
	var errs []error
	for _, f := range []*os.File{c.from, c.to, c.in, c.out} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}

// Serve makes a pool for so many jobs at once, one of which needs no token.
func Serve(jobs int) (read, write *os.File, err error) {
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC); err != nil {
		return nil, nil, os.NewSyscallError("pipe2", err)
	}
	read, write = os.NewFile(uintptr(ends[0]), "tokens"), os.NewFile(uintptr(ends[1]), "tokens")
	if err = reserve(write, jobs-1); err == nil && jobs > 1 {
		_, err = write.Write([]byte(Tokens(jobs - 1)))
	}
	if err != nil {
		return nil, nil, errors.Join(err, read.Close(), write.Close())
	}
	return read, write, nil
}
