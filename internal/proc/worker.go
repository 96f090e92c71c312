package proc

import (
	"errors"
	"os"
)

// ErrEnding is returned by Start and Run after KillAllChildren was called: a
// process that is ending its children starts no more of them.
var ErrEnding = errors.New("this process is ending its children")

// Spec says how to start a worker process.
type Spec struct {
	// Path is the executable; see Self.
	Path string
	// Name is argv[0]; empty means Path.
	Name string
	// Args are the arguments after argv[0].
	Args []string
	// Env is the whole environment; nil means that of this process.
	Env []string
	// Dir is the working directory; empty means that of this process.
	Dir string
	// Stdin, Stdout and Stderr become descriptors 0 to 2; nil means /dev/null.
	// As with os.File.Fd, a file in non-blocking mode is made blocking.
	Stdin, Stdout, Stderr *os.File
	// Extra become descriptors 3 and up, in order; a nil entry leaves its number
	// closed.
	Extra []*os.File
	// SameGroup leaves the process in the process group of this one.
	SameGroup bool
	// OOMScoreAdj is written to oom_score_adj (-1000 to 1000); 0 leaves it as it
	// is inherited.
	OOMScoreAdj int
}

// Self is a path that starts this executable again, also after the file was
// replaced or deleted. It holds on Linux alone.
func Self() string { return "/proc/self/exe" }
