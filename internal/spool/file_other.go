//go:build !linux

package spool

import (
	"errors"
	"os"
)

// OpenUnnamed needs Linux.
func OpenUnnamed(dir string) (*os.File, error) { return nil, errors.ErrUnsupported }

func (s *Store) punch(off, size int64) {}
