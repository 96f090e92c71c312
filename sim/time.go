package sim

import "github.com/tutti-run/tutti/internal/core"

// What internal/core calls them.
type (
	Time         = core.Time         // a moment in ns; a run begins at 0
	Span         = core.Span         // a length of time in ns
	Intensity    = core.Intensity    // how many deaths a pool bears
	WorkerLimits = core.WorkerLimits // the patience of the supervisor
	Halt         = core.Halt         // when a run ends before its tasks do
	HaltWhen     = core.HaltWhen     // how it ends then
	HaltWhy      = core.HaltWhy      // which tasks it counts
	RetryDelay   = core.RetryDelay   // how long a failed task waits before it is tried again
)

// What a [Halt] is made of: its When and its Why.
const (
	HaltNever   = core.HaltNever
	HaltSoon    = core.HaltSoon
	HaltNow     = core.HaltNow
	HaltFail    = core.HaltFail
	HaltSuccess = core.HaltSuccess
	HaltDone    = core.HaltDone
)

// The usual spans.
const (
	Microsecond Span = 1_000
	Millisecond      = core.Millisecond
	Second           = core.Second
	Minute           = core.Minute
	Hour             = core.Hour
)
