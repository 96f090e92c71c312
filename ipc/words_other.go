//go:build !amd64 || race

package ipc

import "sync/atomic"

// Words that others read and write meanwhile. Plain loads and stores may pass each other
// and atomic ones here, as on arm64: who looks at a row, and then once more at its word,
// would take what a later use says for what he saw begin.

// publish stores a word after all that was stored before.
func publish(p *uint64, v uint64) { atomic.StoreUint64(p, v) }

// observe loads a word before all that is loaded after it.
func observe(p *uint64) uint64 { return atomic.LoadUint64(p) }

// storeWord stores what others may read, and know to be wrong when the word that says
// what it is about has changed: between two such words, in this order.
func storeWord(p *uint64, v uint64) { atomic.StoreUint64(p, v) }

// loadWord loads what storeWord stores, between two looks at that word.
func loadWord(p *uint64) uint64 { return atomic.LoadUint64(p) }
