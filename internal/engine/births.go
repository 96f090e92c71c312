package engine

import (
	"math"
	"runtime"

	"github.com/tutti-run/tutti/internal/core"
)

// busyAnyhow is how many CPUs are taken until a pool's first task runs: by the master and
// by the worker that gets it.
const busyAnyhow = 2

// firstAlone is how long others wait for the first worker at most: it may be stopped.
const firstAlone = 100 * core.Millisecond

// begin has workers start that have not, and returns those whose time has not come, and
// when it will have. With Config.Early the first goes before: a start takes a CPU for a
// millisecond or two, by which the first task would be later, so that others start at once
// only as there are CPUs for them, and the rest when it is taken, or that worker has died.
func (s *supervisor) begin(unborn []*child, at core.Time) (left []*child, next core.Time) {
	first, room := s.kids[1], len(unborn)
	switch {
	case !s.cfg.Early:
	case len(unborn) == len(s.kids)-1:
		s.alone = at + core.Time(firstAlone)
		room = 1 + max(runtime.GOMAXPROCS(0)-busyAnyhow, 0)
	case at >= s.alone:
	case first.core.State() == core.Starting,
		first.core.State() == core.Ready && first.core.Epoch() == 1 && s.m.slot[1].taken.Load() == 0:
		room = 0
	}
	room = min(room, len(unborn))
	for _, k := range unborn[:room] {
		s.step(k, core.Event{Kind: core.Start})
	}
	if room == len(unborn) {
		return nil, math.MaxInt64
	}
	return unborn[room:], s.alone
}
