package topo

import "slices"

// Places says on which CPUs each of several processes is to run, when only the CPUs in there are.
// homes[i] are those that process i was meant for. One that has some of its own left stays on these;
// one that has none moves to the CPU that the fewest are on, the lowest of equals. Who was moved is home
// again as soon as its CPUs are back. With no CPU at all everyone stays where he was meant to be. A nil
// home is that of one that may be anywhere, and so is its place.
func Places(homes [][]int, there []int) [][]int {
	places := make([][]int, len(homes))
	on := map[int]int{}
	for i, home := range homes {
		for _, cpu := range home {
			if slices.Contains(there, cpu) {
				places[i] = append(places[i], cpu)
				on[cpu]++
			}
		}
	}
	for i, home := range homes {
		switch {
		case len(places[i]) > 0 || home == nil:
		case len(there) == 0:
			places[i] = home
		default:
			refuge := slices.MinFunc(there, func(a, b int) int {
				if on[a] != on[b] {
					return on[a] - on[b]
				}
				return a - b
			})
			places[i] = []int{refuge}
			on[refuge]++
		}
	}
	return places
}
