// Package topo tells what the machine has for this process, so that work can be placed: CPUs with
// their cores, caches and memory nodes, how much of them a cgroup leaves, and pinning to them.
//
// The reading of /proc and /sys is pure over an [io/fs.FS]: it opens what is there, believes what
// parses, and replaces the rest by the plainest assumption (one thread a core, one node, no quota), so
// that it works where a container hides half of /sys. Only the affinity calls touch the system.
package topo

import (
	"cmp"
	"io/fs"
	"math"
	"slices"
	"sync"
)

// CPU is one logical CPU. Core and L3 are labels to compare for equality, the same in every process
// of the machine; they are CPU ids and therefore have gaps.
type CPU struct {
	// ID is the kernel's number of this CPU, as PinProcess takes it.
	ID int
	// Core is the lowest online CPU id among the SMT siblings of this CPU, itself included. The
	// kernel's core_id is not used, because it repeats in every package.
	Core int
	// Package is the kernel's number of the socket, 0 where unknown.
	Package int
	// L3 is the lowest online CPU id among those that share this CPU's last-level cache, which on
	// some machines is an L2. Where the kernel describes no cache, CPUs of one package and node
	// count as sharing one.
	L3 int
	// Node is the kernel's number of the NUMA node, 0 where unknown.
	Node int
	// Capacity is the speed relative to the fastest of the Machine's CPUs, which has 1024. It is
	// always in 1..1024.
	Capacity int
}

// Machine is what this process may use, as it was when Detect or Limits looked. Nothing writes to it
// after they have returned, so any number of goroutines may read it.
type Machine struct {
	// CPUs are those online that this process's affinity allows, by rising ID. Detect gives at
	// least one.
	CPUs []CPU
	// Quota is the CPU time a cgroup grants, in CPUs (1.5 is 150 ms of CPU time every 100 ms); the
	// tightest of this cgroup and its visible ancestors. 0 is no quota.
	Quota float64
	// MemoryBytes is the machine's memory in bytes, 0 where unknown.
	MemoryBytes int64
	// MemoryLimit is the most memory a cgroup grants, in bytes, tightest of this cgroup and its
	// visible ancestors. 0 is no limit. It may exceed MemoryBytes.
	MemoryLimit int64
	// AddressSpace is the most memory that this process may map, in bytes (ulimit -v). 0 is no limit.
	AddressSpace int64

	caches map[int]cache // by CPU.L3; for String alone
}

// cache is a last-level cache.
type cache struct {
	level int
	bytes int64 // 0 where unknown
}

// Detect describes the machine as this process may use it. What cannot be read is assumed away (see
// the package comment), so on every system that tutti compiles for the error is nil; where nothing
// is known, the Machine has runtime.NumCPU CPUs. It reads two files a core, ten a last-level cache and
// some twenty more, at 5 to 8 µs each; later calls read of these only the dozen that tell which CPUs
// and what limits there are, for as long as the CPUs stay the same.
func Detect() (*Machine, error) { return here(hardware.detect) }

// Limits is Detect for who wants to know which CPUs there are and what limits, but not how the CPUs
// lie: each is a core of its own, on one node and package, with a cache of its own, as fast as the
// others. It reads a dozen files.
func Limits() (*Machine, error) { return here(apart) }

func here(look func(root fs.FS, allowed []int) *Machine) (*Machine, error) {
	allowed, err := Affinity()
	if err != nil {
		allowed = nil // not Linux, or refused: then what is online counts
	}
	m := look(hostFiles(), allowed)
	m.AddressSpace = addressSpace()
	return m, nil
}

// apart describes the machine as Limits does.
func apart(root fs.FS, allowed []int) *Machine {
	f := files{root}
	m := &Machine{}
	for _, id := range f.usable(allowed) {
		m.CPUs = append(m.CPUs, CPU{ID: id, Core: id, L3: id, Capacity: fullCapacity})
	}
	f.limit(m)
	return m
}

