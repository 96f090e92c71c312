package ipc

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/anishathalye/porcupine"
)

// Histories: what many clients did with one object, each operation with the times of
// its call and its return, by a clock that all share. A history is linearizable if
// there is an order of all operations that a model allows, in which each stands between
// its call and its return. The models are in history_models_test.go.
//
// A client is a goroutine of some process. An operation in which its process died has
// no return: it may take effect at any time after its call, or never. Its steps are
// taken where they change something, or when all else is done, where nothing depends on
// them and they pass without. To let them pass without at any place would be as right,
// and take the search for ever. What a death takes back is a step of its own, after
// everything that the process is known to have done, and as late as one likes: it is the
// burial. Nothing of the dead one takes effect after it.
//
// Some operations are two steps, of which each may be seen by others: a message that
// is being written is in the channel already, and holds up those who receive.

const (
	historyClients = 16 // at most
	never          = math.MaxInt64
)

// historyEntry is one operation of a client as it was recorded.
type historyEntry struct {
	client    int
	op        op
	key       int64 // of a Map
	in, out   []int64
	call, ret int64 // ret is 0 if the process died in it
}

type op uint32

const (
	_ op = iota

	opLock
	opTryLock
	opUnlock
	opMarkConsistent

	opAcquire
	opTryAcquire
	opRelease

	opSend
	opTrySend
	opReceive
	opTryReceive
	opClose

	opLoad
	opStore
	opSwap
	opUpdate
	opLoadOrStore
	opDelete

	opAdd
	opSum
)

func (o op) String() string {
	return [...]string{
		"none", "Lock", "TryLock", "Unlock", "MarkConsistent", "Acquire", "TryAcquire", "Release", "Send", "TrySend",
		"Receive", "TryReceive", "Close", "Load", "Store", "Swap", "Update", "LoadOrStore", "Delete", "Add", "Sum",
	}[o]
}

func (e historyEntry) String() string {
	if e.ret == 0 {
		return fmt.Sprintf("%12d              client %2d: %v(%d) %v, died in it", e.call, e.client, e.op, e.key, e.in)
	}
	return fmt.Sprintf("%12d %12d client %2d: %v(%d) %v = %v", e.call, e.ret, e.client, e.op, e.key, e.in, e.out)
}

// What an operation said is the first of historyEntry.out; what else it gave follows.
const (
	saidNo          int64 = iota // not now
	saidYes                      // done
	saidOwnerDied                // ErrOwnerDied
	saidLost                     // ErrNotRecoverable
	saidClosed                   // ErrClosed, or the end of the channel
	saidInterrupted              // the context was done first
)

// step is a part of an operation that takes effect at one moment.
type step struct {
	client int
	what   what
	maybe  bool // its process died: it may have had no effect
	lost   bool // the message that it is about was received by nobody who lived to tell
	a, b   int64
	said   int64
}

// span is when a step may take effect. Parts leave it open, but for steps of the dead that
// somebody saw: those were taken by then.
type span struct {
	step
	from, to int64
}

// history is what is known of one object.
type history struct {
	entries []historyEntry
	// died has the clients that died, and when they were alive for certain.
	died map[int]int64
}

// stepsMax bounds the search for an order; nearly all end after a few thousand steps, and
// a few, with several deaths in the middle of sending, not in any time worth waiting.
const stepsMax = 3_000_000

// undecided is the refusal of a history of which nobody knows.
const undecided = "undecided"

