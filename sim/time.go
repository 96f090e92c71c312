package sim

import "github.com/tutti-run/tutti/internal/core"

// What internal/core calls them.
type (
	Time         = core.Time         // a moment in ns; a run begins at 0
	Span         = core.Span         // a length of time in ns
	Intensity    = core.Intensity    // how many deaths a pool bears
	WorkerLimits = core.WorkerLimits // the patience of the supervisor
)

// The usual spans.
const (
	Microsecond Span = 1_000
	Millisecond      = core.Millisecond
	Second           = core.Second
	Minute           = core.Minute
	Hour             = core.Hour
)