// Usable gives the CPUs that this process may use just now, by rising id: those of [Affinity] but for
// the ones that are offline. They are the ones that [Detect] describes; to ask for them alone costs a
// system call and a file.
func Usable() ([]int, error) {
	allowed, err := Affinity()
	if err != nil {
		return nil, err
	}
	return files{hostFiles()}.usable(allowed), nil
}

// hardware is how the CPUs lie that Detect saw last. Who asks twice, as a program and
// then its pool do, waits for /sys once.
var hardware layout

// layout remembers how a set of CPUs lies. It may be used from several goroutines.
type layout struct {
	mu       sync.Mutex
	ids      []int
	*Machine // of which only CPUs and caches are set; nobody writes to them
}

// detect describes the machine whose / is root to a process that may run on allowed, or on whatever
// is online when allowed is empty. It reads files of root only.
func (l *layout) detect(root fs.FS, allowed []int) *Machine {
	f := files{root}
	ids := f.usable(allowed)
	m := &Machine{}
	l.mu.Lock()
	if !slices.Equal(l.ids, ids) {
		l.ids, l.Machine = ids, f.lie(ids)
	}
	m.CPUs, m.caches = slices.Clone(l.CPUs), l.caches
	l.mu.Unlock()
	f.limit(m)
	return m
}

// limit notes how much memory there is, and what control groups leave of the machine.
func (f files) limit(m *Machine) {
	m.MemoryBytes = f.memoryTotal()
	m.Quota, m.MemoryLimit = f.cgroups().limits(f)
}

// Parallelism is the number of workers that can compute at once, at least 1: one a CPU, or the quota
// rounded up where that is less. Up and not down, because under a quota of 2.5 two workers leave a
// fifth of the granted time unused for ever, where three use it all and are throttled for a part of
// each period; Go's own GOMAXPROCS rounds up as well.
func (m *Machine) Parallelism() int {
	n := max(1, len(m.CPUs))
	if m.Quota > 0 && m.Quota < float64(n) {
		n = int(math.Ceil(m.Quota))
	}
	return n
}

// Distance is how far apart two CPUs are, nearest first, so that distances compare with <.
type Distance uint8

const (
	// Same is one CPU.
	Same Distance = iota
	// SMT is two hardware threads of one core.
	SMT
	// Cache is two cores that share the last-level cache.
	Cache
	// Node is two last-level caches on one NUMA node.
	Node
	// Far is two NUMA nodes, or a CPU that the Machine does not have.
	Far
)

var distanceNames = [...]string{Same: "same", SMT: "smt", Cache: "cache", Node: "node", Far: "far"}

// String is the distance in one lower-case word.
func (d Distance) String() string {
	if int(d) < len(distanceNames) {
		return distanceNames[d]
	}
	return "unknown"
}

// Distance is the distance between the CPUs with ids a and b. Where the Machine lacks one of them it
// is Far, the assumption under which least is shared; a CPU is always the Same as itself.
func (m *Machine) Distance(a, b int) Distance {
	if a == b {
		return Same
	}
	x, okX := m.cpu(a)
	y, okY := m.cpu(b)
	if !okX || !okY {
		return Far
	}
	return x.Distance(y)
}

// Distance is how far apart two CPUs of one Machine are.
func (x CPU) Distance(y CPU) Distance {
	switch {
	case x.ID == y.ID:
		return Same
	case x.Core == y.Core:
		return SMT
	case x.L3 == y.L3:
		return Cache
	case x.Node == y.Node:
		return Node
	}
	return Far
}

func (m *Machine) cpu(id int) (CPU, bool) {
	i, ok := slices.BinarySearchFunc(m.CPUs, id, func(c CPU, id int) int { return cmp.Compare(c.ID, id) })
	if !ok {
		return CPU{}, false
	}
	return m.CPUs[i], true
}
