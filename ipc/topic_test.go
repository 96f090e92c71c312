package ipc

import (
	"errors"
	"fmt"
	"sync"
	"testing"
)

// Readers get all, or are told how much they missed.
func TestTopic(t *testing.T) {
	t.Parallel()
	for _, capacity := range []int{1, 2, 8} {
		t.Run(fmt.Sprint(capacity), func(t *testing.T) {
			t.Parallel()
			spaces := heapSpaces(t, 2, Options{})
			a, b := must(OpenTopic[message](spaces[0], "t", capacity)), must(OpenTopic[message](spaces[1], "t", capacity))
			early := b.Subscribe()
			for n := range 3 * capacity {
				if err := a.Publish(soon(t), newMessage(0, n)); err != nil {
					t.Fatal(err)
				}
				m, ok, err := early.Next(soon(t))
				if err != nil || !ok || m != newMessage(0, n) {
					t.Fatalf("read %v, %v, %v", m, ok, err)
				}
			}
			for n := range 5 * capacity {
				if err := b.Publish(soon(t), newMessage(1, n)); err != nil {
					t.Fatal(err)
				}
			}
			_, _, err := early.Next(soon(t))
			var missed *MissedError
			if !errors.As(err, &missed) {
				t.Fatalf("5 times the capacity was published: %v", err)
			}
			if err := a.Close(); err != nil {
				t.Error(err)
			}
			next := int(missed.N)
			for m, err := range early.All(soon(t)) {
				if err != nil || m != newMessage(1, next) {
					t.Fatalf("read %v, %v, want %d", m, err, next)
				}
				next++
			}
			if next != 5*capacity {
				t.Errorf("read up to %d of %d", next, 5*capacity)
			}
			if err := b.Publish(soon(t), message{}); !errors.Is(err, ErrClosed) {
				t.Errorf("published after Close: %v", err)
			}
			if err := b.Close(); !errors.Is(err, ErrClosed) {
				t.Errorf("closed twice: %v", err)
			}
			if _, err := OpenTopic[uint16](spaces[1], "t", capacity); err == nil {
				t.Error("another type was accepted")
			}
		})
	}
}

// Publishers and readers at the same time: what a reader gets is whole and in order,
// and with what it missed it is all.
func TestTopicTogether(t *testing.T) {
	t.Parallel()
	for _, capacity := range []int{1, 2, 16} {
		t.Run(fmt.Sprint(capacity), func(t *testing.T) {
			t.Parallel()
			spaces := heapSpaces(t, 3, Options{})
			const rounds, readers = 400, 2
			first := must(OpenTopic[message](spaces[0], "t", capacity))
			var publishing, reading sync.WaitGroup
			for _, s := range spaces {
				for range readers {
					sub := must(OpenTopic[message](s, "t", capacity)).Subscribe()
					reading.Go(func() {
						got, last := 0, map[uint32]int{}
						for m, err := range sub.All(soon(t)) {
							var missed *MissedError
							if errors.As(err, &missed) {
								got += int(missed.N)
								continue
							}
							if before, ok := last[m.sender]; err != nil || !m.whole() || ok && before >= int(m.number) {
								t.Errorf("read %v after %d: %v", m, before, err)
								return
							}
							last[m.sender] = int(m.number)
							got++
						}
						if got != rounds*len(spaces) {
							t.Errorf("read and missed %d, want %d", got, rounds*len(spaces))
						}
					})
				}
			}
			for i, s := range spaces {
				publishing.Go(func() {
					topic := must(OpenTopic[message](s, "t", capacity))
					for n := range rounds {
						if err := topic.Publish(soon(t), newMessage(i, n)); err != nil {
							t.Error(err)
						}
					}
				})
			}
			publishing.Wait()
			if err := first.Close(); err != nil {
				t.Error(err)
			}
			reading.Wait()
		})
	}
}
