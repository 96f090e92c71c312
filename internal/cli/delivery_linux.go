package cli

import (
	"fmt"
	"time"

	"github.com/tutti-run/tutti/internal/journal"
	"github.com/tutti-run/tutti/internal/spool"
)

// finished is a job that has ended and is to be delivered: printed, and then
// noted in the job log. It is plain data and may wait in a file.
type finished struct {
	Seq     int64         `cbor:"1,keyasint"`
	Args    []string      `cbor:"2,keyasint,omitempty"`
	Key     string        `cbor:"3,keyasint"` // the command, as in the job log
	Result  result        `cbor:"4,keyasint"`
	Skip    bool          `cbor:"5,keyasint,omitempty"` // nothing is to be printed: done by an earlier run
	Done    int64         `cbor:"-"`                    // jobs that had ended for good then, this one included
	printed chan struct{} // no job: closed when all before it is printed
	Again   bool          `cbor:"-"` // nor is this: it is only to be freed, and the job may come again
	Ticket  uint64        `cbor:"6,keyasint,omitempty"`
	Path    string        `cbor:"7,keyasint,omitempty"` // where --results puts it
	Mark    mark          `cbor:"8,keyasint,omitempty"`
	Dir     string        `cbor:"9,keyasint,omitempty"` // that it ran in; "" the run's
	Attempt int64         `cbor:"10,keyasint,omitempty"`
	Span    int64         `cbor:"11,keyasint,omitempty"` // see job.span
	Unmet   string        `cbor:"12,keyasint,omitempty"` // what is to be said of those that are not run, since this one failed
	Size    int64         `cbor:"13,keyasint,omitempty"` // see job
	Guess   int64         `cbor:"14,keyasint,omitempty"` // ns that it was expected to take; below 0: nothing was
}

// first is the number of the first job that it stands for.
func (f *finished) first() int64 { return f.Seq - f.Span }

// entry is its line in the job log.
func (f *finished) entry() journal.Entry {
	exit, signal := f.Result.logged()
	return journal.Entry{
		Seq: f.Seq, Start: time.Unix(0, f.Result.Start), Runtime: time.Duration(f.Result.Runtime),
		Send: f.Result.Sent, Receive: f.Result.Wrote, Exit: exit, Signal: signal, Command: f.Key,
	}
}

// delivery prints jobs and notes them in the job log, in a goroutine of its own,
// so that starting never waits for a slow reader of the output before the queue
// between them is full. What is noted was printed: entries are appended after the
// output has been written, several at once when several are ready.
type delivery struct {
	queue   chan *finished
	shown   chan struct{} // something may be read of what runs; nil: nobody looks
	quit    chan struct{} // closed when all that is to be delivered is in the queue
	order   *sequence     // nil: as they end
	printer *printer
	keep    *keeping     // nil: none
	log     *journal.Log // nil: none
	notes   *notes       // nil: none
	screen  *screen
	title   func(ticket uint64, slot int) string // of what runs
	failed  func(error)                          // told once, of the first error
	done    chan struct{}

	past precedence
	owed <-chan time.Time // live is to be called again, since somebody was put off; nil: nobody was

	err     error
	entries []journal.Entry
	noted   []journal.Job
}

// deliveryQueue bounds the jobs that wait to be printed.
const deliveryQueue = 256

// run delivers until it is told to quit.
func (d *delivery) run() {
	defer close(d.done)
	tick, stop := d.screen.ticks()
	defer stop()
	for {
		d.takeAll()
		d.settle()
		select {
		case f := <-d.queue:
			d.take(f)
		case <-d.shown:
			d.takeAll()
			d.live()
		case <-d.owed:
			d.live()
		case <-tick:
			d.screen.draw()
		case <-d.quit:
			d.takeAll()
			d.finish()
			return
		}
	}
}

// takeAll takes what is in the queue now.
func (d *delivery) takeAll() {
	for {
		select {
		case f := <-d.queue:
			d.take(f)
		default:
			return
		}
	}
}

// take brings a job into its order and prints what is next.
func (d *delivery) take(f *finished) {
	d.past.add(f.Ticket)
	if f.printed != nil {
		d.settle()
		close(f.printed)
		return
	}
	d.screen.step(f)
	if f.Again {
		d.printer.discard(d.printer.at(f.Ticket), f)
		delete(d.printer.begun, f.Ticket)
		return
	}
	if d.order == nil {
		d.print(f)
		return
	}
	if f.first() != d.order.next {
		d.shorten(f)
	}
	if err := d.order.put(f); err != nil {
		d.fail(err)
		return
	}
	for d.err == nil {
		next, err := d.order.take()
		if err != nil {
			d.fail(err)
		}
		if next == nil || err != nil {
			break
		}
		d.print(next)
	}
	d.watch()
}

