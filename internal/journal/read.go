package journal

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
)

// ErrNotJobLog says that a file is something else than a job log.
var ErrNotJobLog = errors.New("not a job log")

// TornError says that a log ends within a line: the writer was killed, or the
// power cut, while it wrote. What stands before is whole.
type TornError struct {
	Line   int64 // the number of the torn line, from 1 (the header)
	Offset int64 // where it begins, in bytes
	Bytes  int64 // how much of it there is
}

func (e *TornError) Error() string {
	return fmt.Sprintf("line %d is torn: %d bytes without a newline", e.Line, e.Bytes)
}

// Read gives the entries of a log in the order they were written. An error ends
// the sequence and is its last pair: a *TornError where the log ends within a
// line, ErrNotJobLog where the header is another one, else what is wrong with
// which line. An empty log has no entries.
func Read(r io.Reader) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		l := lineReader{r: bufio.NewReaderSize(r, 64<<10)}
		for {
			at := l.offset
			line, err := l.next()
			if errors.Is(err, io.EOF) {
				if len(line) > 0 {
					yield(Entry{}, tornOrForeign(l.n, at, line))
				}
				return
			}
			if err == nil && l.n == 1 {
				if string(line)+"\n" != header {
					yield(Entry{}, ErrNotJobLog)
					return
				}
				continue
			}
			var e Entry
			if err == nil {
				e, err = ParseEntry(line)
			}
			if err != nil {
				yield(Entry{}, fmt.Errorf("line %d: %w", l.n, err))
				return
			}
			if !yield(e, nil) {
				return
			}
		}
	}
}

// tornOrForeign judges a last line without newline. A first one is only ours if
// the header begins like it: nobody's file is to be cut because it is not a log.
func tornOrForeign(n, offset int64, line []byte) error {
	if n == 1 && !strings.HasPrefix(header, string(line)) {
		return ErrNotJobLog
	}
	return &TornError{Line: n, Offset: offset, Bytes: int64(len(line))}
}

// lineReader reads lines of at most lineBytesMax.
type lineReader struct {
	r      *bufio.Reader
	n      int64 // lines begun
	offset int64 // bytes read
}

// next gives the next line without its newline, valid until the next call; with
// io.EOF what stands behind the last newline.
func (l *lineReader) next() ([]byte, error) {
	l.n++
	line, err := l.r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		long := bytes.Clone(line)
		for errors.Is(err, bufio.ErrBufferFull) {
			line, err = l.r.ReadSlice('\n')
			long = append(long, line...)
			if len(long) > lineBytesMax {
				return nil, fmt.Errorf("longer than %d bytes", lineBytesMax)
			}
		}
		line = long
	}
	l.offset += int64(len(line))
	if err == nil {
		line = line[:len(line)-1]
	}
	return line, err
}
