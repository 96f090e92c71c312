package topo

import (
	"fmt"
	"strconv"
	"strings"
)

// maxCachesNamed is how many caches String lists one by one before it only counts them.
const maxCachesNamed = 4

// String describes the machine in one line for people, such as "2 CPUs (2 cores, 1 package, 1 node),
// L3 32 MiB shared by 0-1, quota none, 23.5 GiB". Programs read the fields.
func (m *Machine) String() string {
	cores, packages, nodes := map[int]bool{}, map[int]bool{}, map[int]bool{}
	slowest := fullCapacity
	for _, c := range m.CPUs {
		cores[c.Core], packages[c.Package], nodes[c.Node] = true, true, true
		slowest = min(slowest, c.Capacity)
	}
	parts := []string{fmt.Sprintf("%s (%s, %s, %s)", count(len(m.CPUs), "CPU"), count(len(cores), "core"),
		count(len(packages), "package"), count(len(nodes), "node"))}
	if slowest < fullCapacity {
		parts = append(parts, fmt.Sprintf("capacity %d to %d", slowest, fullCapacity))
	}
	parts = append(parts, m.describeCaches()...)
	if m.Quota > 0 {
		parts = append(parts, "quota "+strconv.FormatFloat(m.Quota, 'g', 3, 64)+" CPUs")
	} else {
		parts = append(parts, "quota none")
	}
	if m.MemoryBytes > 0 {
		parts = append(parts, formatBytes(m.MemoryBytes))
	}
	if m.MemoryLimit > 0 {
		parts = append(parts, "limit "+formatBytes(m.MemoryLimit))
	}
	return strings.Join(parts, ", ")
}

// describeCaches names the last-level caches and who shares them; nothing where none is described.
func (m *Machine) describeCaches() []string {
	sharers := map[int][]int{}
	var order []int
	for _, c := range m.CPUs {
		if _, described := m.caches[c.L3]; !described {
			continue
		}
		if sharers[c.L3] == nil {
			order = append(order, c.L3)
		}
		sharers[c.L3] = append(sharers[c.L3], c.ID)
	}
	if len(order) <= maxCachesNamed {
		var parts []string
		for _, l3 := range order {
			parts = append(parts, fmt.Sprintf("%s shared by %s", m.caches[l3], formatCPUs(sharers[l3])))
		}
		return parts
	}
	counts := map[cache]int{}
	var kinds []cache
	for _, l3 := range order {
		kind := m.caches[l3]
		if counts[kind] == 0 {
			kinds = append(kinds, kind)
		}
		counts[kind]++
	}
	var parts []string
	for _, kind := range kinds[:min(len(kinds), maxCachesNamed)] {
		parts = append(parts, fmt.Sprintf("%d x %s", counts[kind], kind))
	}
	return parts
}

// String is level and size, such as "L3 32 MiB".
func (c cache) String() string {
	if c.bytes == 0 {
		return fmt.Sprintf("L%d", c.level)
	}
	return fmt.Sprintf("L%d %s", c.level, formatBytes(c.bytes))
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// formatBytes writes a size with its binary unit and at most one decimal.
func formatBytes(n int64) string {
	units := []string{"bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}
	value, unit := float64(n), 0
	for value >= 1024 && unit < len(units)-1 {
		value, unit = value/1024, unit+1
	}
	return strings.TrimSuffix(strconv.FormatFloat(value, 'f', 1, 64), ".0") + " " + units[unit]
}
