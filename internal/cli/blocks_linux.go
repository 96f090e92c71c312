package cli

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/tutti-run/tutti/internal/core"
	"github.com/tutti-run/tutti/internal/record"
)

// blockSource gives the blocks of a run one after the other: of standard input
// (--pipe), or of files (--pipe-part), which workers read themselves. next is for
// one goroutine; the other methods are for any.
type blockSource struct {
	cutter  *record.Cutter
	memory  *blockMemory
	jobs    int
	timeout time.Duration // --block-timeout; 0: none
	skip    bool          // the first line is still to be skipped
	blanks  bool          // blocks of white space are blocks
	raw     bool          // a block is what a read gives, as it comes
	shared  bool          // pages of a block may outlive its job
	parts   *parts        // --pipe-part; nil: standard input is read
	path    string        // what names of --cat and --fifo begin with; "": neither
	fifo    bool
	paths   int64 // given

	reading sync.Mutex // held by next and close
	closed  bool

	input input
	at    *slab // where it is read to; nil: nowhere
	start int   // in at: behind the last block
	end   int   // in at: behind what was read
	last  int   // bytes of the last block
	due   time.Time
	begun bool // the header was seen
	eof   bool
	head  []byte // before every block
}

// newBlockSource makes the source of blocks that p asks for.
func newBlockSource(p *plan, stdin *os.File) (*blockSource, error) {
	spec, blocks, err := p.RecordSpec()
	if err != nil {
		return nil, err
	}
	spec.Slots = p.jobs
	b := &blockSource{
		jobs: p.jobs, skip: p.SkipFirstLine, blanks: !p.NoRunIfEmpty, fifo: p.Fifo,
		// Standard output is somebody else's pipe then: a command may move the pages
		// of its input there, and end.
		shared: p.Ungroup,
	}
	if p.BlockTimeout != "" {
		span, err := core.ParseTimeout(p.BlockTimeout)
		if err == nil && span <= 0 {
			err = fmt.Errorf("timeout %q: too short; give a time such as 1 or 0.5", p.BlockTimeout)
		}
		if err != nil {
			return nil, fmt.Errorf("--block-%w", err)
		}
		b.timeout = time.Duration(span)
	}
	if p.Cat || p.Fifo {
		if b.path, err = uniquePath(p.tmpDir); err != nil {
			return nil, err
		}
	}
	if b.cutter, err = record.New(spec); err != nil {
		return nil, err
	}
	if b.memory, err = newBlockMemory(); err != nil {
		return nil, err
	}
	if p.PipePart {
		b.parts, err = newParts(p, spec, blocks)
	}
	if err == nil {
		b.input, err = newInput(stdin)
	}
	if err != nil {
		return nil, errors.Join(err, b.memory.close())
	}
	return b, nil
}

// uniquePath is what names in the folder for temporary files begin with that
// nobody else has.
func uniquePath(dir string) (string, error) {
	if dir == "" {
		dir = os.TempDir()
	}
	dir, err := filepath.Abs(dir)
	return filepath.Join(dir, "tutti-"+rand.Text()[:13]+"-"), err
}

// file is the memory with blocks, for workers to inherit.
func (b *blockSource) file() *os.File { return b.memory.file }

// names are the files of --pipe-part; a piece's File counts them from 1.
func (b *blockSource) names() []string {
	if b.parts == nil {
		return nil
	}
	return b.parts.names
}

// next gives the next job's intake; io.EOF at the end, or when stop was closed.
// It waits while there is nothing to read, or no memory until jobs have ended. nil
// without an error stands for a block that is empty without its separators: as in
// GNU parallel its number is used up and no job is started.
func (b *blockSource) next(stop <-chan struct{}) (*intake, error) {
	b.reading.Lock()
	defer b.reading.Unlock()
	if b.closed {
		return nil, io.EOF
	}
	b.input.watch(stop)
	if b.parts != nil {
		return b.nextPart()
	}
	for {
		n, err := b.fill()
		if err != nil {
			b.leave()
			return nil, err
		}
		block := b.at.mem[b.start : b.start+n]
		at := piece{Off: b.at.off + int64(b.start)}
		b.start, b.last, b.due = b.start+n, n, time.Time{}
		if !b.blanks && len(bytes.TrimSpace(block)) == 0 {
			continue
		}
		if at.Len = int64(len(b.clean(block))); at.Len == 0 {
			return nil, nil
		}
		b.memory.hold(b.at)
		return b.named(&intake{Head: b.head, Pieces: []piece{at}}), nil
	}
}

func (b *blockSource) clean(block []byte) []byte {
	if b.raw {
		return block
	}
	return b.cutter.Clean(block)
}

// named adds the name of the job's file or named pipe.
func (b *blockSource) named(in *intake) *intake {
	if b.path != "" {
		b.paths++
		in.Path, in.Fifo = b.path+strconv.FormatInt(b.paths, 10), b.fifo
	}
	return in
}

