package engine

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"unsafe"

	"github.com/tutti-run/tutti/sched"
)

// Deaths where the master assigns, with and without groups.

// testGroup is a group of a test's pool.
type testGroup struct {
	name  string
	count int
	takes []uint32
}

// groupVariable tells a worker the name of its group.
const groupVariable = "ENGINE_TEST_GROUP"

// setTestGroups gives a pool groups, which forgive any number of deaths, and so many
// workers as these have.
func (c *Config) setTestGroups(groups ...testGroup) {
	c.Assign, c.Workers = true, 0
	for _, g := range groups {
		to := Group{Name: g.name, Takes: g.takes, Restart: c.Restart}
		for range g.count {
			to.Env = append(to.Env, append(slices.Clip(c.Env), groupVariable+"="+g.name))
		}
		c.Groups = append(c.Groups, to)
		c.Workers += g.count
	}
	c.Lanes = max(c.Lanes, c.Workers)
}

// assignedKinds are pools whose master assigns: one task at a time and ahead, and to
// groups.
func assignedKinds() map[string]func(*Config) {
	kinds := map[string]func(*Config){}
	for _, policy := range []string{sched.Default, "round-robin", "shortest-first"} {
		kinds[policy] = func(c *Config) { c.Assign, c.Policy = true, policy }
		kinds[policy+", groups"] = func(c *Config) {
			c.Policy = policy
			c.setTestGroups(testGroup{"here", 1, []uint32{fnNest, fnHold}}, testGroup{"there", 2, []uint32{fnDouble}})
		}
	}
	return kinds
}

// A worker is killed at each point while it runs what it was assigned. Each result
// comes once, and the table is as new afterwards.
func TestKillAssignedRunnerAtEveryPoint(t *testing.T) {
	skipUnderRace(t)
	for kind, edit := range assignedKinds() {
		for _, point := range runnerPoints {
			t.Run(fmt.Sprint(kind, " ", point), func(t *testing.T) { killRunner(t, point, edit) })
		}
	}
}

// A worker is killed at each point while its task submits others, which the master
// assigns.
func TestKillAssignedSubmitterAtEveryPoint(t *testing.T) {
	skipUnderRace(t)
	for kind, edit := range assignedKinds() {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			p, points := openTest(t, func(c *Config) { edit(c); c.Tasks = 128 }), submitterPoints
			if len(p.sup.cfg.Groups) > 0 {
				points = foreignPoints
			}
			for _, point := range points {
				for nth := 1; nth <= passings; nth++ {
					p.strikeWhile(point, nth, strikeSubmitting, "nested", func() { p.nested(2, 12) })
				}
			}
			p.metAll(points)
			p.empty()
		})
	}
}

// foreignPoints are those that a worker passes while a task in it submits others that
// only another group takes.
var foreignPoints = []Point{PointAcquired, PointFilled, PointQueued, PointHinted, PointWoken, PointRead, PointReleased}

// relayPoints are those that a worker passes while a task in it calls another group that
// calls back: there it also runs what it is given while it waits.
var relayPoints = append([]Point{PointTaken}, submitterPoints...)

// A worker is killed at each point while tasks of two groups call each other in every
// way, and run on the stacks of those that wait.
func TestKillRelayAtEveryPoint(t *testing.T) {
	skipUnderRace(t)
	for _, policy := range []string{sched.Default, "round-robin", "shortest-first"} {
		for _, lanes := range []int{1, 2} {
			t.Run(fmt.Sprint(policy, " ", lanes), func(t *testing.T) {
				t.Parallel()
				p := openTest(t, func(c *Config) {
					c.Policy, c.Tasks, c.Lanes = policy, 1024, 2*lanes
					c.setTestGroups(testGroup{"here", 1, []uint32{fnRelay}}, testGroup{"there", 1, []uint32{fnRelayBack}})
				})
				for _, point := range relayPoints {
					for nth := 1; nth <= passings; nth++ {
						p.strikeWhile(point, nth, strikeSubmitting, "relay", func() { p.relays(2, 2) })
					}
				}
				p.metAll(relayPoints)
				p.empty()
			})
		}
	}
}

