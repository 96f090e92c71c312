//go:build amd64 && !race

package ipc

// Words that others read and write meanwhile. This CPU shows stores and does loads in
// their order, and an exchange would cost as much as taking a lock; that they are issued
// in that order is what the compiler does.

// publish stores a word after all that was stored before.
func publish(p *uint64, v uint64) { *p = v }

// observe loads a word before all that is loaded after it.
func observe(p *uint64) uint64 { return *p }

// storeWord stores what others may read, and know to be wrong when the word that says
// what it is about has changed: between two such words, in this order.
func storeWord(p *uint64, v uint64) { *p = v }

// loadWord loads what storeWord stores, between two looks at that word.
func loadWord(p *uint64) uint64 { return *p }