// shorten takes short output of a job that must wait out of the spool, where each
// stream has a chunk of its own.
func (d *delivery) shorten(f *finished) {
	for _, c := range []*captured{&f.Result.Out, &f.Result.Err} {
		if c.Ref.First == 0 || c.Ref.Size > shortMax {
			continue
		}
		at := c.Ref.At(f.Ticket)
		err := d.printer.store.Read(&at, c.Ref.Size, false, func(b []byte) error {
			c.Short = append(c.Short, b...)
			return nil
		})
		if err != nil {
			d.fail(err)
		}
		at = c.Ref.At(f.Ticket)
		d.printer.store.Free(&at)
		c.Ref = spool.Ref{}
	}
}

// watch has the job that is to be printed next ring when it shows something, and
// prints what it has shown already.
func (d *delivery) watch() {
	if d.shown != nil {
		d.printer.store.Watch(d.order.next)
		d.live()
	}
}

// putOff is how long a running job waits to be shown for the end of one before it.
const putOff = 10 * time.Millisecond

// live prints what running jobs have shown: the one whose turn it is, or all, but for
// those that began after a job whose end was not heard of yet.
func (d *delivery) live() {
	var views []spool.View // at one moment: who ended since is not taken for running
	runs := map[uint64]bool{}
	d.printer.store.Views(func(v spool.View) {
		views = append(views, v)
		runs[v.Ticket] = true
	})
	owed := d.past.owed(runs)
	d.owed = nil
	for _, v := range views {
		if d.order == nil && v.Ticket > owed {
			d.owed = time.After(putOff)
			continue
		}
		if d.err != nil || d.order != nil && v.Seq != d.order.next || v.Shown[0].Size+v.Shown[1].Size == 0 {
			continue
		}
		d.screen.clear()
		if err := d.printer.live(&v, d.title); err != nil {
			d.fail(fmt.Errorf("write output: %w", err))
		}
	}
}

// logBatch bounds the entries that are appended at once.
const logBatch = 256

func (d *delivery) print(f *finished) {
	if f.Skip || d.err != nil {
		return
	}
	if f.Result.How == unmet {
		d.enter(f)
		return
	}
	if err := d.deliver(f); err != nil {
		d.fail(fmt.Errorf("write output: %w", err))
		return
	}
	if r := &f.Result; f.Unmet != "" || r.How != endedItself || r.Fault != "" || len(r.Strays) > 0 {
		d.printer.out.flush() // what is said of a job follows what it wrote
	}
	d.screen.explain(f)
	d.enter(f)
}

// enter has the job noted in the job log.
func (d *delivery) enter(f *finished) {
	if d.log != nil {
		d.entries = append(d.entries, f.entry())
	}
	if d.notes.kept() {
		d.noted = append(d.noted, d.notes.job(f))
	}
	if max(len(d.entries), len(d.noted)) >= logBatch {
		d.settle()
	}
}

// deliver puts a job's output where it belongs.
func (d *delivery) deliver(f *finished) error {
	if d.keep != nil {
		return d.keep.keep(d.printer, f)
	}
	if f.Result.Out.size()+f.Result.Err.size() > 0 {
		d.screen.clear()
	}
	return d.printer.print(f)
}

// settle writes what was gathered: first the output, then the log.
func (d *delivery) settle() {
	if err := d.printer.flush(); err != nil {
		d.fail(fmt.Errorf("write output: %w", err))
	}
	if d.err == nil && len(d.entries) > 0 {
		if err := d.log.AppendAll(d.entries); err != nil {
			d.fail(err)
		}
	}
	if d.err == nil && len(d.noted) > 0 {
		d.notes.jobs(d.noted, d.screen.say)
	}
	d.entries, d.noted = d.entries[:0], d.noted[:0]
}

// finish prints what still waits for jobs that will not come.
func (d *delivery) finish() {
	for d.order != nil && d.err == nil {
		f, err := d.order.takeAny()
		if err != nil {
			d.fail(err)
		}
		if f == nil {
			break
		}
		d.print(f)
	}
	d.settle()
	if d.keep != nil {
		if err := d.keep.close(d.screen.say); err != nil {
			d.fail(err)
		}
	}
	if d.log != nil {
		if err := d.log.Close(); err != nil {
			d.fail(fmt.Errorf("close job log: %w", err))
		}
	}
}

func (d *delivery) fail(err error) {
	if d.err == nil {
		d.err = err
		d.failed(err)
	}
}
