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
)

// streams gives standard input to commands that all run until it ends: blocks to
// whichever command takes them (--round-robin), everything to each (--tee), or
// lines to the command that they are for (--shard, --bin). Each command reads a
// pipe of its own, its slot's, which only this process writes to.
//
// One goroutine, run, cuts the input and decides who gets what; each slot has one
// that writes. They meet in the slot's queue, which is short, so what waits here is
// bounded by the slots. Who waits for whom:
//
//	run       for input, unless all commands have ended; for a slot's queue to have
//	          room, so for its command to read or end; for memory, so for what is in
//	          queues to be written
//	a writer  for its command to read, or to have ended
//
// All read ends stay open here and in every worker, so that a worker can be
// replaced; the end of a command is therefore not seen in its pipe, and ended must
// be called for each, also for one that next has given and that is never started.
type streams struct {
	source *blockSource
	way    way
	begun  chan int      // slots that are to be started
	freed  chan struct{} // has a token when a queue got room since run has looked
	slots  []*stream
	last   int           // slot, from 0, that got the last block
	gone   chan struct{} // closed: all commands have ended

	mu       sync.Mutex    // over what follows and over slots' states
	back     []parcel      // blocks whose slot ended before it got any of them
	open     int           // commands that have not ended
	shut     bool          // close was called
	finished chan struct{} // closed: run has returned; nil: it was not called
}

// way is how lines find their commands.
type way int

const (
	toAny    way = iota // a block to the one that has the least to do
	inTurn              // to one after the other
	toAll               // everything to each
	byColumn            // by a line's value
)

// stream is the standard input of one command.
type stream struct {
	read, write *os.File
	queue       chan parcel

	waiting int // parcels in queue, or being written
	begun   bool
	headed  bool
	ended   bool
	lost    int64
}

// parcel is what a slot is given at a time.
type parcel struct {
	head  []byte // before bytes
	bytes []byte
	from  *shared // what must be told when bytes are written
}

// shared is a block that several slots are given.
type shared struct {
	block *intake
	left  atomic.Int32
}

// errInputLeft is the error where commands have ended, and were to read more.
var errInputLeft = errors.New("all commands ended before standard input did: what was left of it, nobody has read")

// streamed reports whether commands read standard input until its end, and not a
// block each.
func (p *plan) streamed() bool {
	return p.Pipe && (p.RoundRobin || p.Tee || p.Shard != "" || p.Bin != "")
}

// newStreams makes the pipes for n commands.
func newStreams(p *plan, stdin *os.File, n int) (*streams, error) {
	if p.tries > 1 {
		return nil, errors.New("--retries: what a command has read cannot be given to it again with --round-robin, --tee, --shard and --bin; leave it out")
	}
	source, err := newBlockSource(p, stdin)
	if err != nil {
		return nil, err
	}
	source.shared = false // what was written is a copy
	source.jobs = 2 * n   // as many blocks may wait, be it to be given to others
	s := &streams{source: source, begun: make(chan int, n), freed: make(chan struct{}, 1), gone: make(chan struct{}), last: -1, open: n}
	depth := 2 // one is written, the next is at hand
	switch {
	case p.Tee:
		s.way, source.raw, source.blanks = toAll, true, true
	case p.Shard != "" || p.Bin != "":
		s.way = byColumn
	case p.KeepOrder:
		s.way = inTurn
	default:
		s.way, depth = toAny, 1
	}
	all := s.way == toAll || s.way == byColumn || p.DryRun // start at once, and not as blocks come
	for i := range n {
		x, err := newStream(depth)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("a pipe for each of %d commands: %w; give a smaller -j, or raise ulimit -n", n, err), s.close())
		}
		s.slots = append(s.slots, x)
		if all {
			x.begun = true
			s.begun <- i
		}
	}
	if all {
		close(s.begun)
	}
	return s, nil
}

func newStream(depth int) (*stream, error) {
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		return nil, os.NewSyscallError("pipe2", err)
	}
	// The command's end blocks, as commands expect it; refused where pipes take much
	// memory already.
	_, _ = unix.FcntlInt(uintptr(p[1]), unix.F_SETPIPE_SZ, widePipe)
	if err := unix.SetNonblock(p[1], true); err != nil {
		return nil, errors.Join(os.NewSyscallError("fcntl", err), unix.Close(p[0]), unix.Close(p[1]))
	}
	return &stream{
		read: os.NewFile(uintptr(p[0]), "input"), write: os.NewFile(uintptr(p[1]), "input"),
		queue: make(chan parcel, depth),
	}, nil
}