// refusal is why a history cannot be: "" if it can.
func refusal[S comparable](m historyModel[S], h history, parts func(historyEntry) []span, death what) string {
	certain := 0
	var ops []porcupine.Operation
	add := func(s span) {
		ops = append(ops, porcupine.Operation{ClientId: s.client, Input: s.step, Call: s.from, Return: s.to})
	}
	for _, e := range h.entries {
		for _, s := range parts(e) {
			s.client, s.from = e.client, e.call
			switch {
			case e.ret != 0:
				s.to = e.ret
			case s.to == 0:
				s.to, s.maybe = never, true
			}
			if !s.maybe {
				certain++
			}
			add(s)
		}
	}
	if death != whatNothing {
		for c, alive := range h.died {
			add(span{step{client: c, what: death, maybe: true}, alive, never})
		}
	}
	steps := stepsMax
	verdict, info := porcupine.CheckOperationsVerbose(m.over(certain, &steps), ops, 0)
	switch {
	case verdict == porcupine.Ok:
		return ""
	case steps == 0:
		return undecided
	}
	slices.SortFunc(h.entries, func(a, b historyEntry) int { return int(a.call - b.call) })
	var b strings.Builder
	fmt.Fprintf(&b, "no order of these explains them (died: %v):\n", h.died)
	for _, e := range h.entries {
		fmt.Fprintln(&b, e)
	}
	longest := []porcupine.Operation{}
	for _, partial := range info.PartialLinearizationsOperations()[0] {
		if len(partial) > len(longest) {
			longest = partial
		}
	}
	fmt.Fprintln(&b, "the longest order that is possible, from its end:")
	for _, o := range slices.Backward(longest) {
		fmt.Fprintf(&b, "%12d %d %+v\n", o.Call, o.Return, o.Input)
	}
	return b.String()
}

// historyModel is a pure function over a comparable state: whether a step is possible,
// and what is the case after it.
type historyModel[S comparable] struct {
	first S
	next  func(S, step) (S, bool)
}

// progress is a state and how many certain steps led to it.
type progress[S comparable] struct {
	state S
	done  int
}

// over is the model for a history with so many steps that were certainly taken. It
// allows nothing more when the search has used up its steps.
func (m historyModel[S]) over(certain int, steps *int) porcupine.Model {
	return porcupine.Model{
		Init: func() any { return progress[S]{state: m.first} },
		Step: func(state, input, _ any) (bool, any) {
			if *steps == 0 {
				return false, state
			}
			*steps--
			p, s := state.(progress[S]), input.(step)
			if s.maybe && p.done == certain {
				return true, state
			}
			after, ok := m.next(p.state, s)
			if s.maybe {
				return ok && after != p.state, progress[S]{after, p.done}
			}
			return ok, progress[S]{after, p.done + 1}
		},
	}
}

// refusedSum is why what was added and loaded of a Counter cannot be. Its Load is no
// moment: it has all additions that ended before it began, none that began after it
// ended, and of the others any.
func refusedSum(h history) string {
	for _, load := range h.entries {
		if load.op != opSum || load.ret == 0 {
			continue
		}
		least, most := int64(0), int64(0)
		for _, add := range h.entries {
			switch {
			case add.op != opAdd || add.call > load.ret:
			case add.ret != 0 && add.ret < load.call:
				least, most = least+add.in[0], most+add.in[0]
			default:
				least, most = least+min(add.in[0], 0), most+max(add.in[0], 0)
			}
		}
		if sum := load.out[0]; sum < least || sum > most {
			return fmt.Sprintf("%v: the additions before and during it make %d to %d", load, least, most)
		}
	}
	return ""
}

// refusedByKey is refusal for the keys of a Map one by one.
func refusedByKey(h history) string {
	of := map[int64][]historyEntry{}
	for _, e := range h.entries {
		of[e.key] = append(of[e.key], e)
	}
	for key, entries := range of {
		if why := refusal(valueModel(absent), history{entries: entries}, valueParts, whatNothing); why != "" {
			return fmt.Sprintf("key %d: %s", key, why)
		}
	}
	return ""
}

// historyKind is a kind of object, and why a history of one cannot be.
type historyKind struct {
	name    string
	refused func(history) string
}

var historyKinds = []historyKind{
	{"Mutex", func(h history) string { return refusal(mutexModel, h, mutexParts, whatDeath) }},
	{"Semaphore", func(h history) string { return refusal(semaphoreModel, h, semaphoreParts, whatDeath) }},
	{"Chan", func(h history) string { return refusal(chanModel, h, chanPartsIn(h), whatDeath) }},
	{"Var", func(h history) string { return refusal(valueModel(0), h, valueParts, whatNothing) }},
	{"Map", refusedByKey},
	{"Counter", refusedSum},
}
