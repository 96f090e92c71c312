package workload

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
)

// Read reads a workload in either format, which its first line tells, compressed with
// gzip or not.
func Read(in io.Reader, name string, skipBad bool) (*Workload, error) {
	b := bufio.NewReaderSize(in, 64<<10)
	if begin, _ := b.Peek(2); bytes.Equal(begin, []byte{0x1f, 0x8b}) {
		z, err := gzip.NewReader(b)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		b = bufio.NewReaderSize(z, 64<<10)
	}
	begin, err := b.Peek(512)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	var w *Workload
	if IsJobLog(begin) {
		w, err = ReadJobLog(b, name, skipBad)
	} else {
		w, _, err = ReadSWF(b, name, skipBad)
	}
	if err != nil {
		return nil, err
	}
	if len(w.Jobs) == 0 {
		return nil, fmt.Errorf("%s: there are no jobs in it that ran (%d broken lines, %d of unknown length): give a job log, or a trace in the Standard Workload Format", name, w.Bad, w.NoLength)
	}
	return w, nil
}
