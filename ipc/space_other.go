//go:build !linux

package ipc

import "github.com/tutti-run/tutti/shm"

func newKin() kin { return nil }

func openFile(string, int64, Options) (*Space, error) { return nil, ErrUnsupported }

func anonymous(int64, Options) (*Space, error) { return nil, ErrUnsupported }

func memoryOf(*shm.Segment) int64 { return 0 }

// Peek returns ErrUnsupported on this system.
func Peek(string, Options) (Stat, error) { return Stat{}, ErrUnsupported }

// Remove returns ErrUnsupported on this system.
func Remove(string, Options) error { return ErrUnsupported }

// Names returns ErrUnsupported on this system.
func Names(Options) ([]string, error) { return nil, ErrUnsupported }
