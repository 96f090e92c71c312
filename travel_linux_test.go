package tutti_test

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"math/big"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tutti-run/tutti"
)

// identity registers a function that returns what it is given.
func identity[T any](name string) *tutti.Func[T, T] {
	return tutti.NewFunc("test.identity."+name, func(_ context.Context, v T) (T, error) { return v, nil })
}

type (
	pixel struct {
		X, Y int16
		on   bool // plain types travel with their unexported fields
		c    complex64
	}
	celsius  float64
	reading  []celsius
	level    uint8
	levels   []level
	title    string
	kibibyte struct {
		A [1000]byte
		B [3]int64
	}
	tree struct {
		Name string
		Kids []*tree
	}
	base   struct{ ID int }
	record struct {
		base
		Name    string
		At      time.Time
		Took    time.Duration
		Bytes   []byte
		Nothing []int
		Empty   []int
		Table   map[string][]float64
		Keys    map[[2]int8]string
		Maybe   *int
		Missing *int
		Nested  struct{ Grid [2][3]int }
		Huge    *big.Int
		Addr    netip.Addr
		Tagged  int `json:"t,omitempty"`
	}
)

var (
	idNothing  = identity[struct{}]("nothing")
	idBool     = identity[bool]("bool")
	idInt8     = identity[int8]("int8")
	idUint64   = identity[uint64]("uint64")
	idFloat32  = identity[float32]("float32")
	idFloat64  = identity[float64]("float64")
	idComplex  = identity[complex128]("complex128")
	idPixel    = identity[pixel]("pixel")
	idArray    = identity[[3][5]uint16]("array")
	id40       = identity[[40]byte]("40")
	id41       = identity[[41]byte]("41")
	id56       = identity[[56]byte]("56")
	id57       = identity[[57]byte]("57")
	idKibibyte = identity[kibibyte]("kibibyte")
	idString   = identity[string]("string")
	idTitle    = identity[title]("title")
	idBytes    = identity[[]byte]("bytes")
	idReading  = identity[reading]("reading")
	idLevels   = identity[levels]("levels")
	idPixels   = identity[[]pixel]("pixels")
	idTime     = identity[time.Time]("time")
	idMap      = identity[map[string]int]("map")
	idPointer  = identity[*int]("pointer")
	idTree     = identity[tree]("tree")
	idRecord   = identity[record]("record")
	idRecords  = identity[[]record]("records")
	idHuge     = identity[big.Int]("big")
	idUnits    = identity[[]struct{}]("units")
)

// travels calls f on each value, alone and in a Map, and compares.
func travels[T any](t *testing.T, pool *tutti.Pool, f *tutti.Func[T, T], values ...T) {
	t.Helper()
	same := func(got, want T) bool {
		g, w := reflect.ValueOf(&got).Elem(), reflect.ValueOf(&want).Elem()
		return reflect.DeepEqual(got, want) || fmt.Sprintf("%#v", g) == fmt.Sprintf("%#v", w) && g.Kind() != reflect.Pointer
	}
	for i, v := range values {
		got, err := f.Call(t.Context(), pool, v)
		if err != nil || !same(got, v) {
			t.Errorf("%s, value %d: sent %.200v, came %.200v, error %v", f.Name(), i, v, got, err)
		}
	}
	i := 0
	for got, err := range f.Map(t.Context(), pool, func(yield func(T) bool) {
		for _, v := range values {
			if !yield(v) {
				return
			}
		}
	}) {
		if err != nil || !same(got, values[i]) {
			t.Errorf("%s in a Map, value %d: sent %.200v, came %.200v, error %v", f.Name(), i, values[i], got, err)
		}
		i++
	}
	if i != len(values) {
		t.Errorf("%s: %d of %d came back", f.Name(), i, len(values))
	}
}

func filled[A ~[]byte](b A) A {
	for i := range b {
		b[i] = byte(i*7 + 1)
	}
	return b
}

func TestPlainValuesTravel(t *testing.T) {
	t.Parallel()
	pool := open(t, tutti.Config{})
	travels(t, pool, idNothing, struct{}{})
	travels(t, pool, idBool, true, false)
	travels(t, pool, idInt8, 0, -128, 127)
	travels(t, pool, idUint64, 0, 1, math.MaxUint64)
	travels(t, pool, idFloat64, 0, -0.5, math.Inf(-1), math.SmallestNonzeroFloat64)
	travels(t, pool, idComplex, 0, complex(1, -2))
	travels(t, pool, idPixel, pixel{}, pixel{-1, 32767, true, complex(3, 4)})
	travels(t, pool, idArray, [3][5]uint16{}, [3][5]uint16{{1, 2}, {3}, {65535}})
	travels(t, pool, id40, [40]byte(filled(make([]byte, 40))))
	travels(t, pool, id41, [41]byte(filled(make([]byte, 41))))
	travels(t, pool, id56, [56]byte(filled(make([]byte, 56))))
	travels(t, pool, id57, [57]byte(filled(make([]byte, 57))))
	travels(t, pool, idKibibyte, kibibyte{[1000]byte(filled(make([]byte, 1000))), [3]int64{-1, 0, 1}})
	for _, bits := range []uint64{0x7ff8000000000001, 0xfff0000000000123} {
		if f, err := idFloat64.Call(t.Context(), pool, math.Float64frombits(bits)); err != nil || math.Float64bits(f) != bits {
			t.Errorf("NaN %#x came as %#x, error %v", bits, math.Float64bits(f), err)
		}
	}
	if f, err := idFloat32.Call(t.Context(), pool, math.Float32frombits(0xffc00777)); err != nil || math.Float32bits(f) != 0xffc00777 {
		t.Errorf("a 32-bit NaN came as %#x, error %v", math.Float32bits(f), err)
	}
}

