package ipc

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync/atomic"
	"testing"
)

// deathScene is something that a process does and dies in.
type deathScene struct {
	// before is what was done by the survivors.
	before func(t *testing.T, victim *Space, survivors []*Space)
	// act is what the victim does, alone.
	act func(victim *Space) error
	// after checks what a survivor sees; done says that the victim has come to the end.
	after func(t *testing.T, s *Space, done bool)
}

// scenes are what is done with values.
var scenes = map[string]deathScene{
	"var, short": varScene("old", "new", func(v *Var[string]) error { return v.Store("new") }),
	"var, long":  varScene(long("old"), long("new"), func(v *Var[string]) error { return v.Store(long("new")) }),
	"var, grows": varScene("old", long("new"), func(v *Var[string]) error { return v.Store(long("new")) }),
	"var, twice": varScene(long("old"), "new", func(v *Var[string]) error {
		return errors.Join(v.Store(long("old")), v.Store("new"))
	}),
	"var, updated": varScene("old", "old and new", func(v *Var[string]) error {
		_, err := v.Update(context.Background(), func(old string) (string, error) { return old + " and new", nil })
		return err
	}),
	"var, watched": {
		before: func(t *testing.T, _ *Space, survivors []*Space) {
			// In a process of its own: a survivor leaves before the end, and who has been
			// woken and is slow to look would be told of that.
			v := must(OpenVar(newcomer(t, survivors[0]), "v", "old"))
			seen := make(chan error, 1)
			go func() { seen <- v.Wait(soon(t), 0) }()
			t.Cleanup(func() {
				if err := <-seen; err != nil {
					t.Errorf("who waited for the value got %v", err)
				}
			})
			for v.v.st.watched.Load() == 0 {
				pause()
			}
		},
		act: func(victim *Space) error { return must(OpenVar(victim, "v", "")).Store("new") },
		after: func(t *testing.T, s *Space, done bool) {
			if err := must(OpenVar(s, "v", "")).Store("newer"); err != nil {
				t.Error(err)
			}
		},
	},
	"var, made": {
		act: func(victim *Space) error { _, err := OpenVar(victim, "v", long("first")); return err },
		after: func(t *testing.T, s *Space, done bool) {
			v := must(OpenVar(s, "v", long("second")))
			if got, err := v.Load(); got != long("first") && (got != long("second") || done) || err != nil {
				t.Errorf("%.10q, %v", got, err)
			}
		},
	},
	"counter, made": {
		act: func(victim *Space) error {
			c, err := victim.Counter("c")
			if err == nil {
				c.Add(1)
			}
			return err
		},
		after: func(t *testing.T, s *Space, done bool) {
			if n := must(s.Counter("c")).Load(); n != 1 && (n != 0 || done) {
				t.Errorf("%d", n)
			}
		},
	},
	"map, made": {
		act: func(victim *Space) error { _, err := OpenMap[int, string](victim, "m", 3); return err },
		after: func(t *testing.T, s *Space, done bool) {
			if err := must(OpenMap[int, string](s, "m", 3)).Store(1, "one"); err != nil {
				t.Error(err)
			}
		},
	},
	"map, new key": mapScene(map[int]string{1: "one", 2: "two", 3: "three", 4: long("four")}, func(m *Map[int, string]) error {
		return m.Store(4, long("four"))
	}),
	"map, new value": mapScene(map[int]string{1: "one", 2: long("zwei"), 3: "three"}, func(m *Map[int, string]) error {
		return m.Store(2, long("zwei"))
	}),
	"map, deleted": mapScene(map[int]string{1: "one", 3: "three"}, func(m *Map[int, string]) error {
		_, err := m.Delete(2)
		return err
	}),
}

func long(s string) string { return strings.Repeat(s, 40) }

