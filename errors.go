package tutti

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"
	"syscall"

	"github.com/tutti-run/tutti/internal/codec"
	"github.com/tutti-run/tutti/internal/engine"
	"github.com/tutti-run/tutti/shm"
)

var (
	// ErrClosed is returned by calls over a pool that was closed.
	ErrClosed = engine.ErrClosed
	// ErrFull is returned by calls with NoWait that find no room in the pool.
	ErrFull = engine.ErrFull
	// ErrTooLarge is returned for an input that the pool's memory cannot hold.
	ErrTooLarge = engine.ErrTooLarge
	// ErrNoMemory is returned for a task whose result found no memory.
	ErrNoMemory = fmt.Errorf("tutti: no memory for the result: %w", shm.ErrFull)
	// ErrUnsupported is returned by Open where the operating system is not Linux.
	ErrUnsupported = shm.ErrUnsupported
	// ErrNoMain is returned by Open in a program that has not called Main.
	ErrNoMain = errors.New("tutti: Open before Main: call tutti.Main() first of all in main, and in TestMain")
	// ErrNotAttached says that a started worker process never became a worker.
	ErrNotAttached = engine.ErrNotAttached
)

// TaskError is the error of a task that ran, or was to run, in a worker: which
// it was, and what went wrong.
type TaskError struct {
	Func    string // the function's name
	Worker  int    // number of the worker, from 1; 0 when none ran it
	Attempt int    // from 1
	Err     error  // what the function returned, *PanicError, *CrashError, …
}

func (e *TaskError) Error() string {
	text := "tutti: " + e.Func
	if e.Worker > 0 {
		text += fmt.Sprintf(" (worker %d, attempt %d)", e.Worker, e.Attempt)
	}
	return text + ": " + e.Err.Error()
}

// Unwrap returns Err.
func (e *TaskError) Unwrap() error { return e.Err }

// PanicError is the panic of a function.
type PanicError struct {
	Value string // what it panicked with, as fmt prints it
	Stack string // the stack of the panicking goroutine
}

func (e *PanicError) Error() string { return "panic: " + e.Value }

// CrashError says that a task's worker died and the task will not be run again.
type CrashError struct {
	Status  string // how the process ended, in a few words
	Exit    int    // its exit status; 128 + signal when it was killed by one
	Signal  syscall.Signal
	OOM     bool // the kernel's out-of-memory killer struck
	Worker  int
	PID     int
	Attempt int
	Trace   string // the crash trace: its first 16 KiB and its last 4
}

// Error says it in one line, with the first of the trace.
func (e *CrashError) Error() string {
	text := fmt.Sprintf("worker %d (process %d) died in attempt %d: %s", e.Worker, e.PID, e.Attempt, e.Status)
	if cause, _, _ := strings.Cut(strings.TrimSpace(e.Trace), "\n"); cause != "" {
		text += ": " + cause
	}
	return text
}

// RemoteError is an error of a type that does not travel: its type's name and
// its text. Errors that it wrapped and that are known here (of context, io, fs
// and errno, and those given to RegisterError) are found by errors.Is.
type RemoteError struct {
	Type string
	Text string

	is []error
}

func (e *RemoteError) Error() string { return e.Text }

// Unwrap returns the known errors that the error wrapped.
func (e *RemoteError) Unwrap() []error { return e.is }

// known are the errors that keep their identity between processes, by name.
var known = struct {
	sync.RWMutex
	byName map[string]error
	names  []string // in the order of registration
}{byName: map[string]error{}}

func init() {
	for _, e := range []struct {
		name string
		err  error
	}{
		{"context.Canceled", context.Canceled}, {"context.DeadlineExceeded", context.DeadlineExceeded},
		{"io.EOF", io.EOF}, {"io.ErrUnexpectedEOF", io.ErrUnexpectedEOF}, {"io.ErrShortWrite", io.ErrShortWrite},
		{"io.ErrClosedPipe", io.ErrClosedPipe}, {"io.ErrNoProgress", io.ErrNoProgress}, {"io.ErrShortBuffer", io.ErrShortBuffer},
		{"fs.ErrInvalid", fs.ErrInvalid}, {"fs.ErrPermission", fs.ErrPermission}, {"fs.ErrExist", fs.ErrExist},
		{"fs.ErrNotExist", fs.ErrNotExist}, {"fs.ErrClosed", fs.ErrClosed},
		{"os.ErrDeadlineExceeded", os.ErrDeadlineExceeded}, {"os.ErrProcessDone", os.ErrProcessDone},
		{"errors.ErrUnsupported", errors.ErrUnsupported},
		{"tutti.ErrClosed", ErrClosed}, {"tutti.ErrFull", ErrFull}, {"tutti.ErrTooLarge", ErrTooLarge}, {"tutti.ErrNoMemory", ErrNoMemory},
		{"tutti.ErrGroupDead", ErrGroupDead},
	} {
		RegisterError(e.name, e.err)
	}
}

// RegisterError makes errors.Is find err in what functions return, although
// they ran in another process, and returns err. Call it at the start, in master
// and workers alike:
//
//	var ErrBusy = tutti.RegisterError("busy", errors.New("the device is busy"))
//
// A name registered twice panics, and so does a nil err.
func RegisterError(name string, err error) error {
	known.Lock()
	defer known.Unlock()
	if known.byName[name] != nil || err == nil {
		panic("tutti: RegisterError: " + name + " is registered twice, or is nil")
	}
	known.byName[name] = err
	known.names = append(known.names, name)
	return err
}

// wireError is an error on its way between processes.
type wireError struct {
	Type  string   `cbor:"1,keyasint,omitempty"`
	Text  string   `cbor:"2,keyasint,omitempty"`
	Is    []string `cbor:"3,keyasint,omitempty"`
	Errno int      `cbor:"4,keyasint,omitempty"`
	Stack string   `cbor:"5,keyasint,omitempty"`
}

// packError makes bytes of what a function returned.
func packError(err error) []byte {
	w := wireError{Type: fmt.Sprintf("%T", err), Text: err.Error()}
	known.RLock()
	for _, name := range known.names {
		if errors.Is(err, known.byName[name]) {
			w.Is = append(w.Is, name)
		}
	}
	known.RUnlock()
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		w.Errno = int(errno)
	}
	return w.pack()
}

func (w wireError) pack() []byte {
	b, err := codec.Encoding.Marshal(w)
	if err != nil {
		panic("tutti: " + err.Error()) // strings and numbers cannot fail
	}
	return b
}

// unpackError makes an error of bytes that a worker wrote.
func unpackError(kind engine.Kind, b []byte) error {
	var w wireError
	if err := codec.Decoding.Unmarshal(b, &w); err != nil {
		return fmt.Errorf("tutti: damaged error from a worker: %w", err)
	}
	if kind == engine.KindPanic {
		return &PanicError{Value: w.Text, Stack: w.Stack}
	}
	r := &RemoteError{Type: w.Type, Text: w.Text}
	known.RLock()
	defer known.RUnlock()
	for _, name := range w.Is {
		if err := known.byName[name]; err != nil {
			r.is = append(r.is, err)
		}
	}
	if w.Errno != 0 {
		r.is = append(r.is, syscall.Errno(w.Errno))
	}
	if len(r.is) == 1 && r.is[0].Error() == r.Text {
		return r.is[0] // the very error: nothing is lost
	}
	return r
}
