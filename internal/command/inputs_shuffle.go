package command

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
)

// spool holds records so that they can be read in any order: in memory, and in
// a file without a name once they are many. An index of eight bytes a record is
// always in memory.
type spool struct {
	dir     string
	most    int // bytes kept in memory
	memory  []byte
	file    *os.File // nil while all is in memory
	w       *bufio.Writer
	written int64
	starts  []int64 // where each record begins
}

func newSpool(dir string, most int) *spool { return &spool{dir: dir, most: most} }

// fill takes all records of next.
func (s *spool) fill(next func() ([]string, error)) error {
	var buf []byte
	for {
		record, err := next()
		if err != nil {
			return err
		}
		if record == nil {
			break
		}
		s.starts = append(s.starts, s.written)
		buf = encodeRecord(buf[:0], record)
		if err := s.write(buf); err != nil {
			return spoolError(err)
		}
	}
	if s.w != nil {
		if err := s.w.Flush(); err != nil {
			return spoolError(err)
		}
	}
	return nil
}

func (s *spool) write(p []byte) error {
	s.written += int64(len(p))
	if s.file == nil && len(s.memory)+len(p) <= s.most {
		s.memory = append(s.memory, p...)
		return nil
	}
	if s.file == nil {
		f, err := os.CreateTemp(s.dir, "tutti-shuffle-*")
		if err != nil {
			return err
		}
		s.file, s.w = f, bufio.NewWriterSize(f, 256<<10)
		// Without a name nothing is left behind, however this process ends.
		// A system that keeps the names of open files is served by close.
		_ = os.Remove(f.Name())
		if _, err := s.w.Write(s.memory); err != nil {
			return err
		}
		s.memory = nil
	}
	_, err := s.w.Write(p)
	return err
}

func spoolError(err error) error {
	return fmt.Errorf("shuffle inputs: %w; free some space or name another folder with --tmpdir", err)
}

// shuffled gives a function that gives every record once in an order that the
// seed decides, nil at the end.
func (s *spool) shuffled(seed uint64) func() ([]string, error) {
	r := rand.New(rand.NewPCG(seed, 0))
	left := s.starts
	return func() ([]string, error) {
		if len(left) == 0 {
			return nil, nil
		}
		i := r.IntN(len(left))
		start := left[i]
		left[i] = left[len(left)-1]
		left = left[:len(left)-1]
		record, err := s.at(start)
		if err != nil {
			return nil, fmt.Errorf("shuffle inputs: read them back: %w", err)
		}
		return record, nil
	}
}

// at reads the record that begins at start.
func (s *spool) at(start int64) ([]string, error) {
	if s.file == nil {
		size, n := binary.Uvarint(s.memory[start:])
		body := s.memory[start+int64(n):]
		return decodeRecord(body[:size])
	}
	var head [binary.MaxVarintLen64]byte
	got, err := s.file.ReadAt(head[:], start)
	size, n := binary.Uvarint(head[:got])
	if n <= 0 || size > uint64(s.written) {
		return nil, errors.Join(err, io.ErrUnexpectedEOF)
	}
	body := make([]byte, size)
	if _, err := s.file.ReadAt(body, start+int64(n)); err != nil {
		return nil, err
	}
	return decodeRecord(body)
}

func (s *spool) close() error {
	if s.file == nil {
		return nil
	}
	err := s.file.Close()
	_ = os.Remove(s.file.Name())
	return err
}

// encodeRecord appends a record: the size of what follows, the number of values,
// and each with its length before it.
func encodeRecord(to []byte, record []string) []byte {
	body := binary.AppendUvarint(nil, uint64(len(record)))
	for _, v := range record {
		body = binary.AppendUvarint(body, uint64(len(v)))
		body = append(body, v...)
	}
	return append(binary.AppendUvarint(to, uint64(len(body))), body...)
}

func decodeRecord(body []byte) ([]string, error) {
	count, n := binary.Uvarint(body)
	if n <= 0 || count > uint64(len(body)) {
		return nil, io.ErrUnexpectedEOF
	}
	body = body[n:]
	record := make([]string, count)
	for i := range record {
		size, n := binary.Uvarint(body)
		if n <= 0 || size > uint64(len(body)-n) {
			return nil, io.ErrUnexpectedEOF
		}
		record[i] = string(body[n : n+int(size)])
		body = body[n+int(size):]
	}
	return record, nil
}
