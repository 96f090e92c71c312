package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tutti-run/tutti/ipc"
)

// Bytes from one process's memory into another's: a stream, and what it is compared with.

const (
	ipcStreamRoom = 4 * ipcPiece
	// barePiece is how much at a time goes through the bare ring: as a stream's Write
	// hands it on.
	barePiece = 128 << 10
)

func readStream(s *ipc.Space) error {
	st, err := s.Stream("bytes", ipcStreamRoom)
	if err != nil {
		return err
	}
	r, err := st.Reader(context.Background())
	if err != nil {
		return err
	}
	into := make([]byte, ipcPiece)
	for {
		if _, err := io.ReadFull(r, into); err == io.EOF {
			over, err := s.Event("over")
			if err == nil {
				over.Set()
			}
			return err
		} else if err != nil {
			return err
		}
	}
}

// streamRate is how fast messages of 1 MiB go to the other process: written from the
// caller's memory, read into that of the other. laps go round the ring before that: in
// the first both find memory that neither has in its cache.
func streamRate(n, laps int64) func(context.Context) (figure, error) {
	return func(ctx context.Context) (figure, error) {
		first := func(s *ipc.Space) error {
			_, err := s.Stream("bytes", ipcStreamRoom)
			return err
		}
		return withIPC(aCPUEach, "ipc-read", first, func(s *ipc.Space, _ *echo) (figure, error) {
			st, err := s.Stream("bytes", 0)
			if err != nil {
				return figure{}, err
			}
			w, err := st.Writer(ctx)
			if err != nil {
				return figure{}, err
			}
			over, err := s.Event("over")
			if err != nil {
				return figure{}, err
			}
			piece := writtenPiece()
			var begin time.Time
			for i := range n + laps*ipcStreamRoom/ipcPiece {
				if i == laps*ipcStreamRoom/ipcPiece {
					begin = time.Now()
				}
				if _, err := w.Write(piece); err != nil {
					return figure{}, err
				}
			}
			err = errors.Join(w.End(), over.Wait(ctx))
			return figure{value: gibPerSecondOf(n*ipcPiece, time.Since(begin))}, err
		})
	}
}

// writtenPiece is memory of its own: what was never written to is one page of zeroes.
func writtenPiece() []byte {
	b := make([]byte, ipcPiece)
	for i := range b {
		b[i] = byte(i)
	}
	return b
}

// copyRate is a bare copy of 1 MiB, over and over.
func copyRate(n int64) func(context.Context) (figure, error) {
	return func(context.Context) (figure, error) {
		from, to := writtenPiece(), make([]byte, ipcPiece)
		copy(to, from) // touches both
		begin := time.Now()
		for range n {
			copy(to, from)
		}
		return figure{value: gibPerSecondOf(n*ipcPiece, time.Since(begin))}, nil
	}
}

// ring is the memory behind the rally's page, in which both sides count pieces: how many
// have been written in ask, how many have been read in reply.
func (m memory) ring(piece uint32) []byte {
	at := int(piece) * barePiece % ipcStreamRoom
	return m[pageSize+at:][:barePiece]
}

// ringRate is streamRate with nothing around the two copies but a count that each side
// polls: how fast bytes get from the cache of one CPU into that of another, which
// depends on which two they are.
func ringRate(n int64) func(context.Context) (figure, error) {
	const inRing, inMessage = ipcStreamRoom / barePiece, ipcPiece / barePiece
	return withOther(aCPUEach, "ring-read", ipcStreamRoom, func(m memory) (figure, error) {
		from, r, pieces := writtenPiece(), m.rally(), uint32(n)*inMessage
		begin := time.Now()
		for i := range pieces {
			for i-r.reply.Load() >= inRing {
			}
			copy(m.ring(i), from[i%inMessage*barePiece:])
			r.ask.Store(i + 1)
		}
		for r.reply.Load() != pieces {
		}
		took := time.Since(begin)
		r.ask.Store(over)
		return figure{value: gibPerSecondOf(n*ipcPiece, took)}, nil
	})
}

func readRing(m memory) {
	into, r := writtenPiece(), m.rally()
	for i := uint32(0); ; i++ {
		for r.ask.Load() == i {
		}
		if r.ask.Load() == over {
			return
		}
		copy(into[int(i)*barePiece%ipcPiece:], m.ring(i))
		r.reply.Store(i + 1)
	}
}

// readPipe reads what comes behind the byte that it answers.
func readPipe() error {
	var b [1]byte
	if _, err := unix.Read(3, b[:]); err != nil {
		return err
	}
	if _, err := unix.Write(4, b[:]); err != nil {
		return err
	}
	into := make([]byte, ipcPiece)
	for {
		if n, err := unix.Read(3, into); n == 0 || err != nil && err != unix.EINTR {
			return err
		}
	}
}

// pipeRate is streamRate through a pipe, with blocking system calls; its end is the
// end of the process that reads.
func pipeRate(n int64) func(context.Context) (figure, error) {
	return func(context.Context) (figure, error) {
		other, err := startEcho("pipe-read")
		if err != nil {
			return figure{}, err
		}
		defer other.stop()
		if err := other.hello(); err != nil {
			return figure{}, err
		}
		restore, err := aCPUEach.place(other)
		if err != nil {
			return figure{}, err
		}
		defer restore()
		fd, piece := int(other.ask.Fd()), writtenPiece()
		begin := time.Now()
		for range n {
			for at := 0; at < ipcPiece; {
				got, err := unix.Write(fd, piece[at:])
				if err != nil && err != unix.EINTR {
					return figure{}, err
				}
				at += max(got, 0)
			}
		}
		if err := other.ask.Close(); err != nil {
			return figure{}, err
		}
		var b [1]byte
		if _, err := other.hear.Read(b[:]); err != io.EOF && !errors.Is(err, os.ErrClosed) {
			return figure{}, fmt.Errorf("the reader said more than its end: %w", err)
		}
		return figure{value: gibPerSecondOf(n*ipcPiece, time.Since(begin))}, nil
	}
}

func gibPerSecondOf(bytes int64, took time.Duration) float64 {
	return float64(bytes) / (1 << 30) / took.Seconds()
}