// fill reads until there is a block at start, and returns its length.
func (b *blockSource) fill() (int, error) {
	for {
		n, err := b.cut()
		if n > 0 || err != nil {
			return n, err
		}
		if b.eof {
			return 0, io.EOF
		}
		if err := b.room(); err != nil {
			return 0, err
		}
		if b.timeout > 0 && b.due.IsZero() {
			b.due = time.Now().Add(b.timeout)
		}
		n, err = b.input.read(b.at.mem[b.end:], b.due)
		switch {
		case err == io.EOF:
			b.eof = true
		case err == os.ErrDeadlineExceeded:
			b.due = time.Time{}
			if n := b.cutEarly(); n > 0 {
				return n, nil
			}
		case err == errStopped:
			return 0, io.EOF
		case err != nil:
			return 0, fmt.Errorf("read standard input: %w", err)
		}
		b.end += n
	}
}

// cut returns the length of the block at start, 0 for none yet. The first line
// and the header are taken off before.
func (b *blockSource) cut() (int, error) {
	if b.at == nil {
		return 0, nil
	}
	data := b.at.mem[b.start:b.end]
	if b.raw {
		return len(data), nil
	}
	if b.skip {
		n := bytes.IndexByte(data, '\n') + 1
		if n == 0 && !b.eof {
			b.start = b.end
			return 0, nil
		}
		if n == 0 {
			n = len(data)
		}
		b.skip, b.start, data = false, b.start+n, data[n:]
	}
	if !b.begun {
		n, ok, err := b.cutter.Header(data, b.eof)
		if err != nil || !ok {
			return 0, err
		}
		if b.cutter.RepeatsHeader() {
			b.head = bytes.Clone(data[:n])
		}
		b.begun, b.start, data = true, b.start+n, data[n:]
	}
	return b.cutter.Cut(data, b.eof), nil
}

func (b *blockSource) cutEarly() int {
	if b.at == nil || !b.begun {
		return 0
	}
	return b.cutter.CutEarly(b.at.mem[b.start:b.end])
}

// slabSize is how large a slab must be that begins with so many bytes of a block.
// It grows with what is there: --block may be larger than any input, and memory.
func (b *blockSource) slabSize(left int) int64 {
	const (
		least = 256 << 10 // few reads where blocks are small
		first = 1 << 20
		unit  = 64 << 10 // the largest page that processors have
	)
	here, last := int64(left), int64(b.last)
	want := int64(least)
	if !b.raw {
		window := b.cutter.Window()
		want = max(want, here+here/4, min(window, max(first, here+here/2, last+last/4)))
		if last > window { // records are counted, and the next block is about like the last
			want = max(want, last+last/4)
		}
	}
	return (want + unit - 1) &^ (unit - 1)
}

// slabsFor bounds the slabs: one for each job and the reader, one more, and as
// many as fit into a budget to be read ahead.
func slabsFor(jobs int, size int64) int {
	const ahead = 256 << 20
	return jobs + 2 + int(min(int64(jobs), ahead/size))
}

// room sees to it that there is memory behind end.
func (b *blockSource) room() error {
	if b.at != nil && b.end < len(b.at.mem) {
		return nil
	}
	if b.at != nil && b.start == 0 { // one block that is not whole fills it
		return b.memory.extend(b.at, b.slabSize(b.end))
	}
	var rest []byte
	if b.at != nil {
		rest = b.at.mem[b.start:b.end]
	}
	size := b.slabSize(len(rest))
	s, err := b.memory.take(b.input.halted, size, slabsFor(b.jobs, size))
	if err != nil {
		return err
	}
	if s == nil {
		return io.EOF
	}
	n := copy(s.mem, rest)
	b.leave()
	b.at, b.start, b.end = s, 0, n
	return nil
}

// leave has the reader hold no slab.
func (b *blockSource) leave() {
	if b.at != nil {
		b.memory.giveBack(b.at, false)
		b.at = nil
	}
}

// bytes are those of a block in memory that is out.
func (b *blockSource) bytes(in *intake) []byte {
	p := in.Pieces[0]
	s := b.memory.at(p.Off)
	return s.mem[p.Off-s.off:][:p.Len]
}

// release says that the job with this intake has ended for good: its memory may
// be used again. strays: it left processes behind that may still read. It may be called
// after close, by who drops what was read in vain: nothing waits for that.
func (b *blockSource) release(in *intake, strays bool) {
	if in.Path != "" {
		// Only of a worker that died it is still there.
		_ = os.Remove(in.Path)
	}
	for _, p := range in.Pieces {
		if p.File == 0 {
			b.memory.giveBackAt(p.Off, strays || b.shared)
		}
	}
}

// close ends next and gives up what belongs to the source.
func (b *blockSource) close() error {
	b.input.end()
	b.reading.Lock()
	defer b.reading.Unlock()
	b.closed = true
	if b.parts != nil {
		b.parts.close()
	}
	return errors.Join(b.input.close(), b.memory.close())
}
