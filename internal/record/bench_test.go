package record

import (
	"bytes"
	"fmt"
	"testing"
)

// BenchmarkCut cuts 64 MiB of lines of 100 bytes, given at once.
func BenchmarkCut(b *testing.B) {
	line := fmt.Sprintf("%7d,%s\n", 1, bytes.Repeat([]byte("x"), 91))
	input := bytes.Repeat([]byte(line), 64<<20/len(line))
	for _, x := range []struct {
		name string
		spec Spec
	}{
		{"plain", Spec{}},
		{"N1", Spec{Records: 1}},
		{"N1000", Spec{Records: 1000}},
		{"N1000-two-bytes", Spec{Records: 1000, End: new("x\n")}},
		{"L4", Spec{Lines: 4}},
		{"csv", Spec{CSV: true}},
		{"csv-N1000", Spec{CSV: true, Records: 1000}},
		{"regexp", Spec{End: new(`\n+`), Regexp: true}},
		{"regexp-N1000", Spec{End: new(`\n+`), Regexp: true, Records: 1000}},
		{"group-N1", Spec{GroupBy: "1", ColSep: ",", Records: 1}},
	} {
		b.Run(x.name, func(b *testing.B) {
			b.SetBytes(int64(len(input)))
			for b.Loop() {
				c := newCutter(b, x.spec)
				for rest := input; len(rest) > 0; {
					rest = rest[c.Cut(rest, true):]
				}
			}
		})
	}
}

// BenchmarkCutLongRecord gives one record of 64 MiB in pieces of 64 KiB, as a
// pipe does: the time must not be the square of its length.
func BenchmarkCutLongRecord(b *testing.B) {
	input := bytes.Repeat([]byte("x"), 64<<20)
	for name, spec := range map[string]Spec{
		"plain":        {},
		"N1":           {Records: 1},
		"csv":          {CSV: true},
		"regexp":       {End: new(`\n+`), Regexp: true},
		"regexp-N1":    {End: new(`\n+`), Regexp: true, Records: 1},
		"group":        {GroupBy: "1"},
		"two-bytes-N1": {End: new("\n\n"), Records: 1},
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(input)))
			for b.Loop() {
				c := newCutter(b, spec)
				for n := 64 << 10; n < len(input); n += 64 << 10 {
					if c.Cut(input[:n], false) > 0 {
						b.Fatal("cut in a record")
					}
				}
				if c.Cut(input, true) != len(input) {
					b.Fatal("the rest is not cut")
				}
			}
		})
	}
}

func BenchmarkRoute(b *testing.B) {
	var block []byte
	for i := range 10000 {
		block = fmt.Appendf(block, "%d,name,some more text\n", i)
	}
	c := newCutter(b, Spec{Shard: "1", Slots: 8})
	b.SetBytes(int64(len(block)))
	for b.Loop() {
		for range c.Route(block) {
		}
	}
}
