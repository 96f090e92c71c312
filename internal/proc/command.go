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

var (
	// ErrNotFound is wrapped by StartErr when the command, its interpreter or a
	// folder on its way does not exist; the exit code is 127, as in a shell.
	ErrNotFound = errors.New("command not found")
	// ErrNotExecutable is wrapped by StartErr when the command exists but the
	// kernel refused to execute it; the exit code is 126, as in a shell.
	ErrNotExecutable = errors.New("command not executable")
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
	// Input, where Stdin is nil, is what the command reads through a pipe.
	Input Input
	// Out and Err take what the command writes to its standard output and error.
	// Where one is nil the command has Stdout or Stderr itself, and /dev/null where
	// that is nil too.
	Out, Err       Sink
	Stdout, Stderr *os.File
	// Handed are descriptors that the command has beside its standard files, under
	// the numbers that they say.
	Handed []Handed
	// Terminal, unless nil, is the terminal that the command has for itself while it
	// runs: its process group is in the foreground there.
	Terminal *os.File
	// SameGroup leaves the command in the process group of this process, so that a
	// terminal's Ctrl-C and Ctrl-Z reach both. Otherwise it has one of its own.
	SameGroup bool
	// Started, unless nil, is told of the command's process; it must not block.
	Started func(*Running)
	// Nice is the command's niceness; nil means that of this process.
	Nice *int
	// Term is how a command is asked to end when ctx is done. SIGKILL follows in any
	// case, after the last step or in place of a step that says SIGKILL, until
	// nothing of the tree is left. Empty means SIGKILL at once.
	Term []TermStep
	// Cgroup is a writable cgroup v2 folder in which the command gets a child cgroup
	// of its own; empty means none. The child is removed at the end, but for one
	// that strays still live in.
	Cgroup string
}

// Handed is a descriptor that a command has under a number of its own.
type Handed struct {
	FD int // here
	As int // there, 3 at least
}

// Running is a command that was started.
type Running struct {
	pid    int
	signal func(syscall.Signal)
}

// PID is the number of the command's first process.
func (r *Running) PID() int { return r.pid }

// Signal sends a signal to the whole tree of the command, if it still runs. Any
// goroutine may call it.
func (r *Running) Signal(sig syscall.Signal) { r.signal(sig) }

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

// Sink takes what a command writes to one stream. It is used by one goroutine.
type Sink interface {
	// Room is memory for the next bytes, one at least.
	Room() []byte
	// Took says that n bytes, one at least, were put in Room.
	Took(n int)
}

// Input gives what a command reads on its standard input. It is used by one
// goroutine.
type Input interface {
	// Feed writes what it can to the pipe fd, which does not block, and returns
	// io.EOF when all is written. Any other error ends the input as well, and is
	// told in Result.InputErr; but EPIPE is no error: a command may stop to read.
	Feed(fd int) error
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
	// InputErr is why Input ended early.
	InputErr error
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
