package cli

import (
	"encoding/binary"
	"fmt"
	"io"
	"os"

	"github.com/fxamacker/cbor/v2"
	"golang.org/x/sys/unix"

	"github.com/tutti-run/tutti/internal/spool"
)

// sequence puts jobs that have ended into the order of the inputs (-k). What is
// not next waits: up to heldMax bytes in memory, more in two unnamed files, one
// for the jobs and one that says where in it each of them is. So a first job that
// takes hours holds nothing up but the printing, and costs no memory. It is used
// by one goroutine.
type sequence struct {
	next    int64 // the job that is to be printed next
	last    int64 // the highest number that was put in
	held    map[int64]*finished
	bytes   int64 // of held
	heldMax int64

	dir    string
	jobs   *os.File // nil until needed
	index  *os.File // at 16·number: offset and length in jobs; zeros: not there
	end    int64    // of jobs
	filed  int64    // jobs in the files
	spared int64    // up to this offset the index's room was given back
}

// heldMax bounds what waits in memory.
const heldMax = 8 << 20

func newSequence(dir string) *sequence {
	return &sequence{next: 1, held: map[int64]*finished{}, heldMax: heldMax, dir: dir}
}

// cost is about what a job takes while it waits in memory.
func (f *finished) cost() int64 {
	const overhead = 512
	return overhead + int64(len(f.Result.Out.Short)+len(f.Result.Err.Short)+len(f.Key))
}

// put takes in a job that has ended.
func (s *sequence) put(f *finished) error {
	s.last = max(s.last, f.Seq)
	if n := f.cost(); s.bytes+n <= s.heldMax || f.first() == s.next {
		s.held[f.first()] = f
		s.bytes += n
		return nil
	}
	return s.file(f)
}

// take gives the next job if it is there.
func (s *sequence) take() (*finished, error) {
	f, err := s.at(s.next)
	if f == nil || err != nil {
		return nil, err
	}
	s.next = f.Seq + 1
	return f, nil
}

// takeAny gives the next job that is there, over gaps that nothing will fill; nil
// when there is none.
func (s *sequence) takeAny() (*finished, error) {
	for s.next <= s.last {
		f, err := s.at(s.next)
		if err != nil {
			return nil, err
		}
		s.next++
		if f != nil {
			s.next = f.Seq + 1
			return f, nil
		}
	}
	return nil, nil
}

func (s *sequence) at(seq int64) (*finished, error) {
	if f := s.held[seq]; f != nil {
		delete(s.held, seq)
		s.bytes -= f.cost()
		return f, nil
	}
	if s.filed == 0 {
		return nil, nil
	}
	return s.unfile(seq)
}

const indexBytes = 16

// file writes a job to the files.
func (s *sequence) file(f *finished) error {
	if s.jobs == nil {
		jobs, err := spool.OpenUnnamed(s.dir)
		if err != nil {
			return fmt.Errorf("keep output for -k: %w", err)
		}
		index, err := spool.OpenUnnamed(s.dir)
		if err != nil {
			return fmt.Errorf("keep output for -k: %w", err)
		}
		s.jobs, s.index = jobs, index
	}
	b, err := cbor.Marshal(f)
	if err != nil {
		return fmt.Errorf("keep output for -k: %w", err)
	}
	if _, err := s.jobs.WriteAt(b, s.end); err != nil {
		return fmt.Errorf("keep output for -k: %w", spool.Fault(err))
	}
	var place [indexBytes]byte
	binary.NativeEndian.PutUint64(place[:], uint64(s.end))
	binary.NativeEndian.PutUint64(place[8:], uint64(len(b)))
	if _, err := s.index.WriteAt(place[:], f.first()*indexBytes); err != nil {
		return fmt.Errorf("keep output for -k: %w", spool.Fault(err))
	}
	s.end += int64(len(b))
	s.filed++
	return nil
}

// unfile reads a job back, nil if it is not there.
func (s *sequence) unfile(seq int64) (*finished, error) {
	var place [indexBytes]byte
	if n, err := s.index.ReadAt(place[:], seq*indexBytes); err != nil {
		if err == io.EOF && n == 0 {
			return nil, nil
		}
		return nil, fmt.Errorf("read back output for -k: %w", err)
	}
	at, n := int64(binary.NativeEndian.Uint64(place[:])), int64(binary.NativeEndian.Uint64(place[8:]))
	if n == 0 {
		return nil, nil
	}
	b := make([]byte, n)
	if _, err := s.jobs.ReadAt(b, at); err != nil {
		return nil, fmt.Errorf("read back output for -k: %w", err)
	}
	f := new(finished)
	if err := stored.Unmarshal(b, f); err != nil {
		return nil, fmt.Errorf("read back output for -k: %w", err)
	}
	s.filed--
	s.spare(seq, at, n)
	return f, nil
}

// spareBytes is how much of the index is given back at a time.
const spareBytes = 1 << 20

// spare gives room back: of the job that was read all whole pages, and of the
// index what lies behind.
func (s *sequence) spare(seq, off, size int64) {
	if s.filed == 0 { // all is read: begin again
		_ = s.jobs.Truncate(0)
		s.end = 0
		return
	}
	const page = 4096 - 1
	if from, to := (off+page)&^page, (off+size)&^page; to > from {
		punch(s.jobs, from, to-from)
	}
	if done := seq * indexBytes; done-s.spared >= spareBytes {
		punch(s.index, s.spared, done-s.spared)
		s.spared = done
	}
}

// punch gives the room of a range back. A file system that cannot do it keeps the
// room until the run has ended.
func punch(f *os.File, off, size int64) {
	_ = unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, off, size)
}

// stored reads what file wrote: names and output hold any bytes.
var stored = must(cbor.DecOptions{UTF8: cbor.UTF8DecodeInvalid, MaxArrayElements: 1<<31 - 1}.DecMode())

func must[T any](v T, err error) T {
	if err != nil {
		panic("cli: " + err.Error())
	}
	return v
}
