//go:build !race

package ipc

// storeWord stores a word that others may read meanwhile. It is a plain store: what
// orders it are the atomic operations around it, and an exchange would cost as much as
// taking a lock.
func storeWord(p *uint64, v uint64) { *p = v }

// loadWord loads what storeWord stores.
func loadWord(p *uint64) uint64 { return *p }
