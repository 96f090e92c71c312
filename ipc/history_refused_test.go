package ipc

import "testing"

// pastOf makes a history: entries one after the other, unless they have times.
func pastOf(entries ...historyEntry) history {
	h := history{died: map[int]int64{}}
	for i, e := range entries {
		if e.call == 0 {
			e.call, e.ret = int64(10*i+1), int64(10*i+9)
		}
		h.entries = append(h.entries, e)
		if e.ret == 0 {
			h.died[e.client] = e.call
		}
	}
	return h
}

func did(client int, what op, in, out []int64) historyEntry {
	return historyEntry{client: client, op: what, in: in, out: out}
}

// during puts an entry at a time; a return of 0 is a death.
func (e historyEntry) during(call, ret int64) historyEntry {
	e.call, e.ret = call, ret
	return e
}

// Shorthands for what the tests below say again and again.
var (
	yes, no = []int64{saidYes}, []int64{saidNo}
	end     = []int64{saidClosed}
)

func sent(client int, number, message int64) historyEntry {
	return did(client, opSend, []int64{number, message}, []int64{saidYes, 1})
}

func received(client int, number, message int64) historyEntry {
	return did(client, opReceive, []int64{number, 1}, []int64{saidYes, message})
}

func noMore(client int) historyEntry { return did(client, opReceive, []int64{99, 1}, end) }

// twoRunsOf is a history in which client 1 receives 11, and 12 when that has been
// written, in one call for up to n. Each place was free at once, as what was sent next
// says; the client died much later, since another goroutine of its process went on.
func twoRunsOf(n int64) history {
	h := pastOf(
		sent(0, 1, 11).during(1, 2), sent(3, 1, 12).during(3, 12),
		did(1, opReceive, []int64{1, n}, nil).during(4, 0),
		sent(0, 2, 13).during(5, 6), sent(0, 3, 14).during(7, 8),
		did(4, opTryReceive, []int64{1, 1}, no).during(9, 10), // 12 is not there yet
		sent(0, 4, 15).during(15, 16),
		received(4, 1, 13).during(20, 21), received(4, 2, 14).during(22, 23), received(4, 3, 15).during(24, 25),
	)
	h.died[1] = 100
	return h
}

