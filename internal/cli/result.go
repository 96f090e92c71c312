package cli

import (
	"github.com/tutti-run/tutti/internal/core"
	"github.com/tutti-run/tutti/internal/proc"
	"github.com/tutti-run/tutti/internal/spool"
	"github.com/tutti-run/tutti/internal/tune"
)

// call is a command on its way to a worker.
type call struct {
	Ticket uint64   `cbor:"1,keyasint"` // of this start, never given twice in a run
	Seq    int64    `cbor:"2,keyasint"`
	Argv   []string `cbor:"3,keyasint,omitempty"`
	Path   string   `cbor:"4,keyasint,omitempty"` // Path, Shell and Display as in command.Rendered
	Shell  string   `cbor:"5,keyasint,omitempty"`
	// Display is sent only where the slot is still to be filled in.
	Display   string   `cbor:"6,keyasint,omitempty"`
	Mark      mark     `cbor:"7,keyasint,omitempty"`
	Dir       string   `cbor:"8,keyasint,omitempty"`
	TimeoutNs int64    `cbor:"9,keyasint,omitempty"`
	Input     *intake  `cbor:"10,keyasint,omitempty"`
	Slot      int      `cbor:"11,keyasint,omitempty"` // from 1; 0: the worker's lane
	Talks     bool     `cbor:"12,keyasint,omitempty"` // it is a program of --persistent: its standard files come by its slot's socket
	Env       []string `cbor:"13,keyasint,omitempty"` // NAME=value, before what it would have
}

// mark is what stands at the begin and at the end of each line of a command's
// output. The slot may be open in it, see command.FillSlot.
type mark struct {
	Before string `cbor:"1,keyasint,omitempty"`
	After  string `cbor:"2,keyasint,omitempty"`
}

// howEnded says how a command came to its end.
type howEnded uint8

const (
	endedItself howEnded = iota
	timedOut
	stopped    // the run was ended while it ran
	notStarted // the run was ended before
	lost       // its worker died
	evicted    // it was ended because memory is short, and is to be run again
	unmet      // it was not run, since what it waits for failed
)

// result is what became of a command.
type result struct {
	How     howEnded     `cbor:"1,keyasint,omitempty"`
	Exit    int          `cbor:"2,keyasint,omitempty"` // as a shell shows it; -1 where there is none
	Signal  int          `cbor:"3,keyasint,omitempty"`
	Start   int64        `cbor:"4,keyasint,omitempty"` // ns since 1970
	Runtime int64        `cbor:"5,keyasint,omitempty"` // ns
	CPU     int64        `cbor:"6,keyasint,omitempty"` // ns, of the command and what it waited for
	Out     captured     `cbor:"7,keyasint,omitempty"`
	Err     captured     `cbor:"8,keyasint,omitempty"`
	Fault   string       `cbor:"9,keyasint,omitempty"` // what went wrong beside the command itself
	Strays  []proc.Stray `cbor:"10,keyasint,omitempty"`
	Slot    int          `cbor:"11,keyasint,omitempty"` // from 1
	Sent    int64        `cbor:"12,keyasint,omitempty"` // bytes given to its standard input
	Wrote   int64        `cbor:"13,keyasint,omitempty"` // bytes of its standard output, without what marks lines
	OOM     bool         `cbor:"14,keyasint,omitempty"` // it was killed as memory ran out
	Memory  int64        `cbor:"15,keyasint,omitempty"` // bytes: the most that one of its processes held; 0: not known
	Usage   *tune.Usage  `cbor:"16,keyasint,omitempty"` // where it was asked for
}

// captured is what a command wrote to one stream, as it is to be printed: all of
// it in Short, or in the spool.
type captured struct {
	Short []byte    `cbor:"1,keyasint,omitempty"`
	Ref   spool.Ref `cbor:"2,keyasint,omitempty"`
}

func (c *captured) size() int64 { return int64(len(c.Short)) + c.Ref.Size }

// shortMax is the longest output that travels with the result and not through
// the spool.
const shortMax = 4 << 10

// ok reports whether the command succeeded and its output is whole.
func (r *result) ok() bool {
	return r.How == endedItself && r.Exit == 0 && r.Signal == 0 && r.Fault == ""
}

// status is the exit status that decides about halting: as a shell shows it.
func (r *result) status() int {
	if r.How != endedItself || r.Exit == 0 && !r.ok() {
		return -1
	}
	return r.Exit
}

// logged are the columns Exitval and Signal of the job log: a command that was
// killed has the signal and no exit value, one that had to be ended has -1.
func (r *result) logged() (exit, signal int) {
	switch {
	case r.How != endedItself || r.Exit == 0 && r.Fault != "":
		return -1, r.Signal
	case r.Signal != 0:
		return 0, r.Signal
	}
	return r.Exit, 0
}

// end is how an attempt ended, for the decision about another.
func (r *result) end() core.AttemptEnd {
	e := core.AttemptEnd{End: core.CommandFailed, Exit: r.Exit, Signal: r.Signal, OOM: r.OOM}
	switch {
	case r.How == timedOut:
		e.End = core.CommandTimedOut
	case r.How == stopped, r.How == notStarted:
		e.End = core.CommandStopped
	case r.How == lost:
		e.End = core.CommandLost
	case r.How == evicted: // the signal is ours
		e.Exit, e.Signal, e.OOM = 0, 0, true
	case r.ok():
		e.End = core.CommandOK
	}
	return e
}
