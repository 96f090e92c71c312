package cli

import (
	"bytes"
	"io"
	"os"
	"time"

	"github.com/tutti-run/tutti/internal/command"
	"github.com/tutti-run/tutti/internal/results"
	"github.com/tutti-run/tutti/internal/spool"
)

// keeping puts output into files: --results and --files.
type keeping struct {
	store results.Store
	names bool   // the names of the files are printed
	end   string // behind a name
	// Where only standard output is kept, what went to standard error is printed.
	errors bool
}

// newKeeping opens what p wants output kept in; nil: nothing.
func newKeeping(p *plan, shop *workshop) (*keeping, error) {
	if !p.kept() {
		return nil, nil
	}
	k := &keeping{names: p.Files || p.Files0, end: "\n"}
	if p.Files0 {
		k.end = "\x00"
	}
	if p.Results == "" {
		dir := p.TmpDir // as it was given: names are printed
		if dir == "" {
			dir = os.TempDir()
		}
		k.store, k.errors = results.Files(dir), true
		return k, nil
	}
	var err error
	k.store, err = results.Open(results.Options{
		Name: p.Results, Template: shop.results != nil && shop.results.HasReplacement() && !results.IsTable(p.Results),
		Names: shop.names, Columns: shop.columns(), Resume: p.Resume || p.ResumeFailed, Stdout: direct{1},
	})
	return k, err
}

// direct writes to one of this process's standard files at once.
type direct struct{ fd int }

// Write writes all of p.
func (d direct) Write(p []byte) (int, error) {
	s := sink{fd: d.fd}
	s.put(p)
	return len(p), s.err
}

// done reports whether what is kept says that a job was done.
func (k *keeping) done(in command.Job, path string) bool {
	return k.store.Done(&results.Job{Seq: in.Seq, Args: in.Args, Path: path})
}

// keep takes a job's output out of the spool.
func (k *keeping) keep(p *printer, f *finished) error {
	exit, signal := f.Result.logged()
	job := results.Job{
		Seq: f.Seq, Start: time.Unix(0, f.Result.Start), Runtime: time.Duration(f.Result.Runtime),
		Send: f.Result.Sent, Receive: f.Result.Wrote, Exit: exit, Signal: signal, Command: f.Key,
		Args: f.Args, Path: f.Path,
	}
	name, err := k.store.Write(&job, written{p, f, spool.Stdout}, written{p, f, spool.Stderr})
	if err != nil {
		return err
	}
	if k.names && name != "" {
		_, _ = p.out.Write([]byte(f.Mark.Before + name + f.Mark.After + k.end)) // its error stays
	}
	if k.errors {
		f.Result.Out.Short = nil
		p.out.flush()
		_, err = written{p, f, spool.Stderr}.WriteTo(&p.err)
		p.err.flush()
	}
	p.discard(p.at(f.Ticket), f)
	delete(p.begun, f.Ticket)
	return err
}

// written is what a job wrote to a stream.
type written struct {
	printer *printer
	job     *finished
	stream  spool.Stream
}

// WriteTo writes it; it can be written again.
func (w written) WriteTo(to io.Writer) (int64, error) {
	c := &w.job.Result.Out
	if w.stream == spool.Stderr {
		c = &w.job.Result.Err
	}
	n, err := io.Copy(to, bytes.NewReader(c.Short))
	at := c.Ref.At(w.job.Ticket)
	if err == nil && c.Ref.First != 0 {
		err = w.printer.store.Read(&at, c.Ref.Size, false, func(b []byte) error {
			k, err := to.Write(b)
			n += int64(k)
			return err
		})
	}
	return n, err
}

// Close ends the files.
func (k *keeping) close(say func(format string, args ...any)) error {
	if text := k.store.Warning(); text != "" {
		say("%s", text)
	}
	return k.store.Close()
}
