// Package waitfor decides, from a picture of who holds and who awaits what, which
// agents can never go on, and how that is prevented.
//
//   - Found:     [Deadlocked], [Cycle], [Victim] look at a [Picture].
//   - Foreseen:  [Order] learns in which order locks are taken, [CheckRank] knows it.
//   - Prevented: [WoundWait] lets older transactions win; [Grant] is the Banker's
//     rule for tasks that declare what they will need.
//
// All of it is decided on values that the caller hands in. Nothing here waits,
// locks or reads a clock, and nothing is safe for use by several goroutines at
// once on the same memory unless all of them only read it.
package waitfor
