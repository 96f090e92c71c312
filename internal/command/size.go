package command

import (
	"fmt"
	"strings"
)

// What execve(2) takes on Linux. The total is a quarter of the usual 8 MiB stack
// limit and includes the environment, which is why it is not used up here: a
// command that still is too long for its environment fails when it is started.
const (
	ArgBytesMax  = 128<<10 - 1 // MAX_ARG_STRLEN less the final NUL: one argument, or a whole text for the shell
	ArgsBytesMax = 2<<20 - 128<<10
)

// slotDigits is the most that {%} can grow when the slot is filled in.
const slotDigits = 10

// SizeError says that a job's command line is longer than Linux can start.
type SizeError struct {
	Seq       int64
	Bytes     int  // what the job wants
	BytesMax  int  // what there may be
	WholeLine bool // the whole command is too long, not one argument of it
}

func (e *SizeError) Error() string {
	what := "an argument"
	if e.WholeLine {
		what = "the command line"
	}
	return fmt.Sprintf("job %d: %s is %d bytes long and Linux takes at most %d; "+
		"write the values into a file and pass the file's name", e.Seq, what, e.Bytes, e.BytesMax)
}

// checkSize compares r with what the system takes.
func (r Rendered) checkSize(seq int64) error {
	_, argv := r.Exec()
	total := 0
	for _, a := range argv {
		n := len(a) + slotDigits*strings.Count(a, slotMark)
		if n > ArgBytesMax {
			return &SizeError{Seq: seq, Bytes: n, BytesMax: ArgBytesMax, WholeLine: r.Argv == nil}
		}
		total += n + 1 + 8 // its final NUL and its pointer count too
	}
	if total > ArgsBytesMax {
		return &SizeError{Seq: seq, Bytes: total, BytesMax: ArgsBytesMax, WholeLine: true}
	}
	return nil
}
