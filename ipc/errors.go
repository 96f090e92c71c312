package ipc

import "errors"

// Errors that callers test for with errors.Is.
var (
	// ErrClosed is returned by operations on a space, channel or topic that was
	// closed.
	ErrClosed = errors.New("ipc: closed")
	// ErrOwnerDied is returned with a lock that was taken over from an owner that
	// died while it held it. The lock is held: repair what it protects, and call
	// MarkConsistent before Unlock.
	ErrOwnerDied = errors.New("ipc: the previous owner died; the lock is yours: repair the data, then MarkConsistent")
	// ErrNotRecoverable is returned by locks whose data nobody marked consistent
	// after an owner had died.
	ErrNotRecoverable = errors.New("ipc: an owner died and the data was not marked consistent")
	// ErrNotOwner is returned when somebody gives back what he does not hold. A lock
	// belongs to the goroutine that took it.
	ErrNotOwner = errors.New("ipc: not held by this goroutine")
	// ErrDeadlock is wrapped by every DeadlockError.
	ErrDeadlock = errors.New("ipc: deadlock")
	// ErrBroken is returned by a barrier of which a member died or gave up.
	ErrBroken = errors.New("ipc: the barrier is broken")
	// ErrTooMany is wrapped by errors that say that a table of the space is full.
	ErrTooMany = errors.New("ipc: the space has no room for more")
	// ErrCapacity is wrapped by errors that say that a ByteChan or ByteTopic is there
	// with another capacity.
	ErrCapacity = errors.New("ipc: another capacity")
	// ErrUnsupported is returned on systems other than Linux on amd64 and arm64.
	ErrUnsupported = errors.ErrUnsupported
)
