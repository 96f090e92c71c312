package engine

import (
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/tutti-run/tutti/shm"
)

// control is a page that a test and the workers of its pool share beside the
// segment: what happens where, and who waits for whom. Nobody owns a field; all
// are atomic.
type control struct {
	// The strike: the nth-th passing of point armed-1 in any worker.
	met    [numPoints]atomic.Uint32 // passings of each point in workers
	armed  atomic.Uint32            // point + 1; 0 for none
	nth    atomic.Uint32
	role   atomic.Uint32 // strikeAny…
	act    atomic.Uint32 // strikeKill…
	passed atomic.Uint32 // passings of the armed point
	struck atomic.Uint32 // the process that was struck; 0 before

	starts atomic.Uint32     // workers that were started
	gates  [64]atomic.Uint32 // futexes: 1 when open
	notes  [64]atomic.Uint64 // what handlers have to tell
}

// Who is struck.
const (
	strikeAny uint32 = iota
	strikeSubmitting
	strikeThere // in the group of this name
)

// How.
const (
	strikeKill uint32 = iota
	strikeStop
)

const controlBytes = pageBytes

var _ [controlBytes - unsafe.Sizeof(control{})]byte

// newControl makes a page and the descriptor through which workers get it.
func newControl() (*control, *os.File, error) {
	fd, err := unix.MemfdCreate("control", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, nil, err
	}
	f := os.NewFile(uintptr(fd), "control")
	if err := unix.Ftruncate(fd, controlBytes); err != nil {
		return nil, nil, err
	}
	c, err := mapControl(fd)
	return c, f, err
}

func mapControl(fd int) (*control, error) {
	b, err := unix.Mmap(fd, 0, controlBytes, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, err
	}
	return (*control)(unsafe.Pointer(unsafe.SliceData(b))), nil
}

func (c *control) unmap() error {
	return unix.Munmap(unsafe.Slice((*byte)(unsafe.Pointer(c)), controlBytes))
}

// open opens a gate for good; await waits until it is open.
func (c *control) open(gate int) {
	c.gates[gate].Store(1)
	shm.Wake(addr(&c.gates[gate]), 1<<30)
}

func (c *control) await(gate int) {
	for c.gates[gate].Load() == 0 {
		shm.Wait(addr(&c.gates[gate]), 0, 0)
	}
}

// arm has the nth passing of p in a worker strike it.
func (c *control) arm(p Point, nth int, role, act uint32) {
	c.armed.Store(0)
	c.passed.Store(0)
	c.struck.Store(0)
	c.nth.Store(uint32(nth))
	c.role.Store(role)
	c.act.Store(act)
	c.armed.Store(uint32(p) + 1)
}

// submitting counts the tasks of a worker that are submitting others.
var submitting atomic.Int32

// strike is the workers' failHook.
func (c *control) strike(p Point) {
	c.met[p].Add(1)
	switch role := c.role.Load(); {
	case c.armed.Load() != uint32(p)+1,
		role == strikeSubmitting && submitting.Load() == 0,
		role == strikeThere && os.Getenv(groupVariable) != "there":
		return
	}
	if c.passed.Add(1) != c.nth.Load() {
		return
	}
	c.armed.Store(0)
	c.struck.Store(uint32(os.Getpid()))
	if c.act.Load() == strikeStop {
		_ = unix.Kill(os.Getpid(), unix.SIGSTOP) // returns when somebody sends SIGCONT
		return
	}
	die()
}

// die is SIGKILL to this process: no instruction of it follows.
func die() {
	_ = unix.Kill(os.Getpid(), unix.SIGKILL)
	select {}
}
