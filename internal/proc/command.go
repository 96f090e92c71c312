package proc

import (
	"errors"
	"os"
	"syscall"
	"time"
)

// MarkVariable names the variable that Run puts into a command's environment, so
// that the command's orphans can be told from those of others. Its value is a
// path of marks, the innermost last.
const MarkVariable = "TUTTI_JOB"

// DefaultMemoryMax is how much of each stream is kept in memory when
// Command.MemoryMax is 0, in bytes.
const DefaultMemoryMax = 1 << 20

var (
	// ErrNotFound is wrapped by StartErr when the command, its interpreter or a
	// folder on its way does not exist; the exit code is 127, as in a shell.
	ErrNotFound = errors.New("command not found")
	// ErrNotExecutable is wrapped by StartErr when the command exists but the
	// kernel refused to execute it; the exit code is 126, as in a shell.
	ErrNotExecutable = errors.New("command not executable")
	// ErrNoSpool is SpoolErr when a stream outgrew MemoryMax and there was no Spool.
	ErrNoSpool = errors.New("output exceeds the memory limit and there is no spool")
)

// Command says what Run is to do.
type Command struct {
	// Argv is the command and its arguments. A command without a slash is searched
	// for in the PATH of Env; a file that the kernel does not know how to execute
	// is given to /bin/sh, as shells do.
	Argv []string
	// Path is the file to execute, when it is known already; empty means that
	// Argv[0] is searched for.
	Path string
	// Env is the whole environment but for MarkVariable, which is replaced; nil
	// means the environment of this process.
	Env []string
	// Dir is the working directory; empty means that of this process.
	Dir string
	// Stdin becomes descriptor 0; nil means /dev/null.
	Stdin *os.File
	// Direct gives the command Stdout and Stderr below as they are (nil means
	// /dev/null) and captures nothing.
	Direct         bool
	Stdout, Stderr *os.File
	// MemoryMax is how many bytes of each stream are kept in memory before the rest
	// goes to Spool; 0 means DefaultMemoryMax.
	MemoryMax int
	// Spool takes what exceeds MemoryMax. It is called by one goroutine at a time
	// for one command.
	Spool Spool
	// Term is how a command is asked to end when ctx is done. SIGKILL follows in any
	// case, after the last step or in place of a step that says SIGKILL, until
	// nothing of the tree is left. Empty means SIGKILL at once.
	Term []TermStep
	// Cgroup is a writable cgroup v2 folder in which the command gets a child cgroup
	// of its own; empty means none. The child is removed at the end, but for one
	// that strays still live in.
	Cgroup string
}

// TermStep is one signal to the whole tree and how long to wait for its end.
type TermStep struct {
	Signal syscall.Signal
	Wait   time.Duration
}

// DefaultTerm is the sequence that GNU parallel uses.
func DefaultTerm() []TermStep {
	return []TermStep{
		{syscall.SIGTERM, 200 * time.Millisecond},
		{syscall.SIGTERM, 100 * time.Millisecond},
		{syscall.SIGTERM, 50 * time.Millisecond},
		{syscall.SIGKILL, 25 * time.Millisecond},
	}
}

// Spool stores output that is too much for memory. Write stores all of p and
// tells where; it must not keep p. After an error it is not called again for the
// same command.
type Spool interface {
	Write(p []byte) (ref Extent, err error)
}

// Extent is a range of bytes in a Spool.
type Extent struct{ Off, Len int64 }

// Output is what a command wrote to one stream: Head and then each range of Rest.
type Output struct {
	Head []byte
	Rest []Extent
}

// Stray is a process that a command left behind.
type Stray struct {
	PID  int
	Comm string // the kernel's short name of the program, at most 15 bytes
}

// Result tells all about one run of a command.
type Result struct {
	Status  Status
	Start   time.Time
	Runtime time.Duration
	// Stdout and Stderr are the captured output, empty for a Direct command.
	Stdout, Stderr Output
	// SpoolErr is the first error of storing output; what came after it was read and
	// thrown away, so that the command was not held up.
	SpoolErr error
	// Strays are the processes that outlive the command. After a normal end they
	// were left alone; after a stop they are those that could not be killed, for
	// want of permission.
	Strays []Stray
	// StartErr is set when the command did not start; see ErrNotFound and
	// ErrNotExecutable. An error of this process's own (no memory, no processes or
	// descriptors left) wraps neither, and has exit code 126 too.
	StartErr error
	// Stopped is "timeout" when ctx passed its deadline, "cancelled" when ctx ended
	// otherwise, and empty when the command ended on its own.
	Stopped string
}
