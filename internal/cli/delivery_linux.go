package cli

import (
	"fmt"
	"time"

	"github.com/tutti-run/tutti/internal/journal"
)

// finished is a job that has ended and is to be delivered: printed, and then
// noted in the job log. It is plain data and may wait in a file.
type finished struct {
	Seq    int64  `cbor:"1,keyasint"`
	Tag    string `cbor:"2,keyasint,omitempty"`
	Key    string `cbor:"3,keyasint"` // the command, as in the job log
	Result result `cbor:"4,keyasint"`
	Skip   bool   `cbor:"5,keyasint,omitempty"` // nothing is to be printed: done by an earlier run
}

// entry is its line in the job log.
func (f *finished) entry() journal.Entry {
	exit, signal := f.Result.logged()
	return journal.Entry{
		Seq: f.Seq, Start: time.Unix(0, f.Result.Start), Runtime: time.Duration(f.Result.Runtime),
		Receive: f.Result.Stdout.size() + f.Result.Stderr.size(), Exit: exit, Signal: signal, Command: f.Key,
	}
}

// delivery prints jobs and notes them in the job log, in a goroutine of its own,
// so that starting never waits for a slow reader of the output before the queue
// between them is full. What is noted was printed: entries are appended after the
// output has been written, several at once when several are ready.
type delivery struct {
	queue   chan *finished
	quit    chan struct{} // closed when all that is to be delivered is in the queue
	order   *sequence     // nil: as they end
	printer *printer
	log     *journal.Log // nil: none
	screen  *screen
	failed  func(error) // told once, of the first error
	done    chan struct{}

	err     error
	entries []journal.Entry
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
	if d.order == nil {
		d.print(f)
		return
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
			return
		}
		d.print(next)
	}
}

// logBatch bounds the entries that are appended at once.
const logBatch = 256

func (d *delivery) print(f *finished) {
	if f.Skip || d.err != nil {
		return
	}
	if f.Result.Stdout.size()+f.Result.Stderr.size() > 0 {
		d.screen.clear()
	}
	if err := d.printer.print(f); err != nil {
		d.fail(fmt.Errorf("write output: %w", err))
		return
	}
	d.printer.discard(&f.Result)
	d.screen.explain(f)
	if d.log != nil {
		d.entries = append(d.entries, f.entry())
		if len(d.entries) >= logBatch {
			d.settle()
		}
	}
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
	d.entries = d.entries[:0]
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
