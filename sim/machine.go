package sim

// CPU is where one worker runs. Core, Cache and Node are labels to compare for
// equality.
type CPU struct {
	Speed             int // sched.FullSpeed is the fastest
	Core, Cache, Node int
}

// distance is topo's: 0 the same CPU, 1 the same core, 2 the same cache, 3 the same
// node, 4 far.
func distance(a, b int, cpus []CPU) int {
	x, y := cpus[a], cpus[b]
	switch {
	case a == b:
		return 0
	case x.Core == y.Core:
		return 1
	case x.Cache == y.Cache:
		return 2
	case x.Node == y.Node:
		return 3
	}
	return 4
}

// sharedCache is the distance up to which a steal is a near one.
const sharedCache = 2

// Grid is a machine of equal CPUs of full speed: so many NUMA nodes, caches to a
// node, cores to a cache and threads to a core.
func Grid(nodes, caches, cores, threads int) []CPU {
	var cpus []CPU
	for i := range nodes * caches * cores * threads {
		cpus = append(cpus, CPU{Speed: fullSpeed, Core: i / threads, Cache: i / (threads * cores), Node: i / (threads * cores * caches)})
	}
	return cpus
}
