package ipc

import (
	"errors"
	"strings"
	"testing"
)

// A process that has a space open twice is one process: what its goroutines hold through
// one they hold for the other as well. It never kills itself.
func TestDeadlockOverOneSpaceTwice(t *testing.T) {
	t.Parallel()
	for _, policy := range []Policy{AbortYoungest, KillProcess} {
		name := spaceName(t)
		var spaces [2]*Space
		for i := range spaces {
			spaces[i] = must(OpenWith(name, 0, Options{OnDeadlock: policy}))
			t.Cleanup(func() { _ = spaces[i].Close() })
		}
		errs, held := make(chan error), make(chan bool)
		for i := range spaces {
			go func() {
				mine, next := must(spaces[0].Mutex([2]string{"a", "b"}[i])), must(spaces[1].Mutex([2]string{"b", "a"}[i]))
				err := mine.Lock(soon(t))
				if i == 0 {
					held <- true
				} else {
					<-held
				}
				if err == nil {
					err = next.Lock(soon(t))
				}
				if err == nil {
					err = next.Unlock()
				}
				errs <- errors.Join(err, mine.Unlock())
			}()
		}
		if dead := told(t, <-errs, <-errs); len(dead.Cycle) != 2 || strings.Count(dead.Error(), "circles_linux_test.go:") != 4 {
			t.Error(dead)
		}
		one, other := must(spaces[0].Mutex("a")), must(spaces[1].Mutex("a"))
		if err := one.Lock(soon(t)); err != nil {
			t.Fatal(err)
		}
		err := other.Lock(soon(t))
		if dead := told(t, err, one.Unlock()); len(dead.Cycle) != 1 || strings.Count(dead.Error(), "circles_linux_test.go:") != 2 {
			t.Error(dead)
		}
	}
}
