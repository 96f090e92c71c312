package tutti

import (
	"bytes"
	"fmt"
	"math"
	"reflect"
	"testing"
	"time"
	"unsafe"

	"github.com/tutti-run/tutti/internal/engine"
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

func (c *codec[T]) trip(v T) (T, error) {
	b, buf, err := c.bytes(&v)
	if err != nil {
		return v, err
	}
	if buf != nil {
		defer buffers.Put(buf)
	}
	return c.read(unsafe.Pointer(unsafe.SliceData(b)), len(b))
}

// Whatever a value holds, it comes back the same.
func FuzzRoundTrip(f *testing.F) {
	f.Add(true, int64(-1), uint64(1<<63), math.Pi, float32(1.5), "text", []byte{1}, uint8(3))
	f.Add(false, int64(math.MinInt64), uint64(0), math.Inf(-1), float32(0), "\xff\xfe", []byte(nil), uint8(0))
	f.Add(false, int64(0), uint64(0), math.Copysign(0, -1), float32(1e-45), "", []byte{}, uint8(255))
	whole := must(newCodec[everything]("In"))
	text, raw := must(newCodec[string]("In")), must(newCodec[[]byte]("In"))
	floats := must(newCodec[[]float64]("In"))
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

// Bytes that a broken process left are an error or some value, and never a
// panic.
func FuzzDecode(f *testing.F) {
	b, _, err := must(newCodec[everything]("In")).bytesOf(everything{S: "s", Next: &everything{}, Map: map[string]everything{"": {}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(wireError{Type: "t", Text: "x", Is: []string{"io.EOF", "?"}, Errno: 2, Stack: "s"}.pack())
	f.Add([]byte(`{"Status":"exit status 3","Exit":3}`))
	f.Add([]byte{0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	f.Add([]byte{})
	fn := &Func[everything, everything]{name: "fuzz", in: must(newCodec[everything]("In")), out: must(newCodec[everything]("Out"))}
	plainFn := &Func[int64, [3]uint16]{name: "plain", in: must(newCodec[int64]("In")), out: must(newCodec[[3]uint16]("Out"))}
	listFn := &Func[string, []int64]{name: "list", in: must(newCodec[string]("In")), out: must(newCodec[[]int64]("Out"))}
	f.Fuzz(func(t *testing.T, b []byte) {
		for kind := engine.KindValue; kind <= engine.KindNoMemory+1; kind++ {
			r := engine.Result{Kind: kind, Data: b, Worker: 1, Attempt: 1}
			_, err1 := fn.result(r)
			_, err2 := plainFn.result(r)
			_, err3 := listFn.result(r)
			if kind != engine.KindValue && (err1 == nil || err2 == nil || err3 == nil) {
				t.Errorf("kind %d is no error", kind)
			}
			_ = fmt.Sprint(err1, err2, err3)
			if kind == engine.KindValue && (err2 == nil) != (len(b) == 6) || kind == engine.KindValue && (err3 == nil) != (len(b)%8 == 0) {
				t.Errorf("%d bytes for 6, or for a multiple of 8: %v, %v", len(b), err2, err3)
			}
		}
		var s Slice[int]
		var v View[int]
		_, _ = s.UnmarshalBinary(b), v.UnmarshalBinary(b)
	})
}

func (c codec[T]) bytesOf(v T) ([]byte, *bytes.Buffer, error) { return c.bytes(&v) }

func TestWorkerEnv(t *testing.T) {
	t.Parallel()
	got := workerEnv([]string{"A=1", "OMP_NUM_THREADS=7"}, 2)
	want := map[string]bool{"A=1": true, "OMP_NUM_THREADS=7": true, "MKL_NUM_THREADS=2": true, "RAYON_NUM_THREADS=2": true}
	for _, kv := range got {
		delete(want, kv)
		if kv == "OMP_NUM_THREADS=2" {
			t.Error("what the user has set was changed")
		}
	}
	if len(want) > 0 {
		t.Errorf("missing: %v in %v", want, got)
	}
}
