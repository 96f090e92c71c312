package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"

	"github.com/tutti-run/tutti/internal/record"
)

// parts are the files of --pipe-part, cut by looking at them near the cuts only.
type parts struct {
	names []string
	files []*os.File
	sizes []int64
	spec  record.Spec
	skip  bool // --skip-first-line, of each file
	whole bool // --tee: every job reads all of the first file

	next func() (part, error, bool)
	end  func()
}

// part is what a job reads.
type part struct {
	file   int           // from 0
	head   record.Extent // before it
	extent record.Extent
	cutter *record.Cutter
}

// newParts opens the files of p. blocks, where it is not 0, is how many parts a
// job slot shall have, negative.
func newParts(p *plan, spec record.Spec, blocks int64) (*parts, error) {
	if p.Shard != "" || p.Bin != "" {
		return nil, errors.New("--pipe-part gives parts of a file and does not look at their lines, as --shard and --bin do; use --pipe and < FILE")
	}
	x := &parts{spec: spec, skip: p.SkipFirstLine, whole: p.Tee}
	for _, name := range p.files() {
		if err := x.open(name); err != nil {
			x.close()
			return nil, err
		}
		if x.whole { // the others are inputs
			break
		}
	}
	if len(x.names) == 0 {
		return nil, errors.New("--pipe-part cuts files and none is given; say -a FILE, or use --pipe to cut standard input")
	}
	switch {
	case p.RoundRobin:
		blocks = -1
	case !p.Given("block"):
		blocks = -10
	}
	if blocks < 0 {
		total := int64(0)
		for _, n := range x.sizes {
			total += n
		}
		x.spec.Block = record.BlockFor(blocks, total, p.jobs)
	}
	x.next, x.end = iter.Pull2(x.all)
	return x, nil
}

// open opens a file whose parts can be read by whoever knows its name.
func (x *parts) open(name string) error {
	const instead = "--pipe-part reads files in several places at once; use --pipe and < FILE"
	path := name
	if name == "-" {
		path = "/dev/stdin"
	}
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("--pipe-part: %w", err)
	}
	x.files = append(x.files, f)
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("--pipe-part: %w", err)
	}
	device := info.Mode().Type() == os.ModeDevice // of blocks
	if !info.Mode().IsRegular() && !device {
		return fmt.Errorf("%s is neither a file nor a disk: %s", name, instead)
	}
	size := info.Size()
	if device {
		if size, err = f.Seek(0, io.SeekEnd); err != nil {
			return fmt.Errorf("--pipe-part: %w", err)
		}
	}
	if n, _ := f.ReadAt(make([]byte, 1), 0); size == 0 && n > 0 {
		return fmt.Errorf("%s does not tell its size: %s", name, instead)
	}
	// A name such as /dev/stdin means another file to a worker.
	if path, err = filepath.EvalSymlinks(path); err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		return fmt.Errorf("--pipe-part: %w", err)
	}
	again, err := os.Stat(path)
	if err != nil || !os.SameFile(info, again) {
		return fmt.Errorf("%s has no name any more: %s", name, instead)
	}
	x.names, x.sizes = append(x.names, path), append(x.sizes, size)
	return nil
}

// all gives the parts of all files.
func (x *parts) all(yield func(part, error) bool) {
	for i := range x.files {
		for p, err := range x.of(i) {
			if !yield(p, err) || err != nil {
				return
			}
		}
	}
}

// of gives the parts of one file.
func (x *parts) of(i int) iter.Seq2[part, error] {
	return func(yield func(part, error) bool) {
		fail := func(err error) { yield(part{}, fmt.Errorf("--pipe-part %s: %w", x.names[i], err)) }
		first, err := x.firstLine(i)
		if err != nil {
			fail(err)
			return
		}
		cutter, err := record.New(x.spec)
		if err != nil {
			fail(err)
			return
		}
		f, size := io.NewSectionReader(x.files[i], first, x.sizes[i]-first), x.sizes[i]-first
		head, err := cutter.HeaderAt(f, size)
		if err != nil {
			fail(err)
			return
		}
		p := part{file: i, cutter: cutter, head: record.Extent{Offset: first, Size: int64(len(head))}}
		if !cutter.RepeatsHeader() {
			p.head.Size = 0
		}
		for e, err := range cutter.Parts(f, int64(len(head)), size) {
			if err != nil {
				fail(err)
				return
			}
			p.extent = record.Extent{Offset: e.Offset + first, Size: e.Size}
			if !yield(p, nil) {
				return
			}
		}
	}
}

// firstLine is the length of what --skip-first-line skips.
func (x *parts) firstLine(i int) (int64, error) {
	if !x.skip {
		return 0, nil
	}
	buf := make([]byte, 64<<10)
	for off := int64(0); off < x.sizes[i]; {
		n, err := x.files[i].ReadAt(buf[:min(int64(len(buf)), x.sizes[i]-off)], off)
		if at := bytes.IndexByte(buf[:n], '\n'); at >= 0 {
			return off + int64(at) + 1, nil
		}
		if err != nil && err != io.EOF || n == 0 {
			return 0, err
		}
		off += int64(n)
	}
	return x.sizes[i], nil
}

func (x *parts) close() {
	if x.end != nil {
		x.end()
	}
	for _, f := range x.files {
		_ = f.Close() // was only read
	}
}

// nextPart is next for --pipe-part.
func (b *blockSource) nextPart() (*intake, error) {
	x := b.parts
	if x.whole {
		return b.named(&intake{Pieces: []piece{{File: 1, Len: x.sizes[0]}}}), nil
	}
	for {
		select {
		case <-b.input.halted:
			return nil, io.EOF
		default:
		}
		p, err, ok := x.next()
		if !ok {
			return nil, io.EOF
		}
		if err != nil {
			return nil, err
		}
		body := piece{File: p.file + 1, Off: p.extent.Offset, Len: p.extent.Size}
		if x.spec.Remove || !b.blanks {
			// Then it must be looked at.
			blank := false
			if body, blank, err = b.load(p); err != nil {
				return nil, err
			}
			if blank {
				continue
			}
			if body.Len == 0 {
				return nil, nil
			}
		}
		in := &intake{Pieces: []piece{body}}
		if p.head.Size > 0 {
			in.Pieces = slices.Insert(in.Pieces, 0, piece{File: p.file + 1, Off: p.head.Offset, Len: p.head.Size})
		}
		return b.named(in), nil
	}
}

// load reads a part into memory and cleans it there. blank: it is white space, and
// no job is wanted for such.
func (b *blockSource) load(p part) (body piece, blank bool, err error) {
	const unit = 64 << 10
	size := (p.extent.Size + unit - 1) &^ (unit - 1)
	s, err := b.memory.take(b.input.halted, size, slabsFor(b.jobs, size))
	if err != nil {
		return body, false, err
	}
	if s == nil {
		return body, false, io.EOF
	}
	block := s.mem[:p.extent.Size]
	if _, err = b.parts.files[p.file].ReadAt(block, p.extent.Offset); err != nil {
		err = fmt.Errorf("--pipe-part %s: %w", b.parts.names[p.file], err)
	}
	blank = !b.blanks && len(bytes.TrimSpace(block)) == 0
	body = piece{Off: s.off}
	if err == nil && !blank {
		body.Len = int64(len(p.cutter.Clean(block)))
	}
	if body.Len == 0 {
		b.memory.giveBack(s, false)
	}
	return body, blank, err
}
