//go:build !amd64 || race

package ipc

import "sync/atomic"

// publish stores a word after all that was stored before.
func publish(p *uint64, v uint64) { atomic.StoreUint64(p, v) }

// observe loads a word before all that is loaded after it.
func observe(p *uint64) uint64 { return atomic.LoadUint64(p) }
