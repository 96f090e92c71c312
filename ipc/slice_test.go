package ipc

import (
	"errors"
	"testing"

	"github.com/tutti-run/tutti/shm"
)

// A slice is found wherever its space is open, travels in values, and goes with the
// process that made it.
func TestSliceInASpace(t *testing.T) {
	t.Parallel()
	spaces := heapSpaces(t, 2, Options{})
	at := must(OpenVar(spaces[0], "at", Slice[int64]{}))
	parts := must(OpenMap[string, View[int64]](spaces[0], "parts", 4))
	made := must(NewSlice[int64](spaces[0], 2000))
	data := must(made.Data())
	for i, v := range data {
		if v != 0 {
			t.Fatalf("element %d is %d at first", i, v)
		}
		data[i] = int64(i)
	}
	if err := errors.Join(at.Store(made), parts.Store("end", made.Slice(1990, 2000))); err != nil {
		t.Fatal(err)
	}
	got := must(must(OpenVar(spaces[1], "at", Slice[int64]{})).Load())
	view, ok, err := must(OpenMap[string, View[int64]](spaces[1], "parts", 4)).Load("end")
	if !ok || err != nil || view.Len() != 10 || got.Len() != 2000 {
		t.Fatalf("%v, %v, %v", got, view, err)
	}
	if part := must(view.Data()); part[0] != 1990 || &part[0] != &must(got.Data())[1990] {
		t.Errorf("%v", part)
	}
	var text struct {
		Of Slice[int64]
		In View[int64]
	}
	if err := errors.Join(text.Of.UnmarshalBinary(must(made.MarshalBinary())), text.In.UnmarshalBinary(must(view.MarshalBinary()))); err != nil || text.Of != made || text.In != view {
		t.Errorf("%v, %v", text, err)
	}
	if err := got.Free(); err != nil {
		t.Error(err)
	}
	for what, err := range map[string]error{"free": made.Free(), "data": second(made.Data()), "view": second(view.Data()), "zero": second(Slice[int]{}.Data())} {
		if !errors.Is(err, ErrFreed) {
			t.Errorf("%s after it was freed: %v", what, err)
		}
	}
	made = must(NewSlice[int64](spaces[0], 10))
	die(spaces[0])
	seeBuried(t, spaces[1], spaces[0])
	if _, err := spaces[1].arena.Bytes(made.ref, 80); !errors.Is(err, shm.ErrBadRef) {
		t.Errorf("after its process died: %v", err)
	}
	checkMemory(t, spaces[1], 0)
}

func second[T any](_ T, err error) error { return err }

func TestSliceInASpaceRefuses(t *testing.T) {
	t.Parallel()
	s := heapSpaces(t, 1, Options{})[0]
	for what, err := range map[string]error{
		"pointers": second(NewSlice[*int](s, 1)), "nothing": second(NewSlice[struct{}](s, 1)), "negative": second(NewSlice[int](s, -1)),
		"huge": second(NewSlice[int](s, 1<<61)), "more than there is": second(NewSlice[byte](s, 64<<20)),
	} {
		if err == nil {
			t.Errorf("%s: no error", what)
		}
	}
	made := must(NewSlice[byte](s, 10))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := second(NewSlice[int](s, 1)); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	if err := second(made.Data()); !errors.Is(err, ErrFreed) {
		t.Error(err)
	}
}
