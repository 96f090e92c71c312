package topo

import (
	"fmt"
	"io/fs"
	"math"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// fullCapacity is the Capacity of the fastest CPU, the kernel's SCHED_CAPACITY_SCALE.
const fullCapacity = 1024

// maxCacheIndex bounds the caches looked at for a CPU; machines have four or five.
const maxCacheIndex = 16

// files reads small kernel files. A file that is missing or does not parse is "not ok" and never an
// error: what to assume instead is its reader's business.
type files struct{ root fs.FS }

func (f files) text(path string) (string, bool) {
	data, err := fs.ReadFile(f.root, path)
	return strings.TrimSpace(string(data)), err == nil
}

func (f files) number(path string) (int64, bool) {
	text, _ := f.text(path)
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil
}

func (f files) cpus(path string) []int {
	text, _ := f.text(path)
	ids, err := parseCPUs(text)
	if err != nil {
		return nil
	}
	return ids
}

// lie describes how the CPUs with these ids lie.
func (f files) lie(ids []int) *Machine {
	cores := label(ids, func(id int) []int { return f.sharing(id, "core_cpus_list", "thread_siblings_list") })
	packages := f.packages(ids)
	nodes := f.nodes()
	capacities := f.capacities(ids, cores)

	m := &Machine{CPUs: make([]CPU, len(ids)), caches: map[int]cache{}}
	for i, id := range ids {
		m.CPUs[i] = CPU{ID: id, Core: cores[id], Package: packages[id], Node: nodes[id], Capacity: capacities[i]}
	}
	f.addCaches(m, ids)
	return m
}

// usable gives the CPUs to describe. The affinity mask decides where it is known: the kernel keeps
// offline CPUs out of it. It is not cut down to the file "online", because lxcfs rewrites that one to
// small numbers from 0 where the real ids are others; "offline" it passes through.
func (f files) usable(allowed []int) []int {
	ids := slices.Compact(slices.Sorted(slices.Values(allowed)))
	offline := f.cpus("sys/devices/system/cpu/offline")
	ids = slices.DeleteFunc(ids, func(id int) bool {
		_, off := slices.BinarySearch(offline, id)
		return off || id < 0 || id >= maxCPUs
	})
	if len(ids) > 0 {
		return ids
	}
	if ids = f.cpus("sys/devices/system/cpu/online"); len(ids) > 0 {
		return ids
	}
	for id := range runtime.NumCPU() {
		ids = append(ids, id)
	}
	return ids
}

// label gives each CPU the lowest id of the set that shared names for it. One answer serves all the
// members of the set, so that a big machine costs one read a core or cache and not one a CPU. A set
// without the CPU itself is garbage: then it is alone.
func label(ids []int, shared func(id int) []int) map[int]int {
	labels := make(map[int]int, len(ids))
	for _, id := range ids {
		if _, known := labels[id]; known {
			continue
		}
		set := shared(id)
		if !slices.Contains(set, id) {
			set = []int{id}
		}
		for _, member := range set {
			if _, known := labels[member]; !known {
				labels[member] = set[0]
			}
		}
	}
	return labels
}

// sharing gives the CPUs that one of id's topology files lists; before is its name until Linux 5.3.
func (f files) sharing(id int, name, before string) []int {
	dir := fmt.Sprintf("sys/devices/system/cpu/cpu%d/topology/", id)
	if set := f.cpus(dir + name); set != nil {
		return set
	}
	return f.cpus(dir + before)
}

// packages gives the package number by CPU id.
func (f files) packages(ids []int) map[int]int {
	packages := map[int]int{}
	for _, id := range ids {
		if _, known := packages[id]; known {
			continue
		}
		n, ok := f.number(fmt.Sprintf("sys/devices/system/cpu/cpu%d/topology/physical_package_id", id))
		if !ok || n < 0 || n > math.MaxInt32 {
			n = 0 // some arm64 firmware says -1
		}
		packages[id] = int(n)
		for _, member := range f.sharing(id, "package_cpus_list", "core_siblings_list") {
			if _, known := packages[member]; !known {
				packages[member] = int(n)
			}
		}
	}
	return packages
}

// nodes gives the NUMA node by CPU id; a CPU without one is on node 0 by the map's zero value.
func (f files) nodes() map[int]int {
	nodes := map[int]int{}
	// Node numbers come in the CPU list format too, and are fewer.
	for _, node := range f.cpus("sys/devices/system/node/online") {
		for _, id := range f.cpus(fmt.Sprintf("sys/devices/system/node/node%d/cpulist", node)) {
			nodes[id] = node
		}
	}
	return nodes
}

// capacities gives the speeds of ids, the fastest fullCapacity. The kernel's own measure comes first;
// the highest frequency is second, since it says nothing of work per cycle. A source counts only if
// it knows every core: numbers of two sources do not compare.
func (f files) capacities(ids []int, cores map[int]int) []int {
	capacities := make([]int, len(ids))
	for _, name := range []string{"cpu_capacity", "cpufreq/cpuinfo_max_freq"} {
		if speeds, ok := f.speeds(ids, cores, name); ok {
			fastest := float64(slices.Max(speeds))
			for i, speed := range speeds {
				capacities[i] = max(1, int(math.Round(float64(speed)/fastest*fullCapacity)))
			}
			return capacities
		}
	}
	for i := range capacities {
		capacities[i] = fullCapacity
	}
	return capacities
}

// speeds reads the file name of one thread of every core, for all its threads.
func (f files) speeds(ids []int, cores map[int]int, name string) ([]int64, bool) {
	speeds := make([]int64, len(ids))
	ofCore := map[int]int64{}
	for i, id := range ids {
		speed, known := ofCore[cores[id]]
		if !known {
			var ok bool
			speed, ok = f.number(fmt.Sprintf("sys/devices/system/cpu/cpu%d/%s", id, name))
			if !ok || speed <= 0 {
				return nil, false
			}
			ofCore[cores[id]] = speed
		}
		speeds[i] = speed
	}
	return speeds, true
}

// addCaches sets L3 of all CPUs and the sizes behind it; Package and Node must be set already.
func (f files) addCaches(m *Machine, ids []int) {
	labels := label(ids, func(id int) []int {
		set, last := f.lastCache(id)
		if slices.Contains(set, id) {
			m.caches[set[0]] = last
		}
		return set
	})
	if len(m.caches) == 0 { // no cache is described, as in many virtual machines
		labels = label(ids, m.neighbours)
	}
	for i := range m.CPUs {
		m.CPUs[i].L3 = labels[m.CPUs[i].ID]
	}
}

// lastCache gives the CPUs that share id's cache of the highest level, and that cache.
func (f files) lastCache(id int) ([]int, cache) {
	var last cache
	var dir string
	for index := range maxCacheIndex {
		at := fmt.Sprintf("sys/devices/system/cpu/cpu%d/cache/index%d/", id, index)
		level, ok := f.number(at + "level")
		if !ok {
			break
		}
		if level <= int64(last.level) || level > maxCacheIndex {
			continue
		}
		if kind, _ := f.text(at + "type"); kind == "Instruction" {
			continue
		}
		last.level, dir = int(level), at
	}
	if dir == "" {
		return nil, cache{}
	}
	size, _ := f.text(dir + "size")
	last.bytes = parseSize(size)
	return f.cpus(dir + "shared_cpu_list"), last
}

// neighbours gives the CPUs on the package and node of id: the plainest guess at who shares a cache.
func (m *Machine) neighbours(id int) []int {
	self, _ := m.cpu(id)
	var set []int
	for _, c := range m.CPUs {
		if c.Package == self.Package && c.Node == self.Node {
			set = append(set, c.ID)
		}
	}
	return set
}

// parseSize reads a cache's "32768K" into bytes, 0 if it is something else.
func parseSize(text string) int64 {
	digits, isKiB := strings.CutSuffix(text, "K")
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || !isKiB || n < 0 || n > math.MaxInt64>>10 {
		return 0
	}
	return n << 10
}

// memoryTotal reads the line "MemTotal:  24684096 kB" into bytes.
func (f files) memoryTotal() int64 {
	text, _ := f.text("proc/meminfo")
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 2 || fields[0] != "MemTotal:" {
			continue
		}
		return parseSize(fields[1] + "K")
	}
	return 0
}
