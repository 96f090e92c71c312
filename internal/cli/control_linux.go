package cli

import (
	"encoding/json"
	"fmt"
	"os"
	"structs"
	"sync/atomic"
	"unsafe"

	"github.com/tutti-run/tutti/internal/core"
	"github.com/tutti-run/tutti/shm"
)

// stage is how far the end of a run has got. It only grows.
type stage uint32

const (
	running  stage = iota
	draining       // nothing more is started
	ending         // and what runs is asked to end, by the term sequence
	killing        // and what runs is killed
)

// control is the page by which the master steers the commands in all workers at
// once, and single ones by the orders to their job slots: it writes, they read. A
// worker that is started late finds the state as it is.
//
//	offset  size  field     writer       if the writer dies
//	     0     4  stage     master       the workers' lifeline ends them
//	     4     4  paused    master       likewise; 1: no command is to make progress
//	     8     4  bell      master       likewise; a futex, changes with the others
//	    64        orders    master       likewise
//	              setupLen  master, before the workers start
//	              setup     likewise
type control struct {
	_        structs.HostLayout
	stage    atomic.Uint32
	paused   atomic.Uint32
	bell     uint32
	_        [52]byte
	orders   [core.MaxJobs]atomic.Uint64
	setupLen int64
	setup    [setupMax]byte
}

const (
	setupMax     = 64<<10 - 64 - 8
	controlBytes = 64<<10 + 8*core.MaxJobs
)

var _ [controlBytes]byte = [unsafe.Sizeof(control{})]byte{}

// order is what one command is told: the ticket of its start, and what to do. An
// order that comes when another command has the slot is none.
type order uint64

// What a command may be told.
const (
	orderGoOn    = iota // after orderHold
	orderHold           // make no progress
	orderTimeout        // end: it takes too long
	orderEvict          // end, and be run again later: memory is short
	orderBits    = 2
)

func (o order) ticket() uint64 { return uint64(o) >> orderBits }
func (o order) act() int       { return int(o & (1<<orderBits - 1)) }

// tell gives an order to the command that was started under ticket in a slot.
func (c *control) tell(slot int, ticket uint64, act int) {
	c.orders[slot].Store(ticket<<orderBits | uint64(act))
	c.ring()
}

// setup is what every command of a run has in common, and workers are told once.
type setup struct {
	Master   int // process number
	Term     []termStep
	Direct   bool // commands write to the master's own files
	Lines    bool // whole lines are shown while a command runs
	KillLeft bool
	Terminal bool // each command has the terminal for itself
	Usage    bool // results have what commands used
	Nice     *int
	SlotVar  string // environment variable that has the slot, from 0
	Stdin    bool   // the first command reads the master's standard input
	TempDir  string
	Flaw     string   // why there is no file for much output
	Files    []string // of --pipe-part
	Handed   []int    // descriptors that commands have beside their standard files
	HandedAt int      // where workers have them, in the same order
	Kills    string   // the file in which out-of-memory kills are counted
}

type termStep struct {
	Signal int
	WaitNs int64
}

// newControl makes the page. The segment goes with this process.
func newControl(s setup) (*control, *os.File, error) {
	seg, err := shm.Create(controlBytes, controlBytes)
	if err != nil {
		return nil, nil, fmt.Errorf("control page: %w", err)
	}
	c := (*control)(seg.Base())
	b, err := json.Marshal(s)
	if err == nil && len(b) > len(c.setup) {
		err = fmt.Errorf("%d bytes of setup for a page of %d", len(b), len(c.setup))
	}
	if err != nil {
		return nil, nil, fmt.Errorf("control page: %w", err)
	}
	c.setupLen = int64(copy(c.setup[:], b))
	return c, os.NewFile(uintptr(seg.FD()), "control"), nil
}

// attachControl finds the page in a worker.
func attachControl(fd int) (*control, setup, error) {
	var s setup
	seg, err := shm.Attach(fd)
	if err != nil {
		return nil, s, fmt.Errorf("control page: %w", err)
	}
	if seg.Size() < controlBytes {
		return nil, s, fmt.Errorf("control page: %d bytes", seg.Size())
	}
	c := (*control)(seg.Base())
	if err := json.Unmarshal(c.setup[:min(max(c.setupLen, 0), int64(len(c.setup)))], &s); err != nil {
		return nil, s, fmt.Errorf("control page: %w", err)
	}
	return c, s, nil
}

// raise moves the stage forward and tells the workers. It reports whether the
// stage was lower before.
func (c *control) raise(to stage) bool {
	for {
		was := c.stage.Load()
		if was >= uint32(to) {
			return false
		}
		if c.stage.CompareAndSwap(was, uint32(to)) {
			c.paused.Store(0)
			c.ring()
			return true
		}
	}
}

func (c *control) now() stage { return stage(c.stage.Load()) }

// pause holds all commands, or lets them go on.
func (c *control) pause(on bool) {
	value := uint32(0)
	if on {
		value = 1
	}
	c.paused.Store(value)
	c.ring()
}

func (c *control) ring() {
	atomic.AddUint32(&c.bell, 1)
	shm.Wake(&c.bell, 1<<30)
}

// await sleeps until the page has changed since bell was read.
func (c *control) await(bell uint32) { shm.Wait(&c.bell, bell, 0) }

// awaitStart waits while commands are paused and reports whether one may be
// started now.
func (c *control) awaitStart() bool {
	for {
		bell := atomic.LoadUint32(&c.bell)
		switch {
		case c.now() != running:
			return false
		case c.paused.Load() == 0:
			return true
		}
		c.await(bell)
	}
}
