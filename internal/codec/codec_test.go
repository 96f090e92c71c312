package codec

import (
	"bytes"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
	"unsafe"
)

// everything is a type that goes through CBOR.
type everything struct {
	B     bool
	I     int64
	U     uint64
	F     float64
	G     float32
	S     string
	Bytes []byte
	Ints  []int32
	Map   map[string]everything
	Next  *everything
	Pair  [2]string
	Took  time.Duration
}

func (c *Codec[T]) trip(v T) (T, error) {
	b, buf, err := c.Bytes(&v)
	if err != nil {
		return v, err
	}
	if buf != nil {
		defer Buffers.Put(buf)
	}
	return c.Read(unsafe.Pointer(unsafe.SliceData(b)), len(b))
}

// Whatever a value holds, it comes back the same.
func FuzzRoundTrip(f *testing.F) {
	f.Add(true, int64(-1), uint64(1<<63), math.Pi, float32(1.5), "text", []byte{1}, uint8(3))
	f.Add(false, int64(math.MinInt64), uint64(0), math.Inf(-1), float32(0), "\xff\xfe", []byte(nil), uint8(0))
	f.Add(false, int64(0), uint64(0), math.Copysign(0, -1), float32(1e-45), "", []byte{}, uint8(255))
	whole := must(New[everything]("In"))
	text, raw := must(New[string]("In")), must(New[[]byte]("In"))
	floats := must(New[[]float64]("In"))
	f.Fuzz(func(t *testing.T, b bool, i int64, u uint64, x float64, y float32, s string, raws []byte, shape uint8) {
		v := everything{B: b, I: i, U: u, F: x, G: y, S: s, Bytes: raws, Pair: [2]string{s, "x"}, Took: time.Duration(i)}
		if shape&1 != 0 {
			v.Next = &everything{I: -i, Map: map[string]everything{}}
		}
		if shape&2 != 0 {
			v.Map = map[string]everything{s: {S: s}, "": {Ints: []int32{int32(i), int32(u)}}}
		}
		if got, err := whole.trip(v); err != nil || !sameBits(got, v) {
			t.Errorf("sent %#v\ncame %#v, error %v", v, got, err)
		}
		if got, err := text.trip(s); got != s || err != nil {
			t.Errorf("sent %q, came %q, error %v", s, got, err)
		}
		if got, err := raw.trip(raws); !bytes.Equal(got, raws) || len(raws) == 0 && got != nil || err != nil {
			t.Errorf("sent %q, came %q, error %v", raws, got, err)
		}
		if got, err := floats.trip([]float64{x, float64(y)}); len(got) != 2 || math.Float64bits(got[0]) != math.Float64bits(x) || err != nil {
			t.Errorf("sent %v and %v, came %v, error %v", x, y, got, err)
		}
	})
}

// sameBits is reflect.DeepEqual, but for NaNs, which it compares by their bits.
func sameBits(a, b everything) bool {
	same := math.Float64bits(a.F) == math.Float64bits(b.F) && math.Float32bits(a.G) == math.Float32bits(b.G)
	a.F, a.G, b.F, b.G = 0, 0, 0, 0
	return same && reflect.DeepEqual(a, b)
}

type chain struct{ Next *chain }

type tree struct {
	Kids map[string][]*tree
	At   time.Time
}

// What is too deep to be read, or contains itself, is refused when it is written.
func TestDepth(t *testing.T) {
	t.Parallel()
	chains, err := New[*chain]("in")
	if err != nil {
		t.Fatal(err)
	}
	var list *chain
	for range depthMax {
		list = &chain{list}
	}
	back, err := chains.trip(list)
	n := 0
	for c := back; c != nil; c = c.Next {
		n++
	}
	if n != depthMax || err != nil {
		t.Errorf("%d levels came back, %v", n, err)
	}
	list = &chain{list}
	if _, err := chains.trip(list); err == nil || !strings.Contains(err.Error(), "65535 levels") {
		t.Errorf("one level too many: %v", err)
	}
	list.Next = list
	if _, err := chains.trip(list); err == nil || !strings.Contains(err.Error(), "contains itself") {
		t.Errorf("a circle: %v", err)
	}
	trees, err := New[tree]("in")
	if err != nil {
		t.Fatal(err)
	}
	leaf := &tree{At: time.Unix(1, 0).UTC()}
	top := tree{Kids: map[string][]*tree{"a": {leaf, leaf}, "b": nil}}
	if back, err := trees.trip(top); err != nil || !reflect.DeepEqual(back, top) {
		t.Errorf("%+v, %v", back, err)
	}
	leaf.Kids = map[string][]*tree{"up": {leaf, leaf}}
	if _, err := trees.trip(top); err == nil || !strings.Contains(err.Error(), "contains itself") {
		t.Errorf("a circle through a map: %v", err)
	}
	for what, deep := range map[string]bool{"chain": chains.deep, "tree": trees.deep} {
		if !deep {
			t.Errorf("%s: not seen to be recursive", what)
		}
	}
	if flat, err := New[struct{ A, B []string }]("in"); err != nil || flat.deep {
		t.Errorf("taken for recursive: %v", err)
	}
}
