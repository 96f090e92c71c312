package engine

import (
	"runtime"

	"github.com/tutti-run/tutti/internal/core"
)

// busyAnyhow is how many CPUs are taken until a pool's first task runs: by the master and
// by the worker that gets it.
const busyAnyhow = 2

// begin has workers start that have not, and returns those whose time has not come. With
// Config.Early the first goes before: a start takes a CPU for a millisecond or two, by
// which the first task would be later, so that others start at once only as there are
// CPUs for them, and the rest when it is taken, or that worker has died.
func (s *supervisor) begin(unborn []*child) (left []*child) {
	first, room := s.kids[1], len(unborn)
	switch {
	case !s.cfg.Early:
	case len(unborn) == len(s.kids)-1:
		room = 1 + max(runtime.GOMAXPROCS(0)-busyAnyhow, 0)
	case first.core.State() == core.Starting,
		first.core.State() == core.Ready && first.core.Epoch() == 1 && s.m.slot[1].taken.Load() == 0:
		room = 0
	}
	room = min(room, len(unborn))
	for _, k := range unborn[:room] {
		s.step(k, core.Event{Kind: core.Start})
	}
	return unborn[room:]
}
