package engine

import "fmt"

// Word is all that decides about a task, in 64 bits, so that one CAS moves it.
//
//	bits   0–3   state
//	bit    4     waited: somebody sleeps until the task ends
//	bit    5     cancel: the task is asked to end
//	bit    6     timedout: the reason for cancel is its time limit
//	bit    7     alone: suspected of killing its worker; runs alone
//	bits   8–15  attempt, from 1
//	bits  16–27  owner slot
//	bits  28–63  generation: counts the tasks that used this descriptor
//
// 36 bits of generation wrap after 19 hours at a million reuses a second of the
// same descriptor; a stale CAS would have to sleep for exactly that long.
type Word uint64

// State is where a task is in its life.
type State uint8

// The states of a task. Free is 0, so that zeroed memory is a free table.
const (
	Free State = iota
	Writing
	Queued
	Running
	Done
	Failed
	Cancelled
	numStates
)

var stateNames = [numStates]string{"FREE", "WRITING", "QUEUED", "RUNNING", "DONE", "FAILED", "CANCELLED"}

func (s State) String() string {
	if s < numStates {
		return stateNames[s]
	}
	return fmt.Sprintf("State(%d)", uint8(s))
}

const (
	stateMask = 1<<4 - 1

	flagWaited   Word = 1 << 4
	flagCancel   Word = 1 << 5
	flagTimedOut Word = 1 << 6
	flagAlone    Word = 1 << 7
	flagMask          = flagWaited | flagCancel | flagTimedOut | flagAlone

	attemptShift = 8
	attemptMask  = 1<<8 - 1
	ownerShift   = 16
	ownerMask    = 1<<12 - 1
	genShift     = 28
	genMask      = 1<<36 - 1

	// MaxSlots bounds the processes of one pool: the owner field's width.
	MaxSlots = 1 << 12
	// MaxAttempts bounds the attempts of one task: the attempt field's width.
	MaxAttempts = attemptMask
)

func (w Word) state() State    { return State(w & stateMask) }
func (w Word) owner() int      { return int(w>>ownerShift) & ownerMask }
func (w Word) attempt() int    { return int(w>>attemptShift) & attemptMask }
func (w Word) gen() uint64     { return uint64(w) >> genShift }
func (w Word) has(f Word) bool { return w&f != 0 }

// same reports whether nothing but flags differs.
func (w Word) same(other Word) bool { return w&^flagMask == other&^flagMask }

// ended reports whether the task has come to its end and its result may be read.
func (w Word) ended() bool { s := w.state(); return s >= Done && s < numStates }

func (w Word) withState(s State) Word { return w&^stateMask | Word(s) }

func (w Word) withOwner(slot int) Word {
	return w&^(ownerMask<<ownerShift) | Word(slot)<<ownerShift
}

func (w Word) withAttempt(n int) Word {
	return w&^(attemptMask<<attemptShift) | Word(n)<<attemptShift
}

// fresh is the word of the next task in this descriptor: the following
// generation, first attempt, no flags.
func (w Word) fresh(s State, owner int) Word {
	gen := (w.gen() + 1) & genMask
	return Word(gen)<<genShift | 1<<attemptShift | Word(owner)<<ownerShift | Word(s)
}

func (w Word) String() string {
	return fmt.Sprintf("%v owner=%d attempt=%d gen=%d flags=%#x", w.state(), w.owner(), w.attempt(), w.gen(), uint64(w&flagMask)>>4)
}

// TaskID names one task for as long as the pool lives: the descriptor's index
// and its generation. 0 names none.
type TaskID uint64

const taskIndexBits = 20 // with 36 bits of generation: 56 bits

func taskID(index uint32, w Word) TaskID {
	return TaskID(w.gen()<<taskIndexBits | uint64(index))
}

func (id TaskID) index() uint32 { return uint32(id & (1<<taskIndexBits - 1)) }
func (id TaskID) gen() uint64   { return uint64(id) >> taskIndexBits }
