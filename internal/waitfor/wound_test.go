package waitfor

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestWoundWait(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		asker   Age
		others  []Age
		does    Move
		wounded []int
	}{
		{"nobody", 5, nil, Take, nil},
		{"itself", 5, []Age{5, 5}, Take, nil},
		{"an older one", 5, []Age{4}, WaitOlder, nil},
		{"a younger one", 5, []Age{6}, Wound, []int{0}},
		{"all of them", 5, []Age{4, 6, 5, 1, 7}, Wound, []int{1, 4}},
		{"an older one and itself", 5, []Age{5, 4}, WaitOlder, nil},
		{"the oldest of all", 0, []Age{^Age(0)}, Wound, []int{0}},
	} {
		if does, wounded := WoundWait(c.asker, c.others); does != c.does || !slices.Equal(wounded, c.wounded) {
			t.Errorf("%s: %d, %v; want %d, %v", c.name, does, wounded, c.does, c.wounded)
		}
	}
}

// transaction takes its locks one by one, in its own order. Its index is its age.
type transaction struct {
	wants   []int
	held    int  // how many of wants it has
	waits   bool // it asked for the next and was told to wait
	wounded bool
	done    bool
}

// TestWoundWaitEnds: transactions that lock in any order all end, and no picture
// on the way shows a deadlock.
func TestWoundWaitEnds(t *testing.T) {
	t.Parallel()
	for seed := range uint64(1000) {
		rnd := rand.New(rand.NewPCG(seed, 3))
		const locks = 4
		txns := make([]transaction, 2+rnd.IntN(5))
		for i := range txns {
			txns[i].wants = rnd.Perm(locks)[:1+rnd.IntN(locks)]
		}
		left := len(txns)
		for steps := 0; left > 0; steps++ {
			if steps > 10000 {
				t.Fatalf("seed %d: %d transactions do not end", seed, left)
			}
			i := rnd.IntN(len(txns))
			if txns[i].done {
				continue
			}
			if step(txns, i); txns[i].done {
				left--
			}
			if stuck := Deadlocked(txnPicture(txns, locks)); stuck != nil {
				t.Fatalf("seed %d: %v are stuck", seed, stuck)
			}
		}
	}
}

// step lets one transaction look once. When a lock changes hands, those that wait
// for it ask again.
func step(txns []transaction, i int) {
	x := &txns[i]
	switch {
	case x.wounded:
		x.held, x.waits, x.wounded = 0, false, false
		return
	case x.held == len(x.wants):
		x.held, x.done = 0, true
		return
	}
	lock := x.wants[x.held]
	if ask(txns, i) != Take {
		x.waits = true
		return
	}
	x.held++
	x.waits = false
	for j := range txns {
		if y := &txns[j]; y.waits && y.wants[y.held] == lock {
			ask(txns, j)
		}
	}
}

func ask(txns []transaction, i int) Move {
	lock := txns[i].wants[txns[i].held]
	var who []int
	var ages []Age
	for j := range txns {
		if slices.Contains(txns[j].wants[:txns[j].held], lock) {
			who, ages = append(who, j), append(ages, Age(j))
		}
	}
	does, wounded := WoundWait(Age(i), ages)
	for _, k := range wounded {
		txns[who[k]].wounded = true
	}
	return does
}

// txnPicture: a wounded one does not wait any more.
func txnPicture(txns []transaction, locks int) *Picture {
	p := &Picture{Agents: make([]AgentState, len(txns)), Resources: make([]ResourceState, locks)}
	for r := range p.Resources {
		p.Resources[r].Units = 1
	}
	for i, x := range txns {
		for _, r := range x.wants[:x.held] {
			p.Resources[r].Holds = append(p.Resources[r].Holds, Hold{Agent: Agent(i)})
		}
		if x.waits && !x.wounded {
			p.Agents[i].Waits = []Wait{on(Resource(x.wants[x.held]))}
		}
	}
	return p
}