// varScene is a scene in which a variable changes.
func varScene(before, after string, act func(v *Var[string]) error) deathScene {
	return deathScene{
		before: func(t *testing.T, victim *Space, survivors []*Space) {
			if v := must(OpenVar(survivors[0], "v", before)); v.v.s == nil {
				t.Error("no variable")
			}
		},
		act: func(victim *Space) error { return act(must(OpenVar(victim, "v", ""))) },
		after: func(t *testing.T, s *Space, done bool) {
			v := must(OpenVar(s, "v", ""))
			got, err := v.Load()
			if got != after && (got != before || done) || err != nil {
				t.Errorf("%.10q, %v", got, err)
			}
			if err := errors.Join(v.Store(long("later")), v.Store("at last"), v.Store(after)); err != nil {
				t.Error(err)
			}
		},
	}
}

// mapScene is a scene in which a map changes that held three keys.
func mapScene(after map[int]string, act func(m *Map[int, string]) error) deathScene {
	before := map[int]string{1: "one", 2: "two", 3: "three"}
	return deathScene{
		before: func(t *testing.T, victim *Space, survivors []*Space) {
			m := must(OpenMap[int, string](survivors[0], "m", 4))
			for k, v := range before {
				if err := m.Store(k, v); err != nil {
					t.Error(err)
				}
			}
		},
		act: func(victim *Space) error { return act(must(OpenMap[int, string](victim, "m", 4))) },
		after: func(t *testing.T, s *Space, done bool) {
			m := must(OpenMap[int, string](s, "m", 4))
			got := maps.Collect(m.All())
			if !maps.Equal(got, after) && (!maps.Equal(got, before) || done) {
				t.Errorf("%v", got)
			}
			if n, err := m.Len(); n != len(got) || err != nil {
				t.Errorf("%d keys, says the map of %v, error %v", n, got, err)
			}
			// Each node is there still: four keys fit, and a fifth does not.
			for k := range 4 {
				if err := m.Store(k+1, long("x")); err != nil {
					t.Error(err)
				}
			}
			if err := m.Store(5, ""); !errors.Is(err, ErrTooMany) {
				t.Errorf("a key too many: %v", err)
			}
			for k := range 4 {
				if _, err := m.Delete(k + 1); err != nil {
					t.Error(err)
				}
				if got, ok, err := m.Load(k + 1); ok || err != nil {
					t.Errorf("%q after it was deleted, error %v", got, err)
				}
			}
			for k, v := range after {
				if err := m.Store(k, v); err != nil {
					t.Error(err)
				}
			}
		},
	}
}

// Wherever a process dies that changes a value, the others see the old one or the new
// one, go on, and no memory is lost for good.
func TestDeathInValues(t *testing.T) {
	for name, scene := range scenes {
		t.Run(name, func(t *testing.T) {
			points := 0
			for k := 1; ; k++ {
				point := ""
				ok := t.Run(fmt.Sprint(k), func(t *testing.T) { point = playScene(t, scene, k) })
				if point == "" || !ok {
					break
				}
				points++
			}
			if points < 3 {
				t.Errorf("%d points of death", points)
			}
		})
	}
}

// playScene has the victim die at the k-th point that it passes, and returns that; or
// "" when it did not get so far.
func playScene(t *testing.T, scene deathScene, k int) (point string) {
	victims := newVictims(t)
	spaces := heapSpaces(t, 3, Options{Objects: 8})
	victim, survivors := spaces[2], spaces[:2]
	if scene.before != nil {
		scene.before(t, victim, survivors)
	}
	point, err := victims.run(victim, die, k, func() error { return scene.act(victim) })
	if err != nil {
		t.Fatal(err)
	}
	if point == "" {
		die(victim)
	} else {
		t.Log(point)
	}
	seeBuried(t, survivors[1], victim)
	scene.after(t, survivors[0], point == "")
	scene.after(t, survivors[1], point == "")
	// The value that was may be left over where it cannot be told that it was not freed.
	checkMemory(t, survivors[1], 1)
	if err := survivors[0].Close(); err != nil {
		t.Error(err)
	}
	checkMemory(t, survivors[1], 0)
	scene.after(t, survivors[1], point == "")
	return point
}

