package cli

import (
	"bytes"
	"errors"
	"io"

	"golang.org/x/sys/unix"

	"github.com/tutti-run/tutti/internal/command"
	"github.com/tutti-run/tutti/internal/spool"
)

// outputBuffer is how much output is gathered for one write.
const outputBuffer = 256 << 10

// outputDirect is the size from which a piece is written at once: to copy it
// would take longer than the write that is saved.
const outputDirect = 8 << 10

// sink writes to one of this process's standard files. The first error stays.
type sink struct {
	fd   int
	buf  []byte
	err  error
	turn func(p []byte, write func()) // gives the turn to write p, to a terminal; nil: nobody need
}

// Write gathers small pieces and writes large ones as they are.
func (s *sink) Write(p []byte) (int, error) {
	if len(s.buf)+len(p) > outputBuffer || len(p) >= outputDirect {
		s.flush()
	}
	if len(p) >= outputDirect {
		s.put(p)
	} else {
		s.buf = append(s.buf, p...)
	}
	return len(p), s.err
}

func (s *sink) flush() {
	s.put(s.buf)
	s.buf = s.buf[:0]
}

// put writes all of p. Not os.File: on descriptors 1 and 2 it ends the program
// by SIGPIPE, with commands running.
func (s *sink) put(p []byte) {
	if s.turn != nil && len(p) > 0 {
		s.turn(p, func() { s.write(p) })
		return
	}
	s.write(p)
}

func (s *sink) write(p []byte) {
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

// printer prints the output of jobs: whole and one after the other, or, of those
// that run, what there is so far.
type printer struct {
	out, err sink
	store    *spool.Store
	verbose  bool // commands are printed before their output
	latest   bool // of each stream only the last line is
	failed   mark // of each line of a job that failed
	begun    map[uint64]*printed
}

// printed is how far a running job's output was printed.
type printed struct {
	cursor [2]spool.Cursor
	set    [2]bool
	title  bool // the command was
}

func newPrinter(store *spool.Store, verbose, latest bool) *printer {
	return &printer{latest: latest, out: sink{fd: 1}, err: sink{fd: 2}, store: store, verbose: verbose, begun: map[uint64]*printed{}}
}

func (p *printer) at(ticket uint64) *printed {
	at := p.begun[ticket]
	if at == nil {
		at = new(printed)
		p.begun[ticket] = at
	}
	return at
}

// live prints what a running job has shown and was not printed yet. command is
// asked for where it is to be printed first.
func (p *printer) live(v *spool.View, title func(ticket uint64, slot int) string) error {
	if v.Shown[0].Size == 0 && v.Shown[1].Size == 0 {
		return nil
	}
	if p.verbose && title(v.Ticket, v.Slot+1) == "" {
		return nil // it has ended meanwhile, and is printed as a whole
	}
	at := p.at(v.Ticket)
	p.title(at, func() string { return title(v.Ticket, v.Slot+1) })
	for i, to := range []*sink{&p.out, &p.err} {
		if err := p.stream(at, i, v.Ticket, v.Shown[i], to); err != nil {
			return err
		}
		to.flush()
	}
	return errors.Join(p.out.err, p.err.err)
}

func (p *printer) title(at *printed, command func() string) {
	if p.verbose && !at.title {
		_, _ = p.out.Write([]byte(command() + "\n")) // its error stays
	}
	at.title = true
}

// print prints what is left of a job that has ended: its standard output and
// then its standard error. Its place in the spool is free after it.
func (p *printer) print(f *finished) error {
	at := p.at(f.Ticket)
	delete(p.begun, f.Ticket)
	p.title(at, func() string { return command.FillSlot(f.Mark.Before, f.Result.Slot) + f.Key + f.Mark.After })
	var fault error
	for i, c := range []*captured{&f.Result.Out, &f.Result.Err} {
		to := &p.out
		if i == 1 {
			if c.size() == 0 {
				continue
			}
			p.out.flush() // they may be one file or terminal: keep the order
			to = &p.err
		}
		if p.latest {
			p.last(f, i, c, to)
			continue
		}
		var lines io.Writer = to
		if p.failed != (mark{}) && !f.Result.ok() {
			lines = &lineMarker{to: to, mark: p.failed}
		}
		_, _ = lines.Write(c.Short) // its error stays
		if fault = p.stream(at, i, f.Ticket, c.Ref, lines); fault != nil {
			break
		}
		if m, ok := lines.(*lineMarker); ok {
			m.end()
		}
		if i == 1 {
			to.flush()
		}
	}
	p.discard(at, f)
	if fault != nil && (fault == p.out.err || fault == p.err.err) {
		fault = nil // it is said once
	}
	return errors.Join(fault, p.out.err, p.err.err)
}

func (p *printer) stream(at *printed, i int, ticket uint64, ref spool.Ref, to io.Writer) error {
	if ref.First == 0 {
		return nil
	}
	c := &at.cursor[i]
	if !at.set[i] {
		*c, at.set[i] = ref.At(ticket), true
	}
	return p.store.Read(c, ref.Size, true, func(b []byte) error {
		_, err := to.Write(b)
		return err
	})
}

// lineMarker marks each line on its way to a sink.
type lineMarker struct {
	to *sink
	mark
	mid bool // within a line
}

// end ends a last line without a newline, and the line, as GNU parallel does.
func (m *lineMarker) end() {
	if m.mid {
		_, _ = m.to.Write([]byte(m.After + "\n"))
		m.mid = false
	}
}

// Write writes the lines of p, which may begin and end within one.
func (m *lineMarker) Write(p []byte) (int, error) {
	for line := range bytes.Lines(p) {
		text, ended := bytes.CutSuffix(line, []byte("\n"))
		if !m.mid {
			_, _ = m.to.Write([]byte(m.Before)) // the sink's error stays
		}
		_, _ = m.to.Write(text)
		if m.mid = !ended; ended {
			_, _ = m.to.Write([]byte(m.After + "\n"))
		}
	}
	return len(p), m.to.err
}

// last prints the last line of a stream.
func (p *printer) last(f *finished, i int, c *captured, to *sink) {
	text := c.Short
	if c.Ref.First != 0 {
		text = p.store.End(f.Ticket, c.Ref, lastLineBytes)
	}
	if line := lastLine(text); line != "" {
		_, _ = to.Write([]byte(line + "\n")) // its error stays
	}
	to.flush()
}

// discard frees what a job still holds of the spool.
func (p *printer) discard(at *printed, f *finished) {
	for i, c := range []*captured{&f.Result.Out, &f.Result.Err} {
		if !at.set[i] {
			at.cursor[i] = c.Ref.At(f.Ticket)
		}
		p.store.Free(&at.cursor[i])
	}
	if f.Result.How == lost { // its worker is certainly gone
		p.store.Reclaim(f.Ticket)
	}
}

// flush writes what was gathered.
func (p *printer) flush() error {
	p.out.flush()
	return p.out.err
}