func TestElementsTravel(t *testing.T) {
	t.Parallel()
	pool := open(t, tutti.Config{})
	travels(t, pool, idString, "", "a", "\xff\xfe no UTF-8 \x00", strings.Repeat("é", 20), strings.Repeat("long ", 1<<20))
	travels(t, pool, idTitle, "Sir", title(strings.Repeat("x", 41)))
	travels(t, pool, idBytes, nil, []byte{0}, filled(make([]byte, 40)), filled(make([]byte, 57)), filled(make([]byte, 5<<20)))
	travels(t, pool, idReading, nil, reading{36.6, celsius(math.Inf(1))}, make(reading, 10_000))
	travels(t, pool, idLevels, nil, levels{0, 1, 255})
	travels(t, pool, idPixels, nil, []pixel{{1, 2, true, 0}, {}})
	if b, err := idBytes.Call(t.Context(), pool, []byte{}); err != nil || b != nil {
		t.Errorf("an empty slice is to arrive as nil: %#v, error %v", b, err)
	}
	if b, err := idBytes.Call(t.Context(), pool, []byte("room")); err != nil || cap(append(b[:2:2], "xx"...)) < 4 || string(b) != "room" {
		t.Errorf("%q, error %v", b, err)
	}
}

func TestEncodedValuesTravel(t *testing.T) {
	t.Parallel()
	pool := open(t, tutti.Config{})
	seven := 7
	travels(t, pool, idMap, nil, map[string]int{}, map[string]int{"": 0, "\xff": -1})
	travels(t, pool, idTree, tree{}, tree{"root", []*tree{{"leaf", nil}, {"branch", []*tree{{"", nil}}}}})
	travels(t, pool, idUnits, nil, []struct{}{{}, {}})
	for _, p := range []*int{nil, &seven} {
		if got, err := idPointer.Call(t.Context(), pool, p); err != nil || !reflect.DeepEqual(got, p) {
			t.Errorf("sent %v, came %v, error %v", p, got, err)
		}
	}
	r := record{
		base: base{ID: 3}, Name: "\xc3(", Took: time.Hour, Bytes: []byte{0, 255}, Empty: []int{},
		Table: map[string][]float64{"a": {1, math.Inf(1)}, "b": nil}, Keys: map[[2]int8]string{{1, -1}: "x"}, Maybe: &seven,
		Huge: new(big.Int).Lsh(big.NewInt(-5), 500), Addr: netip.MustParseAddr("fe80::1%eth0"), Tagged: 1,
		At: time.Date(2026, 2, 28, 23, 59, 59, 999_999_999, time.FixedZone("", 5*3600+45*60)),
	}
	r.Nested.Grid[1][2] = 9
	for _, v := range []record{{}, r} {
		got, err := idRecord.Call(t.Context(), pool, v)
		if err != nil || !got.At.Equal(v.At) || got.At.Format(time.RFC3339Nano) != v.At.Format(time.RFC3339Nano) {
			t.Errorf("the time came as %v, error %v", got.At, err)
		}
		got.At = v.At // equal, with another pointer to its zone
		if !reflect.DeepEqual(got, v) {
			t.Errorf("sent %+v\ncame %+v", v, got)
		}
	}
	many := make([]record, 3_000)
	for i := range many {
		many[i] = record{Name: strings.Repeat("n", i), Bytes: make([]byte, 100)}
	}
	if got, err := idRecords.Call(t.Context(), pool, many); err != nil || !reflect.DeepEqual(got, many) {
		t.Errorf("%d of %d records came whole, error %v", len(got), len(many), err)
	}
	huge := *new(big.Int).Exp(big.NewInt(3), big.NewInt(5_000), nil)
	if got, err := idHuge.Call(t.Context(), pool, huge); err != nil || got.Cmp(&huge) != 0 {
		t.Errorf("3^5000 came as %.40v…, error %v", &got, err)
	}
}

// Instants, their zones and every nanosecond stay; a year that RFC 3339 cannot
// write is an error and not another year.
func TestTimesTravel(t *testing.T) {
	t.Parallel()
	pool := open(t, tutti.Config{})
	for _, at := range []time.Time{
		{}, time.Now(), time.Unix(0, 1).UTC(),
		time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.FixedZone("", 14*3600)),
		time.Date(1883, 11, 18, 12, 0, 0, 123_456_789, time.FixedZone("LMT", -(4*3600+56*60))),
	} {
		got, err := idTime.Call(t.Context(), pool, at)
		_, was := at.Zone()
		_, is := got.Zone()
		if err != nil || !got.Equal(at) || was != is {
			t.Errorf("sent %v, came %v, error %v", at, got, err)
		}
	}
	if got, err := idTime.Call(t.Context(), pool, time.Date(12_026, 1, 1, 0, 0, 0, 0, time.UTC)); err == nil {
		t.Errorf("the year 12026 came as %v", got)
	}
}

func TestAHandlerSeesACopy(t *testing.T) {
	t.Parallel()
	pool := open(t, tutti.Config{})
	in := []byte("unchanged")
	out, err := Scribble.Call(t.Context(), pool, in)
	if err != nil || !bytes.Equal(in, []byte("unchanged")) || !bytes.Equal(out, []byte("xxxxxxxxx")) {
		t.Errorf("in %q, out %q, error %v", in, out, err)
	}
}

var Scribble = tutti.NewFunc("test.scribble", func(_ context.Context, b []byte) ([]byte, error) {
	for i := range b {
		b[i] = 'x'
	}
	return b, nil
})
