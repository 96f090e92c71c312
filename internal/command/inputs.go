package command

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
)

// Bounds on what inputs may take.
const (
	LineBytesMax = 1 << 20   // one value: eight times what an argument can hold
	HeldBytesMax = 256 << 20 // all values of the sources behind the first, which are held in memory
)

// stringBytes is what a held value takes besides its own bytes.
const stringBytes = 16

// Inputs gives the jobs of a run: every combination of one value from each
// source, the last source changing fastest. The first source is read as it is
// needed and forgotten, the others are read as they are needed once and held, so
// that one source takes no memory however long it is. An empty line is a job
// with an empty value, a last line without newline counts, and a source without
// values beside others counts as one empty value: all as in GNU parallel.
//
// An error ends the sequence and is its last pair. The sequence can be used once
// where it reads standard input. Sources are opened before the first job, so
// that a wrong name is known at once, and closed at the end.
func Inputs(spec InputSpec) iter.Seq2[Job, error] {
	return func(yield func(Job, error) bool) {
		sources, err := openSources(spec)
		defer closeSources(sources)
		if err != nil {
			yield(Job{}, err)
			return
		}
		p := product{sources: sources}
		for {
			args, err := p.next()
			if err != nil {
				yield(Job{}, err)
				return
			}
			if args == nil {
				return
			}
			p.seq++
			if !yield(Job{Seq: p.seq, Args: args}, nil) {
				return
			}
		}
	}
}

// source is an input source and what it has given so far.
type source struct {
	lines *lines   // nil where held has all
	held  []string // values read so far; not kept of the first source
	at    int      // index of the current value in held
}

func openSources(spec InputSpec) ([]*source, error) {
	specs := spec.Sources
	if len(specs) == 0 {
		specs = []SourceSpec{{Kind: File, File: "-"}}
	}
	var sources []*source
	stdin := false
	for _, s := range specs {
		if s.Kind == Args {
			sources = append(sources, &source{held: s.Args})
			continue
		}
		if s.File == "-" {
			if stdin {
				return sources, errors.New("standard input can be only one input source")
			}
			stdin = true
		}
		l, err := openLines(spec, s.File)
		if err != nil {
			return sources, fmt.Errorf("open input: %w", err)
		}
		sources = append(sources, &source{lines: l})
	}
	return sources, nil
}

func closeSources(sources []*source) {
	for _, s := range sources {
		if s.lines != nil && s.lines.closer != nil {
			s.lines.closer.Close()
		}
	}
}

// product walks through the combinations like an odometer.
type product struct {
	sources []*source
	current []string // the values of the last combination, nil before the first
	seq     int64
	held    int // bytes held, see HeldBytesMax
}

// next gives the next combination, nil at the end.
func (p *product) next() ([]string, error) {
	if p.current == nil {
		return p.first()
	}
	for i := len(p.sources) - 1; i >= 0; i-- {
		v, ok, err := p.advance(i)
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		p.current = append([]string(nil), p.current...)
		p.current[i] = v
		for j := i + 1; j < len(p.sources); j++ {
			p.sources[j].at = 0
			p.current[j] = p.sources[j].held[0]
		}
		return p.current, nil
	}
	return nil, nil
}

func (p *product) first() ([]string, error) {
	found := false
	for i, s := range p.sources {
		s.at = -1
		v, ok, err := p.advance(i)
		if err != nil {
			return nil, err
		}
		if !ok {
			s.held, s.at = []string{""}, 0
		}
		found = found || ok
		p.current = append(p.current, v)
	}
	if !found {
		return nil, nil
	}
	return p.current, nil
}

// advance moves source i to its next value.
func (p *product) advance(i int) (v string, ok bool, err error) {
	s := p.sources[i]
	if s.at+1 < len(s.held) {
		s.at++
		return s.held[s.at], true, nil
	}
	if s.lines == nil {
		return "", false, nil
	}
	v, ok, err = s.lines.next()
	if !ok || err != nil || i == 0 {
		return v, ok, err
	}
	p.held += len(v) + stringBytes
	if p.held > HeldBytesMax {
		return "", false, fmt.Errorf("%s: the input sources behind the first are held in memory, and hold more than %d MiB; put the longest first",
			s.lines.place(), HeldBytesMax>>20)
	}
	s.held = append(s.held, v)
	s.at++
	return v, true, nil
}

// lines reads values, every byte but the terminator.
type lines struct {
	name       string
	r          *bufio.Reader
	closer     io.Closer
	terminator byte
	n          int64 // lines read
	ended      bool
}

func openLines(spec InputSpec, name string) (*lines, error) {
	l := &lines{name: name, terminator: '\n'}
	if spec.Null {
		l.terminator = 0
	}
	if name == "-" {
		l.name = "standard input"
		var r io.Reader = bytes.NewReader(nil)
		if spec.Stdin != nil {
			r = spec.Stdin
		}
		l.r = bufio.NewReaderSize(r, 64<<10)
		return l, nil
	}
	open := spec.Open
	if open == nil {
		open = func(name string) (io.ReadCloser, error) { return os.Open(name) }
	}
	f, err := open(name)
	if err != nil {
		return nil, err
	}
	l.r, l.closer = bufio.NewReaderSize(f, 64<<10), f
	return l, nil
}

// place names the line read last, for errors.
func (l *lines) place() string { return fmt.Sprintf("%s, line %d", l.name, l.n) }

// next reads one value; ok is false at the end.
func (l *lines) next() (v string, ok bool, err error) {
	if l.ended {
		return "", false, nil
	}
	l.n++
	line, err := l.read()
	switch {
	case err == nil:
		line = line[:len(line)-1]
	case errors.Is(err, io.EOF):
		l.ended = true
		if len(line) == 0 {
			return "", false, nil
		}
	default:
		return "", false, fmt.Errorf("%s: %w", l.place(), err)
	}
	if l.terminator != 0 && bytes.IndexByte(line, 0) >= 0 {
		return "", false, fmt.Errorf("%s: a NUL byte, which no argument can hold; is -0 missing?", l.place())
	}
	return string(line), true, nil
}

// read gives the bytes up to and with the terminator, valid until the next call.
func (l *lines) read() ([]byte, error) {
	line, err := l.r.ReadSlice(l.terminator)
	if !errors.Is(err, bufio.ErrBufferFull) {
		return line, err
	}
	long := bytes.Clone(line)
	for errors.Is(err, bufio.ErrBufferFull) {
		line, err = l.r.ReadSlice(l.terminator)
		long = append(long, line...)
		if len(long) > LineBytesMax+1 { // and its terminator
			return nil, fmt.Errorf("longer than %d bytes", LineBytesMax)
		}
	}
	return long, err
}
