package cli

import (
	"bytes"

	"github.com/tutti-run/tutti/internal/command"
	"github.com/tutti-run/tutti/internal/history"
	"github.com/tutti-run/tutti/internal/progress"
)

// job is one input on its way through a run.
type job struct {
	seq      int64
	attempt  int64 // from 1
	args     []string
	rendered command.Rendered
	line     string // for the program of --persistent
	mark     mark
	tag      string // slot open
	dir      string // to run in; "" ours
	env      []string
	results  string // --results with the job's values in it
	input    *intake
	fixtures []fixture // made for it
	skip     bool      // not to be run
	span     int64     // it stands for so many before it, too, which are to be skipped as well
	absent   bool      // nor to be counted: there is no such job
	fault    error     // why it cannot be started; or, of number 0, why the inputs end here

	priority int64  // the higher the more urgent
	turn     uint64 // in the rotor

	grant  *grant // what it has of the stock, until it ends
	ticket uint64 // of its last start
	slot   int    // likewise, from 1; 0: its worker's

	size  int64         // bytes of the files that its inputs name; 0: none, or not looked at
	key   history.Key   // what it is known by from earlier runs; zero: not looked up
	guess history.Guess // how long it will take
	waits int           // bytes that it takes in the foresight's window
	over  bool          // guarded by the foresight
}

// intake is what a command reads: pieces of files, one after the other, on its
// standard input, or in a file or named pipe of its own.
type intake struct {
	Head   []byte  `cbor:"1,keyasint,omitempty"` // before all else
	Pieces []piece `cbor:"2,keyasint,omitempty"`
	Path   string  `cbor:"3,keyasint,omitempty"` // --cat, --fifo: where; "": standard input
	Fifo   bool    `cbor:"4,keyasint,omitempty"`
	Slot   int     `cbor:"5,keyasint,omitempty"` // from 1: reads the slot's own pipe, which the master fills
}

// piece is a range of a file: 0 is the memory with blocks, n the n-th of
// setup.Files.
type piece struct {
	File int   `cbor:"1,keyasint,omitempty"`
	Off  int64 `cbor:"2,keyasint,omitempty"`
	Len  int64 `cbor:"3,keyasint,omitempty"`
}

// lines is text with each line marked.
func (m mark) lines(text []byte) []byte {
	marked := make([]byte, 0, len(text)+len(m.Before)+len(m.After))
	for line := range bytes.Lines(text) {
		line, ended := bytes.CutSuffix(line, []byte("\n"))
		marked = append(append(append(marked, m.Before...), line...), m.After...)
		if ended {
			marked = append(marked, '\n')
		}
	}
	return marked
}

// markOf is what each line of a job's output begins and ends with.
func (p *plan) markOf(j *job) mark {
	var m mark
	if p.TagString != "" {
		m.Before = j.tag + "\t"
	}
	if p.Color {
		on, off := progress.Color(j.seq)
		m.Before, m.After = on+m.Before, off
	}
	return m
}