// silence ends the guardian of a process that is to die later. In a dead process none
// would run, and here it would hear of its burier's death and bury that.
func silence(s *Space) {
	s.closing.Store(true)
	s.changed()
	<-s.guarded
}

// victims lets goroutines die at fail points: they come to a stop for ever there.
type victims struct {
	agent atomic.Uint64 // the goroutine that is to die
	left  atomic.Int64  // points that it passes before
	fall  func(point string)
}

func newVictims(t *testing.T) *victims {
	v := &victims{}
	atPoints.Store(v, func(point string) {
		if v.agent.Load() == self() && v.left.Add(-1) == 0 {
			v.agent.Store(0)
			v.fall(point)
			select {}
		}
	})
	t.Cleanup(func() { atPoints.Delete(v) })
	return v
}

// run has f run in the process of s until it ends, or dies at the k-th point.
func (v *victims) run(s *Space, die func(*Space), k int, f func() error) (point string, err error) {
	type end struct {
		point string
		err   error
	}
	ended := make(chan end, 1)
	v.fall = func(point string) {
		die(s)
		ended <- end{point: point}
	}
	v.left.Store(int64(k))
	go func() {
		v.agent.Store(self())
		err := f()
		v.agent.Store(0)
		ended <- end{err: err}
	}()
	e := <-ended
	return e.point, e.err
}

// Who repairs what a dead process left, or buries it, may die as well, anywhere.
func TestDeathInRepair(t *testing.T) {
	for _, name := range []string{"var, long", "map, new key", "map, new value", "map, deleted"} {
		t.Run(name, func(t *testing.T) { playAllTwice(t, scenes[name]) })
	}
}

// playAllTwice plays a scene with each pair of deaths.
func playAllTwice(t *testing.T, scene deathScene) {
	for first := 1; ; first++ {
		point, torn := "", 0
		for second := 1; ; second++ {
			next := ""
			t.Run(fmt.Sprint(first, ",", second), func(t *testing.T) { point, next = playTwice(t, scene, first, second) })
			if next == "" || t.Failed() {
				break
			}
			torn++
		}
		if point == "" || t.Failed() {
			return
		}
		if torn == 0 {
			t.Errorf("after %s nothing was repaired", point)
		}
	}
}

// playTwice has one process die in a scene and another one bury it and die, too.
func playTwice(t *testing.T, scene deathScene, first, second int) (point, next string) {
	victims := newVictims(t)
	spaces := heapSpaces(t, 3, Options{Objects: 4, Claims: 16})
	victim, burier, survivor := spaces[0], spaces[1], spaces[2]
	scene.before(t, victim, []*Space{survivor})
	point, err := victims.run(victim, silence, first, func() error { return scene.act(victim) })
	if err != nil {
		t.Fatal(err)
	}
	if point == "" {
		return "", ""
	}
	next, err = victims.run(burier, die, second, func() error { burier.bury(victim.slot, 0); return nil })
	if err != nil {
		t.Fatal(err)
	}
	die(victim) // no guardian was to hear of it before
	if next == "" {
		die(burier)
	} else {
		t.Log(point, "then", next)
	}
	seeBuried(t, survivor, burier)
	seeBuried(t, survivor, victim)
	scene.after(t, survivor, false)
	checkMemory(t, survivor, 2)
	return point, next
}

// A process that has got the slot of a dead one is not buried in its place.
func TestBuryTheRightOne(t *testing.T) {
	t.Parallel()
	spaces := heapSpaces(t, 2, Options{})
	v := must(OpenVar(spaces[1], "v", long("old")))
	slot := spaces[1].slot
	spaces[0].bury(slot, spaces[0].members[slot].load().epoch()-1)
	if st := spaces[0].members[slot].load().state(); st != memberLive {
		t.Errorf("it is %v", st)
	}
	if err := v.Store(long("new")); err != nil {
		t.Error(err)
	}
	checkMemory(t, spaces[0], 0)
}
