package core

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestVerdicts(t *testing.T) {
	t.Parallel()
	// root is an ordinary task in its first of two attempts.
	root := Running{Attempt: 1, MaxAttempts: 2, Parent: -1}
	with := func(change func(*Running)) Running { r := root; change(&r); return r }
	last := with(func(r *Running) { r.Attempt = 2 })
	once := with(func(r *Running) { r.AtMostOnce = true })
	late := with(func(r *Running) { r.TimedOut = true })
	unwanted := with(func(r *Running) { r.CancelAsked = true })
	worn := with(func(r *Running) { r.Returned = MaxReturns })
	child := func(parent int, r Running) Running { r.Parent = parent; return r }
	for _, c := range []struct {
		name  string
		cause DeathCause
		tasks []Running
		want  []Verdict
	}{
		{"nobody", Crash, nil, nil},
		{"alone", Crash, []Running{root}, []Verdict{Retry}},
		{"alone, last attempt", Crash, []Running{last}, []Verdict{FailCrash}},
		{"no attempts given", Crash, []Running{{Parent: -1}}, []Verdict{FailCrash}},
		{"suspects", Crash, []Running{root, last}, []Verdict{RequeueAlone, RequeueAlone}},
		{"returned often, no kill", Crash, []Running{worn, root}, []Verdict{RequeueAlone, RequeueAlone}},
		{"at most once", Crash, []Running{once}, []Verdict{FailCrash}},
		{"at most once, our kill", KilledForTask, []Running{once, late}, []Verdict{FailCrash, FailTimeout}},
		{"at most once, cancelled", KilledForTask, []Running{with(func(r *Running) { r.AtMostOnce, r.CancelAsked = true, true })}, []Verdict{FailCancelled}},
		{"parent with children", Crash, []Running{root, child(0, root), child(1, root)}, []Verdict{Requeue, Drop, Retry}},
		{"child before parent", Crash, []Running{child(1, last), root}, []Verdict{FailCrash, Requeue}},
		{"two children", Crash, []Running{root, child(0, root), child(0, once)}, []Verdict{Retry, Drop, FailCrash}},
		{"child at most once", Crash, []Running{last, child(0, once)}, []Verdict{Requeue, FailCrash}},
		{"parent at most once", Crash, []Running{once, child(0, root)}, []Verdict{FailCrash, Retry}},
		{"late child crashes", Crash, []Running{last, child(0, late)}, []Verdict{Requeue, FailTimeout}},
		{"unwanted child crashes", Crash, []Running{root, child(0, unwanted)}, []Verdict{Retry, Drop}},
		{"child crashes once too often", Crash, []Running{worn, child(0, root)}, []Verdict{Retry, Retry}},
		{"two families", Crash, []Running{root, child(0, root), last, child(2, once)}, []Verdict{RequeueAlone, Drop, RequeueAlone, FailCrash}},
		{"crash while one is to end", Crash, []Running{late, root}, []Verdict{FailTimeout, RequeueAlone}},
		{"cancelled and late", Crash, []Running{with(func(r *Running) { r.CancelAsked, r.TimedOut = true, true })}, []Verdict{FailCancelled}},
		{"killed for one", KilledForTask, []Running{root, late, last}, []Verdict{Requeue, FailTimeout, Requeue}},
		{"killed for a child", KilledForTask, []Running{root, child(0, late), last}, []Verdict{Requeue, FailTimeout, Requeue}},
		{"killed for a child that was cancelled", KilledForTask, []Running{root, child(0, unwanted)}, []Verdict{Requeue, FailCancelled}},
		{"killed for a child in the middle", KilledForTask, []Running{root, child(0, late), child(1, root)}, []Verdict{Requeue, FailTimeout, Drop}},
		{"killed for a parent", KilledForTask, []Running{unwanted, child(0, root)}, []Verdict{FailCancelled, Drop}},
		{"killed for a child once too often", KilledForTask, []Running{worn, child(0, late), root}, []Verdict{FailCrash, FailTimeout, Requeue}},
		{"killed for a neighbour once too often", KilledForTask, []Running{worn, late}, []Verdict{RequeueAlone, FailTimeout}},
		{"killed for one that finished meanwhile", KilledForTask, []Running{root}, []Verdict{Requeue}},
		{"parents in a circle", Crash, []Running{child(1, root), child(0, root), root}, []Verdict{RequeueAlone, Drop, RequeueAlone}},
		{"its own parent", Crash, []Running{child(0, root)}, []Verdict{Retry}},
		{"parent out of range", Crash, []Running{child(7, root), child(-9, root)}, []Verdict{RequeueAlone, RequeueAlone}},
	} {
		if got := Judge(c.tasks, c.cause, nil); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
	if got := Judge([]Running{root}, Crash, []Verdict{Drop}); !slices.Equal(got, []Verdict{Drop, Retry}) {
		t.Errorf("Judge must append; got %v", got)
	}
}

func TestVerdictNames(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for v := range numVerdicts {
		if seen[v.String()] || v.String() == "" {
			t.Errorf("verdict %d has no name of its own", v)
		}
		seen[v.String()] = true
	}
}

// potential falls with every verdict that lets a task run again, and is never
// negative: that bounds the deaths that one task can live through.
func potential(r Running) int {
	p := 100*max(r.MaxAttempts-r.Attempt, 0) + MaxReturns - min(r.Returned, MaxReturns)
	if !r.Alone {
		p += 50
	}
	return p
}

// applied is the task as the engine keeps it after verdict v; ended says that it
// does not run again.
func applied(r Running, v Verdict) (next Running, ended bool) {
	r.Alone = r.Alone || v.Alone()
	switch v {
	case Requeue:
		r.Returned++
	case RequeueAlone:
	case Retry:
		r.Attempt++
	default:
		return r, true
	}
	return r, false
}

// checkJudge holds one judgement to its promises.
func checkJudge(t *testing.T, tasks []Running, cause DeathCause) {
	t.Helper()
	verdicts := Judge(tasks, cause, nil)
	if len(verdicts) != len(tasks) {
		t.Fatalf("%+v, cause %d: %d verdicts for %d tasks", tasks, cause, len(verdicts), len(tasks))
	}
	roots, charged := 0, false
	for i, r := range tasks {
		if r.Parent < 0 {
			roots++
		} else {
			charged = charged || verdicts[i] != Drop
		}
	}
	fail := func(i int, why string) {
		t.Fatalf("%+v, cause %d: task %d gets %v: %s", tasks, cause, i, verdicts[i], why)
	}
	for i, v := range verdicts {
		r := tasks[i]
		blamed := r.ending() // a task of its tree was to end
		for j, other := range tasks {
			for p := other.Parent; p >= 0; p = tasks[p].Parent {
				blamed = blamed || p == i && tasks[j].ending()
			}
		}
		switch {
		case v == 0 || v >= numVerdicts:
			fail(i, "no verdict")
		case v == Drop && r.Parent < 0:
			fail(i, "only descendants are dropped")
		case r.Parent >= 0:
			if why := wrongBelow(r, v, cause, roots); why != "" {
				fail(i, why)
			}
			continue
		case v == FailCancelled && !r.CancelAsked, v == FailTimeout && (!r.TimedOut || r.CancelAsked),
			r.ending() && v != FailCancelled && v != FailTimeout:
			fail(i, "a task that was to end ends as asked, and only such")
		case r.AtMostOnce && (v == Requeue || v == RequeueAlone || v == Retry):
			fail(i, "it may run only once")
		case v == Retry && (cause != Crash || roots > 1):
			fail(i, "an innocent is charged")
		case v == FailCrash && !r.AtMostOnce && cause == Crash && (roots > 1 || r.Attempt < r.MaxAttempts):
			fail(i, "an innocent fails")
		case v == FailCrash && !r.AtMostOnce && cause == KilledForTask && (r.Returned < MaxReturns || !blamed && !r.Alone):
			fail(i, "an innocent fails for another's sake")
		case v == Requeue && cause == Crash && (roots > 1 || !charged):
			fail(i, "nothing is known after a crash, and yet it goes back beside others")
		}
		if next, ended := applied(r, v); !ended && potential(next) >= potential(r) && !(r.Alone && roots > 1) {
			fail(i, "it may go on like this for ever")
		}
	}
}

// wrongBelow says what is wrong with the verdict on a descendant, if anything is.
func wrongBelow(r Running, v Verdict, cause DeathCause, roots int) string {
	switch {
	case v == Requeue || v == RequeueAlone:
		return "a descendant is made anew by its parent"
	case v == FailCancelled && !(r.CancelAsked && cause == KilledForTask), v == FailTimeout && (!r.TimedOut || r.CancelAsked):
		return "a descendant that was to end ends as asked, and only such"
	case v == Retry && (cause != Crash || roots > 1 || r.AtMostOnce || r.Attempt >= r.MaxAttempts):
		return "a descendant is charged without need"
	case v == FailCrash && !r.AtMostOnce && (cause != Crash || roots > 1 || r.Attempt < r.MaxAttempts):
		return "an innocent descendant fails"
	case v == Drop && (r.AtMostOnce && !r.CancelAsked || r.TimedOut && !r.CancelAsked):
		return "its end is forgotten"
	}
	return ""
}

// TestVerdictsExhaustively judges every death of up to three tasks, with the
// values that any rule tells apart.
func TestVerdictsExhaustively(t *testing.T) {
	t.Parallel()
	var kinds, few []Running
	for bits := range 64 {
		for _, returned := range []int{0, MaxReturns - 1, MaxReturns} {
			r := Running{
				Attempt: 1 + bits&1, MaxAttempts: 2, AtMostOnce: bits&2 != 0, Alone: bits&4 != 0,
				CancelAsked: bits&8 != 0, TimedOut: bits&16 != 0, Parent: -1, Returned: returned,
			}
			if bits < 32 {
				kinds = append(kinds, r)
			}
			if bits < 32 && !r.CancelAsked && returned != MaxReturns-1 && r.Attempt == 2 {
				few = append(few, r)
			}
		}
	}
	forests := [][]int{ // every forest of three
		{-1, -1, -1},
		{1, -1, -1}, {2, -1, -1}, {-1, 0, -1}, {-1, 2, -1}, {-1, -1, 0}, {-1, -1, 1},
		{-1, 0, 0}, {1, -1, 1}, {2, 2, -1},
		{-1, 0, 1}, {-1, 2, 0}, {1, -1, 0}, {2, -1, 1}, {1, 2, -1}, {2, 0, -1},
	}
	for _, cause := range []DeathCause{Crash, KilledForTask} {
		for _, a := range kinds {
			checkJudge(t, []Running{a}, cause)
			for _, b := range kinds {
				for _, f := range [][]int{{-1, -1}, {-1, 0}, {1, -1}} {
					a.Parent, b.Parent = f[0], f[1]
					checkJudge(t, []Running{a, b}, cause)
				}
			}
		}
		for _, a := range few {
			for _, b := range few {
				for _, c := range few {
					for _, f := range forests {
						a.Parent, b.Parent, c.Parent = f[0], f[1], f[2]
						checkJudge(t, []Running{a, b, c}, cause)
					}
				}
			}
		}
	}
}

// nature is what a task does to the worker that it runs in.
type nature int

const (
	harmless    nature = iota
	poisonous          // crashes its worker, always
	hanging            // runs past its deadline; its worker is killed for it
	makesHanger        // makes a child that hangs, every time anew
	numNatures
)

// TestVerdictsOverALife runs mixed tasks in threes through an engine that does
// what the verdicts say, until all have ended, and looks how each one did.
func TestVerdictsOverALife(t *testing.T) {
	t.Parallel()
	for seed := range uint64(300) {
		rnd := rand.New(rand.NewPCG(seed, 7))
		n := 1 + rnd.IntN(30)
		tasks, natures, ends := make([]Running, n), make([]nature, n), make([]Verdict, n)
		queue := rnd.Perm(n)
		for i := range n {
			tasks[i] = Running{ID: i, Attempt: 1, MaxAttempts: 3, Parent: -1}
			natures[i] = nature(rnd.IntN(int(numNatures)))
		}
		deaths := 0
		for len(queue) > 0 {
			batch := nextBatch(tasks, &queue)
			running, cause, died := runBatch(tasks, natures, batch, rnd)
			if !died {
				continue // the batch ran to its end; ends stays zero: success
			}
			deaths++
			if deaths > n*(3+1+2*MaxReturns+2) {
				t.Fatalf("seed %d: %d deaths for %d tasks and no end", seed, deaths, n)
			}
			for i, v := range Judge(running, cause, nil) {
				id := running[i].ID
				if id < 0 {
					continue // a child, which this parent makes as if it were another one
				}
				next, ended := applied(tasks[id], v)
				tasks[id] = next
				if ended {
					ends[id] = v
				} else {
					queue = append(queue, id)
				}
			}
		}
		want := [numNatures]Verdict{harmless: 0, poisonous: FailCrash, hanging: FailTimeout, makesHanger: FailCrash}
		for id, end := range ends {
			if end != want[natures[id]] {
				t.Errorf("seed %d: task %d of nature %d ends with %v: %s", seed, id, natures[id], end, fmt.Sprintf("%+v", tasks[id]))
			}
			if natures[id] != poisonous && tasks[id].Attempt != 1 {
				t.Errorf("seed %d: task %d of nature %d was charged", seed, id, natures[id])
			}
		}
	}
}

// nextBatch takes from the queue what one worker runs: up to three tasks, or one
// that must run alone.
func nextBatch(tasks []Running, queue *[]int) []int {
	var batch []int
	for len(*queue) > 0 && len(batch) < 3 {
		id := (*queue)[0]
		if tasks[id].Alone && len(batch) > 0 {
			break
		}
		batch, *queue = append(batch, id), (*queue)[1:]
		if tasks[id].Alone {
			break
		}
	}
	return batch
}

// runBatch tells how a worker with these tasks dies, if it does: of the first
// harmful one in random order.
func runBatch(tasks []Running, natures []nature, batch []int, rnd *rand.Rand) (running []Running, cause DeathCause, died bool) {
	for _, id := range batch {
		running = append(running, tasks[id])
	}
	for _, i := range rnd.Perm(len(batch)) {
		switch natures[batch[i]] {
		case poisonous:
			return running, Crash, true
		case hanging:
			running[i].TimedOut = true
			return running, KilledForTask, true
		case makesHanger:
			child := Running{ID: -1, Attempt: 1, MaxAttempts: 3, TimedOut: true, Parent: i}
			return append(running, child), KilledForTask, true
		}
	}
	return nil, 0, false
}
