//go:build amd64 && !race

package ipc

// publish stores a word after all that was stored before. On this CPU stores are seen
// in their order, and an exchange would cost ten times as much; that they are issued
// in it is what the compiler does.
func publish(p *uint64, v uint64) { *p = v }

// observe loads a word before all that is loaded after it.
func observe(p *uint64) uint64 { return *p }
