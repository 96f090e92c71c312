package cli

import (
	"iter"
	"runtime"
)

// abreastLot is how many items are done in one go: enough to be worth a goroutine.
const abreastLot = 256

// abreast gives f of each item of from, in the same order. It is computed on all CPUs, and
// from, which makes nobody wait, is read ahead by some lots. No goroutine is left when the
// loop over it ends, at whatever item.
func abreast[A, B any](from iter.Seq[A], f func(A) B) iter.Seq[B] {
	return func(yield func(B) bool) {
		lots := make(chan chan []B, runtime.GOMAXPROCS(0)) // in order
		quit := make(chan struct{})
		defer func() {
			close(quit)
			for lot := range lots {
				<-lot
			}
		}()
		go deal(from, f, lots, quit)
		for lot := range lots {
			for _, b := range <-lot {
				if !yield(b) {
					return
				}
			}
		}
	}
}

// deal has each lot of items done by a goroutine, until quit is closed.
func deal[A, B any](from iter.Seq[A], f func(A) B, lots chan<- chan []B, quit <-chan struct{}) {
	defer close(lots)
	var items []A
	send := func() bool {
		lot, mine := make(chan []B, 1), items
		items = make([]A, 0, abreastLot)
		select {
		case lots <- lot:
		case <-quit:
			return false
		}
		go func() {
			out := make([]B, len(mine))
			for i, a := range mine {
				out[i] = f(a)
			}
			lot <- out
		}()
		return true
	}
	for a := range from {
		if items = append(items, a); len(items) == abreastLot && !send() {
			return
		}
	}
	if len(items) > 0 {
		send()
	}
}
