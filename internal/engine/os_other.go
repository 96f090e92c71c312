//go:build !linux

package engine

import (
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

func crashFile() (*os.File, error) { return nil, shm.ErrUnsupported }

func segmentFile(*shm.Segment) (*os.File, error) { return nil, shm.ErrUnsupported }

func lifelineFile() *os.File { return os.NewFile(fdLifeline, "lifeline") }
