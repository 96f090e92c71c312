package cli

import (
	"errors"
	"io"
	"iter"
	"os"
	"sync"

	"github.com/tutti-run/tutti/internal/command"
	"github.com/tutti-run/tutti/internal/core"
)

// data gives jobs what they read: a block each, or, where all run until the end
// of the input, a pipe each.
type data struct {
	shop    *workshop
	blocks  *blockSource // nil: streams has it
	streams *streams     // nil: blocks are given
	stop    chan struct{}
	stopped sync.Once
	args    [][]string                        // of the jobs of --tee; nil: none
	more    func() (command.Job, error, bool) // arguments for one block after the other; nil: none
}

// newData makes ready what jobs read, and gives the jobs.
func newData(shop *workshop) (*data, iter.Seq[*job], error) {
	d := &data{shop: shop, stop: make(chan struct{})}
	p := shop.plan
	var err error
	switch {
	case p.streamed() && !p.RoundRobin && p.gate != core.GateRules{}:
		err = errors.New("--tee, --shard and --bin need all their jobs at once, and --delay, --load, --memfree and their like hold jobs back; leave one of them out")
	case !p.streamed():
		if p.Tee {
			d.args, err = shop.arguments()
		}
		if err == nil {
			d.blocks, err = newBlockSource(p, os.Stdin)
		}
	case p.Tee:
		if d.args, err = shop.arguments(); err == nil {
			p.jobs = max(1, len(d.args)) // they all run at once
			d.streams, err = newStreams(p, os.Stdin, p.jobs)
		}
	default:
		d.streams, err = newStreams(p, os.Stdin, p.jobs)
	}
	if err == nil && !p.Tee && !p.PipePart && len(p.files())+len(p.sources) > 0 {
		// As in GNU parallel a block has the next argument, as long as there are any.
		if err = shop.open(false); err == nil {
			d.more, _ = iter.Pull2(shop.reader.Jobs(nil))
		}
	}
	return d, d.jobs, err
}

// arguments reads the inputs of --tee; none where only data is read.
func (w *workshop) arguments() ([][]string, error) {
	if w.PipePart && len(w.ArgFiles) > 0 { // the first is data
		first := w.ArgFiles
		w.ArgFiles = first[1:]
		defer func() { w.ArgFiles = first }()
	}
	if len(w.sources)+len(w.ArgFiles) == 0 {
		return [][]string{nil}, nil
	}
	if err := w.open(false); err != nil {
		return nil, err
	}
	defer w.reader.Close()
	var all [][]string
	for in, err := range w.reader.Jobs(nil) {
		if err != nil {
			return nil, err
		}
		all = append(all, in.Args)
	}
	return all, nil
}

// shared is what workers inherit: the memory with blocks, the names of files, the
// read ends of pipes.
func (d *data) shared() (blocks *os.File, names []string, pipes []*os.File) {
	if d.streams != nil {
		return nil, nil, d.streams.files()
	}
	return d.blocks.file(), d.blocks.names(), nil
}

// next gives the next job's intake; nil without an error for a number that has
// no job.
func (d *data) next() (*intake, error) {
	if d.streams != nil {
		return d.streams.next(d.stop)
	}
	return d.blocks.next(d.stop)
}

// jobs gives the jobs.
func (d *data) jobs(yield func(*job) bool) {
	for seq := int64(1); d.args == nil || seq <= int64(len(d.args)); seq++ {
		in, err := d.next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			yield(&job{fault: err})
			return
		}
		j := &job{seq: seq, skip: true, absent: true}
		if in != nil {
			args, err := d.argsOf(in, seq)
			if err != nil {
				yield(&job{fault: err})
				return
			}
			j = d.shop.prepare(command.Job{Seq: seq, Total: int64(len(d.args)), Args: args})
			j.input = in
			if len(args) == 1 && args[0] == "" {
				j.args = nil
			}
		}
		if !yield(j) {
			return
		}
	}
}

// argsOf are a job's arguments: the file of --cat and --fifo, which is alone then as
// in GNU parallel, or those of --tee.
func (d *data) argsOf(in *intake, seq int64) ([]string, error) {
	var args []string
	switch {
	case in.Path != "":
		args = []string{in.Path}
	case in.Slot > 0 && in.Slot <= len(d.args):
		args = d.args[in.Slot-1]
	case d.args != nil:
		args = d.args[seq-1]
	case d.more != nil:
		next, err, ok := d.more()
		if ok && err != nil {
			return nil, err
		}
		args = next.Args
	}
	if len(args) == 0 {
		args = []string{""} // as in GNU parallel {} is an empty word
	}
	return args, nil
}

// release says that a job with this intake has ended for good, and returns how many
// bytes that were meant for it alone it has not read.
func (d *data) release(in *intake, strays bool) (unread int64) {
	if d.streams != nil {
		d.streams.release(in, strays)
		return d.streams.undelivered(in.Slot)
	}
	d.blocks.release(in, strays)
	return 0
}

// halt has nothing more read.
func (d *data) halt() { d.stopped.Do(func() { close(d.stop) }) }

// feed fills the pipes until the input ends.
func (d *data) feed(failed func(error)) {
	if d.streams == nil {
		return
	}
	if err := d.streams.run(d.stop); err != nil {
		failed(err)
	}
}

// discard is what becomes of data in a dry run.
func (d *data) discard(j *job) {
	if d != nil && j.input != nil {
		d.release(j.input, false)
	}
}

// close gives everything back.
func (d *data) close() error {
	if d.streams != nil {
		return d.streams.close()
	}
	return d.blocks.close()
}
