package codec

import (
	"testing"
	"time"
)

type loop struct {
	Next *loop
	Text string
}

func TestShape(t *testing.T) {
	t.Parallel()
	type pair struct{ A, B int32 }
	type same struct{ A, B int32 }
	type other struct{ A, C int32 }
	if Shape[pair]() != Shape[same]() {
		t.Error("the name of a type counts")
	}
	shapes := map[uint64]string{}
	for name, s := range map[string]uint64{
		"pair": Shape[pair](), "other": Shape[other](), "int64": Shape[int64](), "uint64": Shape[uint64](), "float64": Shape[float64](),
		"string": Shape[string](), "bytes": Shape[[]byte](), "ints": Shape[[]int](), "array": Shape[[2]int](), "array of 3": Shape[[3]int](),
		"map": Shape[map[string]int](), "map of pairs": Shape[map[string]pair](), "loop": Shape[loop](), "time": Shape[time.Time](),
		"none": Shape[struct{}](),
	} {
		if was, ok := shapes[s]; ok || s == 0 {
			t.Errorf("%s has the shape of %s: %#x", name, was, s)
		}
		shapes[s] = name
	}
}

func TestKey(t *testing.T) {
	t.Parallel()
	type tight struct{ A, B int32 }
	type gap struct {
		A int8
		B int32
	}
	type hidden struct {
		a int8
		B int32
	}
	type text struct {
		S string
		N int
	}
	type blank struct{ _ int }
	key[int](t, Plain, true)
	key[bool](t, Plain, true)
	key[tight](t, Plain, true)
	key[[3]uint8](t, Plain, true)
	key[string](t, Elements, true)
	key[gap](t, Encoded, true)
	key[text](t, Encoded, true)
	key[float64](t, 0, false)
	key[[1]float32](t, 0, false)
	key[complex128](t, 0, false)
	key[*int](t, 0, false)
	key[any](t, 0, false)
	key[time.Time](t, 0, false)
	key[blank](t, 0, false)
	key[hidden](t, 0, false)
	_ = hidden{}.a
}

// key checks that K is accepted as a key, or not, and how it is written.
func key[K comparable](t *testing.T, want Way, ok bool) {
	t.Helper()
	c, err := Key[K]("K")
	if (err == nil) != ok || ok && c.Way != want {
		t.Errorf("%T: way %d, error %v", *new(K), c.Way, err)
	}
}
