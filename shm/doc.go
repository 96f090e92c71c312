// Package shm holds bytes that several processes share, in such a way that
// the death of any of them, between any two instructions, neither loses
// memory for ever nor hands it out twice.
//
// It has three parts. A [Segment] is a region of shared memory: one sealed
// memfd, mapped whole by everyone, its pages committed before they are used so
// that a full machine is an error and not a SIGBUS. [Wait], [Wake] and
// [WaitAny] are futexes on words in it, and [HoldLifeline] makes the kernel
// itself mark such a word when its holder dies. An [Arena] is an allocator
// inside a segment; each object belongs to a process slot, and [Arena.Reclaim]
// takes back what a dead slot owned.
//
// The package knows no tasks: who is alive, and what a death means, is decided
// by its users.
package shm

import (
	"errors"
	"fmt"
)

// ErrUnsupported is returned where the operating system lacks what shared
// segments need. It wraps [errors.ErrUnsupported].
var ErrUnsupported = fmt.Errorf("shm: shared memory between processes needs Linux: %w", errors.ErrUnsupported)

// ErrFull is wrapped by errors that say that an arena has no room left or that
// the machine has no memory to back it. The caller may free something and try
// again.
var ErrFull = errors.New("shared memory is full")

// ErrBadRef is wrapped by errors that say that a [Ref] names no live object.
var ErrBadRef = errors.New("not the reference of an allocated object")