// relayDepth is what a relay's input counts in levels of calls; the rest is its leaves'
// value.
const relayDepth = 1 << 32

// relay calls the other one of the two, in every way there is, and adds up.
func relay(r *Run) {
	submitting.Add(1)
	defer submitting.Add(-1)
	p, _, err := r.Input()
	if err != nil {
		return
	}
	v := *(*int64)(p)
	if v < relayDepth {
		leaveValue(r, uint64(v))
		return
	}
	sum, err := relayAll(r, v-relayDepth)
	if err != nil {
		leaveText(r, KindError, err.Error())
		return
	}
	leaveValue(r, uint64(sum))
}

func relayAll(r *Run, v int64) (sum int64, err error) {
	ctx, s := context.Background(), r.Submitter()
	spec := Spec{Fn: fnRelay + fnRelayBack - r.desc.fn, Parent: r.ID(), Caller: r.Caller(r.ID()), MaxAttempts: MaxAttempts}
	index, ok := put(ctx, s, v)
	if !ok {
		return 0, ErrFull
	}
	later := s.Go(index, &spec)
	if sum, err = callOnce(ctx, s, &spec, v); err != nil {
		return 0, err
	}
	for _, ordered := range []bool{true, false} {
		part, err := nestStream(ctx, s, spec, 2, v, ordered)
		if err != nil {
			return 0, err
		}
		sum += part
	}
	res, err := later.Wait(ctx, spec.Caller)
	if err != nil || res.Kind != KindValue {
		return 0, fmt.Errorf("a call that was left: kind %d, %v", res.Kind, err)
	}
	return sum + *(*int64)(unsafe.Pointer(&res.Data[0])), nil
}

// relaySum is what a relay of so many levels leaves.
func relaySum(depth int, v int64) int64 {
	if depth == 0 {
		return v
	}
	return 4*relaySum(depth-1, v) + 2*relaySum(depth-1, v+1)
}

// relays runs so many relays of each of the two kinds at once.
func (p *testPool) relays(each, depth int) {
	p.tb.Helper()
	var all []*Pending
	for i := range 2 * each {
		all = append(all, p.task(Spec{Fn: fnRelay + uint32(i%2), MaxAttempts: MaxAttempts}, number(int64(depth)*relayDepth+int64(i))))
	}
	for i, f := range all {
		if got, want := p.value(f), relaySum(depth, int64(i)); got != uint64(want) {
			p.tb.Errorf("relay %d: the calls add up to %d, want %d", i, got, want)
		}
	}
}

// A worker of another group is stopped with the hint of a nested call in its hands. The
// task that waits for the call has another worker get it.
func TestStoppedWorkerOfAnotherGroup(t *testing.T) {
	skipUnderRace(t)
	t.Parallel()
	for _, policy := range []string{sched.Default, "shortest-first"} {
		p := openTest(t, func(c *Config) {
			c.Policy = policy
			c.setTestGroups(testGroup{"here", 1, []uint32{fnNest}}, testGroup{"there", 2, []uint32{fnDouble}})
		})
		p.ctl.arm(PointTaken, 1, strikeThere, strikeStop)
		parent := p.task(Spec{Fn: fnNest}, []byte{1, 1})
		until(t, "a worker is stopped", func() bool { return p.ctl.struck.Load() != 0 })
		pid := int(p.ctl.struck.Load())
		stopped(t, pid)
		if p.m.anyRunning(p.slotOf(pid)) {
			cont(t, pid) // it came a step further, and then its task waits for it
		}
		if got, want := p.value(parent), nestSum(1, 1); got != want {
			t.Errorf("%s: the children add up to %d, want %d", policy, got, want)
		}
		cont(t, pid)
		p.idle()
	}
}
