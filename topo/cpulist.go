package topo

import (
	"fmt"
	"math/bits"
	"slices"
	"strconv"
	"strings"
)

// maxCPUs bounds CPU ids: the kernel's own NR_CPUS ends at 8192 on amd64 and lower on arm64. It keeps
// a garbled "0-4000000000" from becoming memory, and sizes affinity masks (1 KiB).
const maxCPUs = 8192

// parseCPUs reads the kernel's list format, "0-3,8,10-11", into rising ids without repeats. An empty
// list is no CPUs, as in the file "offline".
func parseCPUs(list string) ([]int, error) {
	list = strings.TrimSpace(list)
	if list == "" {
		return nil, nil
	}
	var seen [maxCPUs / 64]uint64 // bits, so that repeated ranges cost no memory
	for part := range strings.SplitSeq(list, ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		low, err := parseCPU(first)
		if err != nil {
			return nil, fmt.Errorf("cpu list %.80q: %w", list, err)
		}
		high, err := parseCPU(last)
		if err != nil {
			return nil, fmt.Errorf("cpu list %.80q: %w", list, err)
		}
		if low > high {
			return nil, fmt.Errorf("cpu list %.80q: range %d-%d falls", list, low, high)
		}
		for id := low; id <= high; id++ {
			seen[id/64] |= 1 << (id % 64)
		}
	}
	var ids []int
	for i, word := range &seen {
		for ; word != 0; word &= word - 1 {
			ids = append(ids, i*64+bits.TrailingZeros64(word))
		}
	}
	return ids, nil
}

func parseCPU(text string) (int, error) {
	// ParseUint, because Atoi takes signs, and "+1" or "-1" is no CPU.
	id, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		return 0, err
	}
	if id >= maxCPUs {
		return 0, fmt.Errorf("cpu %d is beyond %d", id, maxCPUs-1)
	}
	return int(id), nil
}

// formatCPUs writes ids, in any order, as the kernel does: "0-3,8".
func formatCPUs(ids []int) string {
	ids = slices.Compact(slices.Sorted(slices.Values(ids)))
	var b strings.Builder
	for i := 0; i < len(ids); {
		j := i
		for j+1 < len(ids) && ids[j+1] == ids[j]+1 {
			j++
		}
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.Itoa(ids[i]))
		if j > i {
			b.WriteByte('-')
			b.WriteString(strconv.Itoa(ids[j]))
		}
		i = j + 1
	}
	return b.String()
}
