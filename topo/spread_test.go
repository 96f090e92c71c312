package topo

import (
	"slices"
	"testing"
	"testing/fstest"
)

// twoSockets is two nodes with two L3 each, two cores an L3, two threads a core: 16 CPUs, the second
// threads from id 8 on.
func twoSockets() *Machine {
	m := &Machine{}
	for id := range 16 {
		core := id % 8
		m.CPUs = append(m.CPUs, CPU{ID: id, Core: core, Package: core / 4, L3: core / 2 * 2, Node: core / 4, Capacity: 1024})
	}
	return m
}

func TestSpread(t *testing.T) {
	t.Parallel()
	boost := eightThreads()
	put(boost, "0-7", "cpufreq/cpuinfo_max_freq", "5500000")
	put(boost, "2,6", "cpufreq/cpuinfo_max_freq", "5700000")
	hybrid := tree(map[string]string{cpuDir + "online": "0-5"})
	put(hybrid, "0-3", "cpufreq/cpuinfo_max_freq", "5200000")
	put(hybrid, "4-5", "cpufreq/cpuinfo_max_freq", "4000000")
	put(hybrid, "0-1", "topology/core_cpus_list", "0-1")
	put(hybrid, "2-3", "topology/core_cpus_list", "2-3")

	from := func(root fstest.MapFS, allowed ...int) *Machine { return detect(root, allowed) }
	tests := []struct {
		name string
		m    *Machine
		want []int
	}{
		{"none", &Machine{}, []int{}},
		{"two cores", from(twoCores(), 0, 1), []int{0, 1}},
		{"caches in turn, siblings last", from(eightThreads()), []int{0, 2, 1, 3, 4, 6, 5, 7}},
		{"a sibling allowed alone is a core", from(eightThreads(), 4, 1, 5), []int{1, 4, 5}},
		{"nodes in turn", from(twoNodes()), []int{0, 2, 1, 3}},
		{"nodes, then caches", twoSockets(), []int{0, 4, 2, 6, 1, 5, 3, 7, 8, 12, 10, 14, 9, 13, 11, 15}},
		{"fast cores first", from(bigLittle()), []int{4, 5, 0, 1, 2, 3}},
		{"boost clocks only break ties", from(boost), []int{0, 2, 1, 3, 4, 6, 5, 7}},
		{"slow cores before second threads", from(hybrid), []int{0, 2, 4, 5, 1, 3}},
	}
	for _, tt := range tests {
		if got := tt.m.Spread(); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestDistance(t *testing.T) {
	t.Parallel()
	m := twoSockets()
	tests := []struct {
		a, b int
		want Distance
	}{
		{0, 0, Same}, {0, 8, SMT}, {0, 1, Cache}, {0, 9, Cache}, {0, 2, Node}, {0, 4, Far}, {8, 15, Far},
		{0, 99, Far}, {99, 0, Far}, {99, 99, Same}, {-1, 0, Far},
	}
	for _, tt := range tests {
		if got := m.Distance(tt.a, tt.b); got != tt.want {
			t.Errorf("from %d to %d: %s, want %s", tt.a, tt.b, got, tt.want)
		}
		if got := m.Distance(tt.b, tt.a); got != tt.want {
			t.Errorf("from %d to %d: %s, want %s", tt.b, tt.a, got, tt.want)
		}
	}
	if !(Same < SMT && SMT < Cache && Cache < Node && Node < Far) {
		t.Error("distances do not compare nearest first")
	}
	if got := Distance(9).String(); got != "unknown" {
		t.Errorf("a distance out of range is called %q", got)
	}
}
