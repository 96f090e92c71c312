package engine

import (
	"fmt"
	"testing"
)

// Tasks that submit children and leave them do not fill the table, though their
// worker never waits for anything itself.
func TestAbandonedChildrenAreFreed(t *testing.T) {
	skipUnderRace(t)
	t.Parallel()
	p := openTest(t, func(c *Config) { c.Tasks = 64 })
	for range 60 {
		p.value(p.task(Spec{Fn: fnAbandon}, []byte{20}))
	}
	p.idle()
	p.empty()
}

// The smallest table with more workers than leave it room: tasks that submit
// others never wait for ever, since they run in place what finds no descriptor,
// and nobody keeps descriptors that others wait for.
func TestSmallestTable(t *testing.T) {
	skipUnderRace(t)
	for _, workers := range []int{1, 8} {
		t.Run(fmt.Sprint(workers, " workers"), func(t *testing.T) {
			t.Parallel()
			p := openTest(t, func(c *Config) { c.Workers, c.Lanes, c.Tasks = workers, workers, 64 })
			for range 10 {
				p.nested(16, 20)
				p.doubles(200, true)
				p.doubles(200, false)
				p.callers(8, 20)
			}
			p.empty()
		})
	}
}

// A parent dies while other workers run its children: they are told to end, and
// freed when they have.
func TestChildrenOfADeadParent(t *testing.T) {
	skipUnderRace(t)
	t.Parallel()
	p := openTest(t, func(c *Config) { c.Workers, c.Lanes = 3, 3 })
	for round := range 10 {
		p.ctl.arm(PointRead, 1+round%4, strikeSubmitting, strikeKill)
		p.nested(4, 20)
		p.idle()
	}
	p.empty()
}