// files are the read ends, slot 1's first, for workers to inherit.
func (s *streams) files() (all []*os.File) {
	for _, x := range s.slots {
		all = append(all, x.read)
	}
	return all
}

// next gives the next command's intake; io.EOF when there are no more, or when
// stop was closed. With --tee, --shard and --bin there are all at once, and all
// must run at the same time. With --round-robin there is one when its first block
// is there, as in GNU parallel: commands without input are not started. After stop
// was closed, what waits for commands that were not started is lost.
func (s *streams) next(stop <-chan struct{}) (*intake, error) {
	select {
	case <-stop:
	default:
		select {
		case <-stop:
		case i, ok := <-s.begun:
			if !ok {
				return nil, io.EOF
			}
			return s.source.named(&intake{Slot: i + 1}), nil
		}
	}
	s.freeze()
	return nil, io.EOF
}

// freeze has only commands get input that were started.
func (s *streams) freeze() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range s.slots {
		if !x.begun {
			s.endLocked(x)
		}
	}
	for {
		select {
		case i, ok := <-s.begun:
			if ok {
				s.endLocked(s.slots[i])
				continue
			}
		default:
		}
		return
	}
}

// release says that the command with this intake has ended for good, or will
// never be started.
func (s *streams) release(in *intake, _ bool) {
	if in.Path != "" {
		// Only of a worker that died it is still there.
		_ = os.Remove(in.Path)
	}
	s.ended(in.Slot)
}

// ended says that the command of a slot, from 1, reads no more.
func (s *streams) ended(slot int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endLocked(s.slots[slot-1])
}

func (s *streams) endLocked(x *stream) {
	if !x.ended {
		x.ended = true
		_ = x.write.SetWriteDeadline(time.Unix(1, 0)) // an error means that it is closed
		if s.open--; s.open == 0 {
			close(s.gone)
		}
		s.tell()
	}
}

// tell has run look at the slots again.
func (s *streams) tell() {
	select {
	case s.freed <- struct{}{}:
	default:
	}
}

// undelivered is how many bytes that were for a slot, from 1, its command has not
// read, after it has ended and before close. With --tee a command may read what it
// likes, and nothing counts.
func (s *streams) undelivered(slot int) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.slots[slot-1]
	if !x.ended || s.way == toAll {
		return 0
	}
	return x.lost + x.unread()
}

// unread is how many bytes are in the pipe.
func (x *stream) unread() int64 {
	n, err := unix.IoctlGetInt(int(x.read.Fd()), unix.TIOCINQ)
	if err != nil {
		return 0
	}
	return int64(n)
}

// run gives out standard input until its end, or until all commands have ended.
// When stop is closed nothing more is started: what runs is fed on, until it ends
// or is killed. It never sees an end of its input that is none.
func (s *streams) run(stop <-chan struct{}) error {
	finished := s.enter()
	if finished == nil {
		return nil
	}
	defer close(finished)
	over := make(chan struct{})
	var helpers sync.WaitGroup
	helpers.Go(func() {
		select {
		case <-stop:
			s.freeze()
		case <-over:
		}
	})
	for _, x := range s.slots {
		helpers.Go(func() { s.write(x) })
	}
	err := s.spread()
	if err == nil && s.way == byColumn && len(s.source.head) > 0 {
		for _, x := range s.slots { // those that got no line
			s.give(x, parcel{})
		}
	}
	if s.way == toAny || s.way == inTurn {
		close(s.begun)
	}
	close(over)
	for _, x := range s.slots {
		close(x.queue)
	}
	helpers.Wait()
	s.source.leave()
	for _, p := range s.back { // nobody is left to have them
		s.done(p.from)
	}
	s.back = nil
	select {
	case <-stop:
		if err == errInputLeft { // of course
			return nil
		}
	default:
	}
	return err
}

// enter notes that run runs; nil where close was called before.
func (s *streams) enter() chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shut {
		return nil
	}
	s.finished = make(chan struct{})
	return s.finished
}

// close ends run, and gives up the pipes. No command runs any more.
func (s *streams) close() error {
	s.mu.Lock()
	s.shut = true
	for _, x := range s.slots {
		s.endLocked(x)
	}
	finished := s.finished
	s.mu.Unlock()
	if finished != nil {
		<-finished
	}
	err := s.source.close()
	for _, x := range s.slots {
		if e := x.write.Close(); e != nil && !errors.Is(e, os.ErrClosed) {
			err = errors.Join(err, e)
		}
		err = errors.Join(err, x.read.Close())
	}
	return err
}
