//go:build !linux

package proc

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"syscall"
)

// errOther says why nothing here works.
var errOther = fmt.Errorf("processes on %s: %w", runtime.GOOS, errors.ErrUnsupported)

// Process is a worker process; there are none on this system.
type Process struct{}

// Start returns an error that wraps errors.ErrUnsupported.
func Start(Spec) (*Process, error) { return nil, errOther }

// PID is 0.
func (p *Process) PID() int { return 0 }

// Signal returns an error that wraps errors.ErrUnsupported.
func (p *Process) Signal(syscall.Signal) error { return errOther }

// Finish returns an error that wraps errors.ErrUnsupported.
func (p *Process) Finish() error { return errOther }

// Wait returns at once, without a status.
func (p *Process) Wait() Status { return Status{Exit: -1} }

// Spare is a process that waits for its role; there are none on this system.
type Spare struct{}

// StartSpare returns an error that wraps errors.ErrUnsupported.
func StartSpare(Spec) (*Spare, error) { return nil, errOther }

// PID is 0.
func (r *Spare) PID() int { return 0 }

// Become returns an error that wraps errors.ErrUnsupported.
func (r *Spare) Become(string, Spec) (*Process, error) { return nil, errOther }

// Close does nothing.
func (r *Spare) Close() error { return nil }

// AwaitRole returns an error that wraps errors.ErrUnsupported.
func AwaitRole() (message string, ok bool, err error) { return "", false, errOther }

// OOMKills returns a function that says no.
func OOMKills() (struck func() bool) { return func() bool { return false } }

// CloseOnExecFrom returns an error that wraps errors.ErrUnsupported.
func CloseOnExecFrom(int) error { return errOther }

// Run starts nothing; StartErr wraps errors.ErrUnsupported.
func Run(context.Context, Command) Result {
	return Result{StartErr: errOther, Status: Status{Exit: 126}}
}

// BecomeSubreaper returns an error that wraps errors.ErrUnsupported.
func BecomeSubreaper() error { return errOther }

// KillTree returns an error that wraps errors.ErrUnsupported.
func KillTree(int) error { return errOther }

// KillOrphans returns an error that wraps errors.ErrUnsupported.
func KillOrphans(func(pid int) bool) (killed []int, err error) { return nil, errOther }

// KillAllChildren returns an error that wraps errors.ErrUnsupported.
func KillAllChildren() error { return errOther }

// ReapZombies finds none.
func ReapZombies(func(pid int) bool) int { return 0 }

// SignalCommands finds none.
func SignalCommands(syscall.Signal) {}
