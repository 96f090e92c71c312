package shm

import (
	"fmt"
	"testing"
)

func BenchmarkAllocFree(b *testing.B) {
	for _, n := range []int{128, 1 << 10, 32 << 10, 64 << 10, 1 << 20} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			a := benchArena(b)
			h := a.Heap(1)
			for b.Loop() {
				r, err := h.Alloc(n)
				if err != nil {
					b.Fatal(err)
				}
				if err := a.Free(1, r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkQueue frees objects in the order in which they were allocated, with
// many of them live, as a queue of tasks does.
func BenchmarkQueue(b *testing.B) {
	for _, n := range []int{1 << 10, 32 << 10} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			a := benchArena(b)
			h := a.Heap(1)
			var ring [4096]Ref
			i := 0
			for b.Loop() {
				k := i % len(ring)
				i++
				if ring[k] != 0 {
					if err := a.Free(2, ring[k]); err != nil {
						b.Fatal(err)
					}
				}
				r, err := h.Alloc(n)
				if err != nil {
					b.Fatal(err)
				}
				ring[k] = r
			}
		})
	}
}
func benchArena(b *testing.B) *Arena {
	const spans = 16 << 10 // 1 GiB
	g := Geometry{Meta: 0, Data: (MetaBytes(spans)/SpanBytes + 1) * SpanBytes, Spans: spans}
	a, err := NewArena(newSegment(b, g.Data+spans*SpanBytes, 0), g)
	if err != nil {
		b.Fatal(err)
	}
	return a
}

// BenchmarkReclaim takes back what a dead process had, 16 of 1024 spans, and
// tells what it costs a span.
func BenchmarkReclaim(b *testing.B) {
	a := benchArena(b)
	a.Heap(1).Alloc(1024 * SpanBytes)
	for b.Loop() {
		a.Heap(2).Alloc(16 * SpanBytes)
		a.Reclaim(2, 1, nil)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(a.top()), "ns/span")
}