// What cannot have happened is refused, and what is like it and can have is not: a
// checker that lets everything pass, or nothing, fails.
func TestHistoriesAreRefused(t *testing.T) {
	t.Parallel()
	locked := func(client int, said int64) historyEntry { return did(client, opLock, nil, []int64{said}) }
	unlocked := func(client int) historyEntry { return did(client, opUnlock, nil, yes) }
	acquired := func(client int, n int64) historyEntry { return did(client, opAcquire, []int64{n}, yes) }
	tried := func(client int, said int64) historyEntry { return did(client, opTryAcquire, []int64{1}, []int64{said}) }
	noRoom := did(0, opTrySend, []int64{9, 99}, []int64{saidNo, 0})
	noMessage := did(1, opTryReceive, []int64{9, 1}, no)
	loaded := func(client int, out ...int64) historyEntry {
		return did(client, opLoad, nil, append([]int64{saidYes}, out...))
	}
	stored := func(client int, v int64) historyEntry { return did(client, opStore, []int64{v}, yes) }
	for _, test := range []struct {
		kind, name string
		ok         bool
		h          history
	}{
		{"Mutex", "one after the other", true, pastOf(locked(0, saidYes), unlocked(0), locked(1, saidYes))},
		{"Mutex", "two owners", false, pastOf(locked(0, saidYes), locked(1, saidYes))},
		{"Mutex", "two owners at the same time", false, pastOf(locked(0, saidYes).during(1, 9), locked(1, saidYes).during(2, 8))},
		{"Mutex", "a heir", true, pastOf(locked(0, saidYes).during(1, 0), locked(1, saidOwnerDied))},
		{"Mutex", "a heir that is not told", false, pastOf(locked(0, saidYes).during(1, 2), did(0, opMarkConsistent, nil, nil).during(3, 0), locked(1, saidYes).during(5, 6))},
		{"Mutex", "a death before the lock was had", true, pastOf(locked(0, saidYes).during(1, 0), locked(1, saidYes))},
		{"Mutex", "a heir of nobody", false, pastOf(locked(0, saidYes), unlocked(0), locked(1, saidOwnerDied))},
		{"Mutex", "an owner robbed by another's death", false, pastOf(locked(0, saidYes).during(1, 2), locked(1, saidYes).during(3, 0), locked(2, saidOwnerDied).during(5, 6))},
		{"Mutex", "mended", true, pastOf(locked(0, saidYes).during(1, 0), locked(1, saidOwnerDied), did(1, opMarkConsistent, nil, yes), unlocked(1), locked(2, saidYes))},
		{"Mutex", "not mended", false, pastOf(locked(0, saidYes).during(1, 0), locked(1, saidOwnerDied), unlocked(1), locked(2, saidYes))},
		{"Mutex", "lost", true, pastOf(locked(0, saidYes).during(1, 0), locked(1, saidOwnerDied), unlocked(1), locked(2, saidLost))},
		{"Mutex", "taken, they say", false, pastOf(locked(0, saidYes), unlocked(0), did(1, opTryLock, nil, no))},

		{"Semaphore", "three units", true, pastOf(acquired(0, 1), acquired(1, 2))},
		{"Semaphore", "a unit too many", false, pastOf(acquired(0, 2), acquired(1, 2))},
		{"Semaphore", "the dead one's units", true, pastOf(acquired(0, 2).during(1, 0), acquired(1, 3))},
		{"Semaphore", "the units of one who lives", false, pastOf(acquired(0, 1).during(1, 2), acquired(1, 2).during(3, 0), acquired(2, 3).during(5, 6))},
		{"Semaphore", "overtaken", false, pastOf(acquired(0, 2).during(1, 2), acquired(1, 3).during(3, 30), tried(2, saidNo).during(4, 5), tried(2, saidYes).during(6, 7), did(0, opRelease, []int64{2}, yes).during(8, 9), did(2, opRelease, []int64{1}, yes).during(10, 11))},
		{"Semaphore", "not overtaken", true, pastOf(acquired(0, 2).during(1, 2), acquired(1, 3).during(3, 30), tried(2, saidYes).during(6, 7), did(0, opRelease, []int64{2}, yes).during(8, 9), did(2, opRelease, []int64{1}, yes).during(10, 11))},
		{"Semaphore", "refused though free", false, pastOf(acquired(0, 1), did(1, opTryAcquire, []int64{2}, no))},
		{"Semaphore", "refused behind another", true, pastOf(acquired(0, 1).during(1, 2), acquired(1, 3).during(3, 20), did(2, opTryAcquire, []int64{1}, no).during(4, 5), did(0, opRelease, []int64{1}, yes).during(6, 7))},

		{"Chan", "in order", true, pastOf(sent(0, 1, 11), sent(0, 2, 12), received(1, 1, 11), received(1, 2, 12), did(0, opClose, nil, yes), noMore(1))},
		{"Chan", "a lost message", false, pastOf(sent(0, 1, 11), sent(0, 2, 12), received(1, 1, 12))},
		{"Chan", "a lost message at the end", false, pastOf(sent(0, 1, 11), did(0, opClose, nil, yes), noMore(1))},
		{"Chan", "a doubled message", false, pastOf(sent(0, 1, 11), received(1, 1, 11), received(2, 1, 11))},
		{"Chan", "a message of nobody", false, pastOf(received(1, 1, 11))},
		{"Chan", "out of order", false, pastOf(sent(0, 1, 11), sent(2, 1, 12), received(1, 1, 12), received(1, 2, 11))},
		{"Chan", "a batch out of order", false, pastOf(did(0, opSend, []int64{1, 11, 2, 12}, []int64{saidYes, 2}).during(1, 9), did(1, opReceive, []int64{1, 2}, []int64{saidYes, 12, 11}).during(1, 9))},
		{"Chan", "lost with its receiver", true, pastOf(sent(0, 1, 11), sent(0, 2, 12), did(1, opReceive, []int64{1, 1}, nil).during(20, 0), received(2, 1, 12).during(25, 30))},
		{"Chan", "two lost with one receiver", false, pastOf(sent(0, 1, 11), sent(0, 2, 12), sent(0, 3, 13), did(1, opReceive, []int64{1, 1}, nil).during(30, 0), received(2, 1, 13).during(35, 40))},
		{"Chan", "two lost with one receiver of many, in two runs", true, twoRunsOf(3)},
		{"Chan", "two lost with one receiver of one, in two runs", false, twoRunsOf(1)},
		{"Chan", "a dead one's message", true, pastOf(did(0, opSend, []int64{1, 11}, nil).during(1, 0), received(1, 1, 11))},
		{"Chan", "a dead one's message, twice", false, pastOf(did(0, opSend, []int64{1, 11}, nil).during(1, 0), received(1, 1, 11), received(1, 2, 11))},
		{"Chan", "held up by a dead one", true, pastOf(did(0, opSend, []int64{1, 11}, nil).during(1, 0), sent(2, 1, 12), noMessage, received(1, 1, 12))},
		{"Chan", "held up by nobody", false, pastOf(sent(0, 1, 11), noMessage)},
		{"Chan", "full", true, pastOf(sent(0, 1, 11), sent(0, 2, 12), sent(0, 3, 13), noRoom)},
		{"Chan", "not full", false, pastOf(sent(0, 1, 11), sent(0, 2, 12), noRoom)},
		{"Chan", "more than full", false, pastOf(sent(0, 1, 11), sent(0, 2, 12), sent(0, 3, 13), sent(0, 4, 14))},
		{"Chan", "sent behind the end", false, pastOf(did(0, opClose, nil, yes), sent(0, 1, 11))},
		{"Chan", "closed twice", false, pastOf(did(0, opClose, nil, yes), did(1, opClose, nil, yes))},
		{"Chan", "the end of nothing", false, pastOf(noMore(1))},

		{"Var", "written and read", true, pastOf(stored(0, 1), loaded(1, 1, 1))},
		{"Var", "a stale read", false, pastOf(stored(0, 1), stored(0, 2), loaded(1, 1))},
		{"Var", "back and forth", false, pastOf(stored(0, 1).during(1, 9), loaded(1, 1).during(2, 3), loaded(2, 0).during(4, 5))},
		{"Var", "a dead one's write", true, pastOf(stored(0, 1).during(1, 0), loaded(1, 0), loaded(1, 1))},
		{"Var", "a dead one's write undone", false, pastOf(stored(0, 1).during(1, 0), loaded(1, 1), loaded(1, 0))},
		{"Var", "a lost update", false, pastOf(did(0, opUpdate, []int64{1}, []int64{saidYes, 0}), did(1, opUpdate, []int64{2}, []int64{saidYes, 0}))},
		{"Var", "a version too many", false, pastOf(stored(0, 1), loaded(1, 1, 2))},

		{"Map", "stored and deleted", true, pastOf(stored(0, 1), did(1, opDelete, nil, yes), loaded(0, absent))},
		{"Map", "a stale read", false, pastOf(stored(0, 1), did(1, opDelete, nil, yes), loaded(0, 1))},
		{"Map", "deleted twice", false, pastOf(stored(0, 1), did(1, opDelete, nil, yes), did(0, opDelete, nil, yes))},
		{"Map", "stored over another", false, pastOf(stored(0, 1), did(1, opLoadOrStore, []int64{2}, []int64{saidNo}))},

		{"Counter", "the sum", true, pastOf(did(0, opAdd, []int64{5}, nil), did(1, opAdd, []int64{-2}, nil).during(15, 0), did(2, opSum, nil, []int64{3}))},
		{"Counter", "a lost addition", false, pastOf(did(0, opAdd, []int64{5}, nil), did(2, opSum, nil, []int64{0}))},
		{"Counter", "a doubled addition", false, pastOf(did(0, opAdd, []int64{5}, nil), did(2, opSum, nil, []int64{10}))},
	} {
		t.Run(test.kind+"/"+test.name, func(t *testing.T) {
			t.Parallel()
			for _, k := range historyKinds {
				if k.name != test.kind {
					continue
				}
				if why := k.refused(test.h); (why == "") != test.ok {
					t.Errorf("refused: %v, want %v\n%s", why != "", !test.ok, why)
				}
			}
		})
	}
}
