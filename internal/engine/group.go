package engine

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/tutti-run/tutti/internal/core"
)

// Group is one kind of workers. A pool that has groups is one whose master assigns.
type Group struct {
	Name    string
	Env     [][]string // by worker, numbered within the group; there is one for each
	CPUs    []int      // its workers are bound to these; nil for all
	Memory  int64      // bytes that a worker process may have of its own; 0 for no limit
	Takes   []uint32   // the functions that it takes, by number
	Restart core.Intensity
}

// setGroups writes what groups there are: one that takes everything where there are
// none.
func (m *memory) setGroups(groups []Group) {
	for fn := range m.takers {
		m.takers[fn] = 1
		if len(groups) > 0 {
			m.takers[fn] = 0
		}
		for g := range groups {
			if slices.Contains(groups[g].Takes, uint32(fn)) {
				m.takers[fn] |= 1 << g
			}
		}
	}
	slot := 1
	for g := range groups {
		for range groups[g].Env {
			m.slot[slot].group = uint32(g)
			slot++
		}
	}
}

// groupOf is the group of a slot and the worker's number in it, from 0.
func groupOf(groups []Group, slot int) (g, nth int) {
	for nth = slot - 1; g < len(groups)-1 && nth >= len(groups[g].Env); g++ {
		nth -= len(groups[g].Env)
	}
	return g, nth
}

// birth is what a worker is told in its environment: which it is, and the limits that
// it sets itself before it does anything.
type birth struct {
	slot, epoch int
	memory      int64
	cpus        []int
	procs       string // of the variable procsVariable: "=" and its value; "" where there is none
}

func (b birth) String() string {
	cpus := make([]string, len(b.cpus))
	for i, c := range b.cpus {
		cpus[i] = strconv.Itoa(c)
	}
	return fmt.Sprintf("%d:%d:%d:%d:%s:%s", layoutVersion, b.slot, b.epoch, b.memory, strings.Join(cpus, ","), b.procs)
}

// parseBirth reads what String wrote.
func parseBirth(mark string) (b birth, err error) {
	var version int
	parts := strings.SplitN(mark, ":", 6)
	if len(parts) == 6 {
		_, err = fmt.Sscanf(strings.Join(parts[:4], " "), "%d %d %d %d", &version, &b.slot, &b.epoch, &b.memory)
	}
	if len(parts) != 6 || err != nil || version != layoutVersion {
		return b, fmt.Errorf("%s=%q: want version %d", marker, mark, layoutVersion)
	}
	for text := range strings.SplitSeq(parts[4], ",") {
		if text == "" {
			continue
		}
		c, err := strconv.Atoi(text)
		if err != nil {
			return b, fmt.Errorf("%s=%q: %w", marker, mark, err)
		}
		b.cpus = append(b.cpus, c)
	}
	b.procs = parts[5]
	return b, nil
}

// procsVariable tells Go's runtime how many threads run Go code at once. A worker starts
// with it, since to change that later stops the world; then it is as it was, or what
// tasks start would see it.
const procsVariable = "GOMAXPROCS"

// withProcs is the environment env of a worker with n such threads, and what is to be
// remembered of it.
func withProcs(env []string, n int) (with []string, was string) {
	for _, kv := range env {
		if value, found := strings.CutPrefix(kv, procsVariable+"="); found {
			was = "=" + value
			continue
		}
		with = append(with, kv)
	}
	return append(with, procsVariable+"="+strconv.Itoa(n)), was
}

// restoreProcs has the environment be what withProcs was given.
func (b *birth) restoreProcs() {
	if value, found := strings.CutPrefix(b.procs, "="); found {
		_ = os.Setenv(procsVariable, value)
	} else {
		_ = os.Unsetenv(procsVariable)
	}
}

// birthOf is what the worker of a slot is told, and its environment.
func (c *Config) birthOf(slot, epoch int) (birth, []string) {
	b := birth{slot: slot, epoch: epoch}
	if len(c.Groups) == 0 {
		return b, c.Env
	}
	g, nth := groupOf(c.Groups, slot)
	b.memory, b.cpus = c.Groups[g].Memory, c.Groups[g].CPUs
	return b, c.Groups[g].Env[nth]
}

// deaths are what the workers' deaths are counted by: those of each group apart.
func (c *Config) deaths() []*core.Deaths {
	if len(c.Groups) == 0 {
		return []*core.Deaths{core.NewDeaths(c.Restart)}
	}
	all := make([]*core.Deaths, len(c.Groups))
	for g := range c.Groups {
		all[g] = core.NewDeaths(c.Groups[g].Restart)
	}
	return all
}

// bury ends a group when the last of its workers will not be started again, and the
// pool when that was the last group, or when it has not even begun. What only this group
// takes fails from then on.
func (s *supervisor) bury(k *child) {
	g, _ := groupOf(s.cfg.Groups, k.slot)
	text := "workers die too often; the last: %w"
	if len(s.cfg.Groups) > 0 {
		text = fmt.Sprintf("workers of group %q die too often; the last: %%w", s.cfg.Groups[g].Name)
	}
	select {
	case <-s.ready:
	default:
		s.giveUp(fmt.Errorf(text, s.lastDeath))
		return
	}
	if len(s.cfg.Groups) < 2 {
		s.giveUp(fmt.Errorf(text, s.lastDeath))
		return
	}
	allDead := true
	for _, other := range s.kids[1:] {
		dead := other.core.State() == core.GivenUp
		if of, _ := groupOf(s.cfg.Groups, other.slot); of == g && !dead {
			return
		}
		allDead = allDead && dead
	}
	if allDead {
		s.giveUp(fmt.Errorf(text, s.lastDeath))
		return
	}
	s.mu.Lock()
	s.obituaries[g] = fmt.Errorf(text, s.lastDeath).Error()
	s.mu.Unlock()
	s.assigner.dead.Or(1 << g)
	s.say("tutti: %s; tasks that only it takes fail\n", s.obituaries[g])
	for leaf := range s.m.Geometry.Tasks / 64 {
		if set := s.assigner.queued(leaf, ^uint64(0)); set != 0 {
			s.m.inbox().add(leaf, set)
		}
	}
	s.m.wakeAny()
}

// refuse fails a task that no group takes that has workers.
func (s *supervisor) refuse(index uint32, w Word) {
	s.mu.Lock()
	var why []string
	for g, text := range s.obituaries {
		if s.m.takers[int(s.m.orders[index].fn.Load())%len(s.m.takers)]>>g&1 != 0 {
			why = append(why, text)
		}
	}
	s.mu.Unlock()
	slices.Sort(why)
	s.fail(index, w, KindNoGroup, []byte(strings.Join(why, "; ")))
}
