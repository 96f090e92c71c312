package shm

// The bits of a lifeline word are the kernel's own for robust futexes.
const (
	lifelineWaiters   = 0x80000000
	lifelineOwnerDied = 0x40000000
)

// LifelineDead reports whether the value v of a lifeline word says that its
// holder died. See [HoldLifeline].
func LifelineDead(v uint32) bool { return v&lifelineOwnerDied != 0 }
