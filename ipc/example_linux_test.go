package ipc_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/tutti-run/tutti/ipc"
)

// open opens a space for an example; programs that share one open it by name.
func open() *ipc.Space {
	s, err := ipc.Anonymous(1<<20, ipc.Options{})
	if err != nil {
		log.Fatal(err)
	}
	return s
}

// mutexes are those of some names.
func mutexes(s *ipc.Space, names ...string) (m []*ipc.Mutex) {
	for _, name := range names {
		one, err := s.Mutex(name)
		if err != nil {
			log.Fatal(err)
		}
		m = append(m, one)
	}
	return m
}

// What is needed is known beforehand: take it at once.
func ExampleLockAll() {
	s := open()
	defer s.Close()
	m := mutexes(s, "from", "to")
	unlock, err := ipc.LockAll(context.Background(), m[1], m[0])
	if unlock == nil {
		log.Fatal(err)
	}
	fmt.Println("both are held, in whatever order others name them")
	fmt.Println(unlock())
	// Output:
	// both are held, in whatever order others name them
	// <nil>
}

// It is known who serves a channel: say so, and who waits for ever is told.
func ExampleChan_Sender() {
	s := open()
	defer s.Close()
	c, err := ipc.OpenChan[int](s, "results", 4)
	if err != nil {
		log.Fatal(err)
	}
	leave, err := c.Sender(1)
	if err != nil {
		log.Fatal(err)
	}
	defer leave()
	_, _, err = c.Receive(context.Background()) // of nobody but itself
	fmt.Println(errors.Is(err, ipc.ErrDeadlock))
	// Output: true
}

// The order is known beforehand: declare it, and who breaks it is told at once.
func ExampleMutex_SetRank() {
	s := open()
	defer s.Close()
	m := mutexes(s, "index", "page")
	m[0].SetRank(1)
	m[1].SetRank(2)
	ctx := context.Background()
	if err := m[1].Lock(ctx); err != nil {
		log.Fatal(err)
	}
	err := m[0].Lock(ctx)
	fmt.Println(errors.Is(err, ipc.ErrOrder))
	// Output: true
}

// What is needed comes out on the way: lock it then, and be ready to begin again.
func ExampleSpace_Txn() {
	s := open()
	defer s.Close()
	m := mutexes(s, "list", "item 7")
	next := 7
	err := s.Txn(context.Background(), func(tx *ipc.Txn) error {
		if err := tx.Lock(m[0]); err != nil {
			return err // an older transaction needs it: this is run again
		}
		if next == 7 {
			if err := tx.Lock(m[1]); err != nil {
				return err
			}
		}
		fmt.Println("locked; now it may be changed")
		return nil
	})
	fmt.Println(err)
	// Output:
	// locked; now it may be changed
	// <nil>
}

// Only the most that is needed is known beforehand: declare that.
func ExampleBanker() {
	s := open()
	defer s.Close()
	ctx := context.Background()
	b, err := s.Banker("machine", map[string]int64{"GB": 16, "licences": 1})
	if err != nil {
		log.Fatal(err)
	}
	most := map[string]int64{"GB": 12, "licences": 1}
	first, err := b.Declare(most)
	if err != nil {
		log.Fatal(err)
	}
	second, err := b.Declare(most)
	if err != nil {
		log.Fatal(err)
	}
	if err := first.Acquire(ctx, map[string]int64{"GB": 8}); err != nil {
		log.Fatal(err)
	}
	// 8 GB are free. If the second had the licence, neither might come to its end.
	got, err := second.TryAcquire(map[string]int64{"GB": 6, "licences": 1})
	fmt.Println(got, err)
	if err := first.Close(); err != nil {
		log.Fatal(err)
	}
	got, err = second.TryAcquire(map[string]int64{"GB": 6, "licences": 1})
	fmt.Println(got, err)
	_, err = b.Declare(map[string]int64{"GB": 32})
	fmt.Println(err)
	// Output:
	// false <nil>
	// true <nil>
	// ipc: banker "machine": 32 of "GB" declared, and there are 16 at all; declare less
}
