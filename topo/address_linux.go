package topo

import (
	"math"

	"golang.org/x/sys/unix"
)

// addressSpace is the limit of this process's address space, 0 for none.
func addressSpace() int64 {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_AS, &limit); err != nil || limit.Cur > math.MaxInt64 {
		return 0
	}
	return int64(limit.Cur)
}
