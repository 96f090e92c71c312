package tutti

import (
	"fmt"
	"testing"
	"time"

	"github.com/tutti-run/tutti/internal/codec"
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

// Bytes that a broken process left are an error or some value, and never a
// panic.
func FuzzDecode(f *testing.F) {
	whole, v := must(codec.New[everything]("In")), everything{S: "s", Next: &everything{}, Map: map[string]everything{"": {}}}
	b, _, err := whole.Bytes(&v)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(wireError{Type: "t", Text: "x", Is: []string{"io.EOF", "?"}, Errno: 2, Stack: "s"}.pack())
	f.Add([]byte(`{"Status":"exit status 3","Exit":3}`))
	f.Add([]byte{0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	f.Add([]byte{})
	fn := &Func[everything, everything]{name: "fuzz", in: must(codec.New[everything]("In")), out: must(codec.New[everything]("Out"))}
	plainFn := &Func[int64, [3]uint16]{name: "plain", in: must(codec.New[int64]("In")), out: must(codec.New[[3]uint16]("Out"))}
	listFn := &Func[string, []int64]{name: "list", in: must(codec.New[string]("In")), out: must(codec.New[[]int64]("Out"))}
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

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

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
