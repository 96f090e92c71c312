package engine

import (
	"math"
	"slices"

	"github.com/tutti-run/tutti/internal/core"
	"github.com/tutti-run/tutti/topo"
)

// placesEvery is how often the supervisor of pinned workers looks whether their CPUs are
// still there: a cpuset, an affinity mask or somebody who takes a CPU offline tells nobody.
const placesEvery = 500 * core.Millisecond

// places keeps pinned workers on CPUs that there are: the master's that are online. The kernel lets a
// process whose CPUs are gone run on any, beside others that are bound there; and some
// kernels forget bindings when a cpuset changes, so each look compares what is with what
// should be. The supervisor's loop alone uses it.
type places struct {
	there func() ([]int, error)
	homes [][]int // by slot, from 1; nil: it may be anywhere
	at    [][]int // where they are now
	next  core.Time
	told  bool // a fault was said
}

func newPlaces(cfg *Config) *places {
	p := &places{there: cfg.CPUsNow}
	if p.there == nil {
		p.there = topo.Usable
	}
	bound := false
	for i := range cfg.Workers {
		var home []int
		if cfg.CPUs != nil {
			home = []int{cfg.CPUs[i%len(cfg.CPUs)].ID}
		} else if len(cfg.Groups) > 0 {
			g, _ := groupOf(cfg.Groups, i+1)
			home = cfg.Groups[g].CPUs
		}
		p.homes = append(p.homes, home)
		bound = bound || home != nil
	}
	if !bound {
		return nil
	}
	p.at = p.homes
	return p
}

// checkPlaces moves workers whose CPUs are gone, or are back, when it is time to look. It
// returns the next time.
func (s *supervisor) checkPlaces() core.Time {
	p := s.places
	if p == nil {
		return math.MaxInt64
	}
	if at := core.Time(now()); at >= p.next {
		p.next = at + core.Time(placesEvery)
		if err := s.place(); err != nil && !p.told {
			p.told = true
			s.say("tutti: workers stay where they are: %v\n", err)
		}
	}
	return p.next
}

// place compares where workers are with where they should be, and moves them.
func (s *supervisor) place() error {
	p := s.places
	there, err := p.there()
	if err != nil {
		return err
	}
	want := topo.Places(p.homes, there)
	if !slices.EqualFunc(want, p.at, slices.Equal) {
		if err := s.m.describe(want); err != nil {
			return err
		}
		p.at = want
	}
	for i, cpus := range want {
		k := s.kids[i+1]
		if cpus == nil || k.core.State() != core.Ready || k.proc == nil {
			continue // one that starts binds itself, to what describe has written
		}
		is, err := topo.AffinityOf(k.pid())
		if err != nil || slices.Equal(is, cpus) {
			continue // it is ending, or where it should be
		}
		if err := topo.PinOther(k.pid(), cpus...); err != nil {
			return err
		}
	}
	return nil
}

// describe writes down the CPUs that workers are on, for themselves and for policies that
// go by distance. A policy that reads while it is written sees a worker half here and
// half there, for one look.
func (m *memory) describe(places [][]int) error {
	machine, err := topo.Detect()
	if err != nil {
		return err
	}
	for i, cpus := range places {
		b := &m.slot[i+1]
		for _, c := range machine.CPUs {
			if b.cpu.Load() >= 0 && c.ID == cpus[0] { // one that may be on several is nowhere
				b.setCPU(c)
			}
		}
	}
	return nil
}

// setCPU notes the CPU of a worker.
func (b *slotBlock) setCPU(c topo.CPU) {
	b.core.Store(int32(c.Core))
	b.cache.Store(int32(c.L3))
	b.node.Store(int32(c.Node))
	b.speed.Store(uint32(c.Capacity))
	b.cpu.Store(int32(c.ID))
}
