package ipc

import (
	"errors"
	"sync"
	"testing"
)

func TestSelect(t *testing.T) {
	t.Parallel()
	spaces := heapSpaces(t, 2, Options{})
	a, b := must(OpenChan[int](spaces[0], "a", 1)), must(OpenChan[int](spaces[0], "b", 1))
	var none *Chan[int]
	v, ok := 0, false
	if i, err := Select(soon(t), a.Receiving(&v, &ok), none.Receiving(nil, nil), none.Sending(1), Default()); i != 3 || err != nil {
		t.Errorf("nothing is ready: %d, %v", i, err)
	}
	if i, err := Select(soon(t), a.Receiving(&v, &ok), b.Sending(7)); i != 1 || err != nil {
		t.Errorf("b has room: %d, %v", i, err)
	}
	if i, err := Select(soon(t), a.Receiving(&v, &ok), b.Receiving(&v, &ok)); i != 1 || err != nil || v != 7 || !ok {
		t.Errorf("b has a message: %d, %v, %d, %v", i, err, v, ok)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if i, err := Select(soon(t), a.Receiving(&v, &ok), b.Receiving(&v, &ok)); i != 1 || err != nil || v != 0 || ok {
		t.Errorf("b is closed: %d, %v, %d, %v", i, err, v, ok)
	}
	if i, err := Select(soon(t), a.Receiving(&v, &ok), b.Sending(1)); i != 1 || !errors.Is(err, ErrClosed) {
		t.Errorf("b is closed: %d, %v", i, err)
	}
	other := must(OpenChan[int](spaces[1], "a", 0))
	if _, err := Select(soon(t), a.Receiving(nil, nil), other.Sending(1)); err == nil {
		t.Error("channels of two spaces were accepted")
	}
	if _, err := Select(soon(t), make([]Case, casesMax+1)...); err == nil {
		t.Error("too many cases were accepted")
	}
}

// Of several cases that are ready each has its turn.
func TestSelectIsFair(t *testing.T) {
	t.Parallel()
	s := heapSpaces(t, 1, Options{})[0]
	a, b := must(OpenChan[int](s, "a", 1)), must(OpenChan[int](s, "b", 1))
	var chosen [2]int
	for range 400 {
		for _, c := range []*Chan[int]{a, b} {
			if _, err := c.TrySend(1); err != nil {
				t.Fatal(err)
			}
		}
		i, err := Select(soon(t), a.Receiving(nil, nil), b.Receiving(nil, nil))
		if err != nil {
			t.Fatal(err)
		}
		chosen[i]++
	}
	if min(chosen[0], chosen[1]) < 100 {
		t.Errorf("chosen %d and %d times", chosen[0], chosen[1])
	}
}

// Goroutines of several processes pass on what they get over whichever channel is
// ready; all of it comes to its end, once.
func TestSelectManyToMany(t *testing.T) {
	t.Parallel()
	const rounds, channels = 600, 3
	spaces := heapSpaces(t, 3, Options{})
	open := func(s *Space) (cs []*Chan[int]) {
		for k := range channels {
			cs = append(cs, must(OpenChan[int](s, string(rune('a'+k)), 1+k)))
		}
		return cs
	}
	var senders, receivers sync.WaitGroup
	var mu sync.Mutex
	got := map[int]bool{}
	for i, s := range spaces {
		senders.Go(func() {
			cs := open(s)
			for n := range rounds {
				v := i*rounds + n
				if _, err := Select(soon(t), cs[0].Sending(v), cs[1].Sending(v), cs[2].Sending(v)); err != nil {
					t.Error(err)
				}
			}
		})
		receivers.Go(func() {
			cs := open(s)
			for open := channels; open > 0; {
				var v int
				var ok bool
				k, err := Select(soon(t), cs[0].Receiving(&v, &ok), cs[1].Receiving(&v, &ok), cs[2].Receiving(&v, &ok))
				if err != nil {
					t.Error(err)
					return
				}
				if !ok {
					cs[k] = nil
					open--
					continue
				}
				mu.Lock()
				if got[v] {
					t.Errorf("received %d twice", v)
				}
				got[v] = true
				mu.Unlock()
			}
		})
	}
	senders.Wait()
	for _, c := range open(spaces[0]) {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	receivers.Wait()
	if len(got) != len(spaces)*rounds {
		t.Errorf("received %d messages, want %d", len(got), len(spaces)*rounds)
	}
}
