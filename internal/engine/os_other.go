//go:build !linux

package engine

import (
	"errors"
	"os"
	"syscall"
	"time"

	"github.com/tutti-run/tutti/shm"
)

const (
	sigQuit = syscall.Signal(3)
	sigKill = syscall.Signal(9)
)

var clockStart = time.Now()

func now() int64 { return int64(time.Since(clockStart)) }

func yield() {}

func limitMemory(int64) error { return shm.ErrUnsupported }

func crashFile() (*os.File, error) { return nil, shm.ErrUnsupported }

func segmentFile(*shm.Segment) (*os.File, error) { return nil, shm.ErrUnsupported }

func lifelineFile() *os.File { return os.NewFile(fdLifeline, "lifeline") }

var errNothingNow = errors.New("nothing to read now")

func readNow(*os.File, []byte) (int, error) { return 0, shm.ErrUnsupported }
