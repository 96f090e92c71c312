// Package tutti runs Go functions in worker processes of this computer, one
// per CPU, for about the price of a channel hop.
//
// A function is registered once, as a package-level variable, and called like
// any other; what it is given and what it returns travels through memory that
// the processes share:
//
//	var Square = tutti.NewFunc("square", func(ctx context.Context, n int) (int, error) {
//		return n * n, nil
//	})
//
//	func main() {
//		tutti.Main() // in a worker process: runs tasks and never returns
//		pool, err := tutti.Open(context.Background(), tutti.Config{})
//		…
//		defer pool.Close()
//		for out, err := range Square.Map(ctx, pool, numbers) { … }
//	}
//
// Why processes, where goroutines are cheap: a goroutine cannot be killed,
// shares one heap and one garbage collector with all others, and takes the
// whole program with it when it crashes. A worker that crashes, hangs or is
// killed costs one attempt of one task; its other tasks run elsewhere.
//
// # What is promised
//
// The result of each task is delivered exactly once. A function runs at least
// once: when its worker dies it is run again, in another worker, up to
// [Retries]; with [AtMostOnce] a crash is an error instead. A task that keeps
// killing its workers fails with a [CrashError]; its neighbours do not suffer.
//
// # What travels
//
// Values of plain types (numbers, booleans, arrays and structs of them) are
// copied as they are. Strings, byte slices and slices of plain types are copied
// as bytes; an empty slice arrives as nil. Everything else goes through CBOR,
// so only exported fields travel: a type that would lose something on the way
// (an unexported field, an interface, a channel, a function) is refused when it
// is registered. A time.Time keeps its nanoseconds and, to the minute, its zone's
// offset. For large data see [Slice].
//
// # Where it runs
//
// On Linux 5.16 and later, on amd64 and arm64. Elsewhere the package compiles
// and [Open] returns [ErrUnsupported].
package tutti

import (
	"os"
	"sync/atomic"

	"github.com/tutti-run/tutti/internal/engine"
)

// mainCalled is set by Main. Open insists on it: a program that forgot Main
// would start itself again and again.
var mainCalled atomic.Bool

// Main makes this process a worker if a pool started it to be one; then it runs
// tasks and never returns. Otherwise it returns at once. Call it first of all in
// main, and in TestMain; flags, files and other side effects come after it.
// Functions must have been registered before, so register them in package-level
// variables.
func Main() {
	mainCalled.Store(true)
	if !engine.IsWorker() {
		return
	}
	registry.Lock()
	handlers := make(map[string]engine.Handler, len(registry.byName))
	for name, f := range registry.byName {
		handlers[name] = f
	}
	registry.Unlock()
	engine.Serve(handlers, ownPolicies())
	os.Exit(1) // Serve does not return in a worker
}
