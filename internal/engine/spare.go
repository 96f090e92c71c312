package engine

import (
	"fmt"
	"os"
	"slices"

	"github.com/tutti-run/tutti/internal/proc"
)

// Spare is a process that is started before its pool is laid out, to be the first worker:
// so a program's start, which takes longer than laying out the pool, goes on beside
// whatever comes before [Open].
type Spare struct {
	spare *proc.Spare
	env   []string
}

// roleless is what a spare process has in the variable marker.
const roleless = "spare"

// StartSpare starts a spare process. env is its pool's Config.Env, threads its
// Config.Threads: with another environment the pool has no use for it, with other
// threads it has to change theirs.
func StartSpare(env []string, threads int) (*Spare, error) {
	with, _ := withProcs(env, threads)
	s, err := proc.StartSpare(proc.Spec{
		Path: proc.Self(), Name: os.Args[0], Env: append(with, marker+"="+roleless), OOMScoreAdj: oomScore(),
	})
	if err != nil {
		return nil, fmt.Errorf("start a spare worker: %w", err)
	}
	return &Spare{s, slices.Clone(env)}, nil
}

// PID is the process number; 0 once a pool has it, or it is closed.
func (s *Spare) PID() int { return s.spare.PID() }

// Close ends the process unless a pool has it. A nil one needs no Close.
func (s *Spare) Close() {
	if s != nil {
		_ = s.spare.Close()
	}
}

// become has the process be the worker that spec and born describe; nil where it cannot,
// and is gone: another is to be started.
func (s *Spare) become(spec proc.Spec, env []string, born birth) *proc.Process {
	if s == nil {
		return nil
	}
	if !slices.Equal(env, s.env) {
		s.Close()
		return nil
	}
	p, err := s.spare.Become(born.String(), spec)
	if err != nil {
		return nil
	}
	return p
}

// awaitRole is the mark of the worker that this spare process is to be.
func awaitRole() (mark string, err error) {
	mark, ok, err := proc.AwaitRole()
	if err == nil && !ok {
		os.Exit(exitLeft) // nobody needs it
	}
	return mark, err
}
