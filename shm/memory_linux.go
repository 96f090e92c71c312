package shm

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"sync/atomic"
)

const (
	// lookEvery is how many bytes this process commits between two looks at the
	// machine's memory. A look costs some 20 µs, as much as committing 100 KiB.
	lookEvery = commitChunk
	// memoryReserve, in bytes, is left to the system: less, and it would stand
	// still long before it is out of memory.
	memoryReserve = 64 << 20
)

// unlooked counts the bytes committed since the last look.
var unlooked atomic.Int64

// checkRoom returns an error if the machine cannot well give n bytes more. The
// kernel would not refuse: a memfd has no limit, and with the usual overcommit
// setting it kills processes to make room. Limits of a cgroup are not looked
// at here: a page cache counts against them that would give way.
func checkRoom(n int64) error {
	if unlooked.Add(n) < lookEvery {
		return nil
	}
	unlooked.Store(0)
	info, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return nil // without /proc the kernel is asked directly
	}
	available, ok := parseMemInfo(info)
	if ok && n > available-memoryReserve {
		return fmt.Errorf("the machine has %d bytes left", available)
	}
	return nil
}

// parseMemInfo returns the bytes that /proc/meminfo says can still be had, swap
// included, and whether it says so.
func parseMemInfo(info []byte) (available int64, ok bool) {
	for line := range bytes.Lines(info) {
		f := bytes.Fields(line)
		if len(f) != 3 {
			continue
		}
		kib, err := strconv.ParseInt(string(f[1]), 10, 53)
		if err != nil || kib < 0 {
			continue
		}
		switch string(f[0]) {
		case "MemAvailable:":
			available, ok = available+kib<<10, true
		case "SwapFree:":
			available += kib << 10
		}
	}
	return available, ok
}
