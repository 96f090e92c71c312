package tutti

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"github.com/tutti-run/tutti/internal/engine"
	"github.com/tutti-run/tutti/topo"
)

// Spare is a worker process that was started before its pool: see [StartSpare].
type Spare struct{ spare *engine.Spare }

// StartSpare starts a process that becomes the first worker of a pool which is to be
// opened with c and it, as [Config.Spare]. A worker takes a few milliseconds to start,
// longer than a pool takes to be laid out, and as long as many a program takes to find
// out what there is to do: so both can go on at once. c need not be what the pool is
// opened with: a spare whose environment, or Files, do not fit ends, and another process
// takes its place. It has the folder, the limits and the CPUs that this process has now,
// and its Files only from Main on. A pool that has Groups has no use for one.
func StartSpare(c Config) (*Spare, error) {
	if !mainCalled.Load() {
		return nil, ErrNoMain
	}
	if len(c.Groups) > 0 {
		return nil, errors.New("tutti: start a spare worker: a pool that has groups does not take one")
	}
	env, threads := c.Env, 1 // as most pools have: then there is nothing to look up
	if env == nil || c.Workers > 0 {
		machine, err := c.look(context.Background())
		if err != nil {
			return nil, err
		}
		cfg, err := c.engine(machine, registeredNames())
		if err != nil {
			return nil, err
		}
		env, threads = cfg.Env, cfg.ThreadsEach()
	}
	s, err := engine.StartSpare(env, threads)
	if err != nil {
		return nil, fmt.Errorf("tutti: %w", err)
	}
	return &Spare{s}, nil
}

// PID is the process number; 0 once a pool has it, or it is closed.
func (s *Spare) PID() int { return s.spare.PID() }

// Close ends the process, unless a pool has it. It may be called more than once, and of
// a nil Spare.
func (s *Spare) Close() {
	if s != nil {
		s.spare.Close()
	}
}

// look is what a pool has to know of this machine; an error where there can be none.
func (c *Config) look(ctx context.Context) (*topo.Machine, error) {
	if !mainCalled.Load() {
		return nil, ErrNoMain
	}
	if runtime.GOOS != "linux" {
		return nil, ErrUnsupported
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("tutti: open pool: %w", context.Cause(ctx))
	}
	look := topo.Limits
	if c.Pin || len(c.Groups) > 0 {
		look = topo.Detect
	}
	machine, err := look()
	if err != nil {
		return nil, fmt.Errorf("tutti: %w", err)
	}
	return machine, nil
}
