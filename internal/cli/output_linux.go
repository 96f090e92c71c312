package cli

import (
	"bytes"
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"github.com/tutti-run/tutti/internal/proc"
)

// sink writes to one of this process's standard files. The first error stays.
type sink struct {
	fd  int
	buf []byte
	err error
}

func (s *sink) write(p []byte) {
	if len(s.buf)+len(p) > outputBuffer {
		s.flush()
		if len(p) >= outputBuffer {
			s.put(p)
			return
		}
	}
	s.buf = append(s.buf, p...)
}

func (s *sink) flush() {
	s.put(s.buf)
	s.buf = s.buf[:0]
}

// put writes all of p. Not os.File: on descriptors 1 and 2 it ends the program
// by SIGPIPE, with commands running.
func (s *sink) put(p []byte) {
	for len(p) > 0 && s.err == nil {
		n, err := unix.Write(s.fd, p)
		switch {
		case err == unix.EINTR:
		case err == unix.EAGAIN: // whoever shares the terminal or pipe made it non-blocking
			fds := []unix.PollFd{{Fd: int32(s.fd), Events: unix.POLLOUT}}
			_, _ = unix.Poll(fds, -1)
		case err != nil:
			s.err = err
		default:
			p = p[n:]
		}
	}
}

// printer prints the output of jobs, whole and one after the other.
type printer struct {
	out, err sink
	tag      bool
	spool    *os.File // nil: none
	chunk    []byte
}

func newPrinter(tag bool, spool *os.File) *printer {
	return &printer{out: sink{fd: 1}, err: sink{fd: 2}, tag: tag, spool: spool}
}

// print prints a job's standard output and then its standard error.
func (p *printer) print(f *finished) error {
	var tag []byte
	if p.tag {
		tag = []byte(f.Tag + "\t")
	}
	p.stream(&p.out, tag, &f.Result.Stdout)
	if f.Result.Stderr.size() > 0 {
		p.out.flush() // they may be one file or terminal: keep the order
		p.stream(&p.err, tag, &f.Result.Stderr)
		p.err.flush()
	}
	return errors.Join(p.out.err, p.err.err)
}

// flush writes what was gathered.
func (p *printer) flush() error {
	p.out.flush()
	return p.out.err
}

func (p *printer) stream(to *sink, tag []byte, c *captured) {
	l := liner{to: to, tag: tag}
	l.write(c.Head)
	for _, e := range c.Rest {
		p.extent(&l, to, e)
	}
}

// extent prints a range of the spool.
func (p *printer) extent(l *liner, to *sink, e proc.Extent) {
	if p.chunk == nil {
		p.chunk = make([]byte, 1<<20)
	}
	for e.Len > 0 && to.err == nil {
		n, err := p.spool.ReadAt(p.chunk[:min(e.Len, int64(len(p.chunk)))], e.Off)
		if err != nil && n == 0 {
			to.err = spillFault(err)
			return
		}
		l.write(p.chunk[:n])
		e.Off += int64(n)
		e.Len -= int64(n)
	}
}

// discard gives back what a job holds of the spool.
func (p *printer) discard(r *result) {
	if p.spool == nil {
		return
	}
	for _, c := range []*captured{&r.Stdout, &r.Stderr} {
		for _, e := range c.Rest {
			release(p.spool, e)
		}
	}
}

// liner writes lines, each behind the tag unless there is none. What it is given
// may begin and end anywhere within a line.
type liner struct {
	to  *sink
	tag []byte
	mid bool // within a line
}

func (l *liner) write(p []byte) {
	if len(l.tag) == 0 {
		l.to.write(p)
		return
	}
	for len(p) > 0 {
		if !l.mid {
			l.to.write(l.tag)
		}
		n := bytes.IndexByte(p, '\n') + 1
		l.mid = n == 0
		if l.mid {
			n = len(p)
		}
		l.to.write(p[:n])
		p = p[n:]
	}
}
