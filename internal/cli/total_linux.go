package cli

import (
	"fmt"
	"io"
	"math"
	"os"

	"github.com/tutti-run/tutti/internal/command"
	"github.com/tutti-run/tutti/internal/spool"
)

// keeper copies inputs that can be read only once into unnamed files.
type keeper struct {
	stdin  io.Reader
	copies map[string]*os.File
}

// rereadable is spec with inputs that can be read again and again.
func (k *keeper) rereadable(spec command.InputSpec) command.InputSpec {
	spec.Open = func(name string) (io.ReadCloser, error) { return k.open(name) }
	spec.Stdin = &late{open: func() (io.Reader, error) { return k.open("-") }}
	return spec
}

func (k *keeper) open(name string) (io.ReadCloser, error) {
	if name != "-" && isPlainFile(name) {
		return os.Open(name)
	}
	if k.copies[name] == nil {
		f, err := k.copy(name)
		if err != nil {
			return nil, fmt.Errorf("keep the inputs to count them: %w", err)
		}
		k.copies[name] = f
	}
	return io.NopCloser(io.NewSectionReader(k.copies[name], 0, math.MaxInt64)), nil
}

func (k *keeper) copy(name string) (*os.File, error) {
	from := k.stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		from = f
	}
	to, err := spool.OpenUnnamed(os.TempDir())
	if err != nil {
		return nil, err
	}
	if _, err := io.Copy(to, from); err != nil {
		return nil, spool.Fault(err)
	}
	return to, nil
}

// late opens what it reads at the first read.
type late struct {
	open func() (io.Reader, error)
	from io.Reader
}

func (l *late) Read(p []byte) (n int, err error) {
	if l.from == nil {
		if l.from, err = l.open(); err != nil {
			return 0, err
		}
	}
	return l.from.Read(p)
}
