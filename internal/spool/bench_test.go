package spool

import "testing"

// BenchmarkWriter writes pieces of 64 KiB through Room and Took, and reads and
// frees them as a live reader does; the bytes themselves are not touched.
func BenchmarkWriter(b *testing.B) {
	for name, chunks := range map[string]int{"memory": 16, "file": 0} {
		b.Run(name, func(b *testing.B) {
			s := heapStore(b, 1, chunks, true, tempFile(b))
			_, w := begin(b, s, 0, 1, 1)
			var c Cursor
			nothing := func([]byte) error { return nil }
			b.SetBytes(64 << 10)
			b.ReportAllocs()
			for b.Loop() {
				n := min(64<<10, len(w[0].Room()))
				w[0].Took(n)
				if c.Ticket == 0 {
					c = Ref{First: w[0].first}.At(1)
				}
				if err := s.Read(&c, w[0].total, true, nothing); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkClaim claims and frees a chunk behind 200 that are in use.
func BenchmarkClaim(b *testing.B) {
	s := heapStore(b, 1, 256, true, nil)
	for range 200 {
		s.claim(1)
	}
	for b.Loop() {
		i, ok := s.claim(2)
		if !ok {
			b.Fatal("nothing is free")
		}
		s.free(i, 2)
	}
}

// BenchmarkCompress writes lines of a log to the file, in pieces as a pipe gives
// them, and reads them back; how much of the file they take is told too.
func BenchmarkCompress(b *testing.B) {
	const piece = 64 << 10
	lines := text(16 * piece)
	for name, compress := range map[string]bool{"raw": false, "frames": true} {
		b.Run(name, func(b *testing.B) {
			s := heapWith(b, Config{Lanes: 1, File: tempFile(b), Live: true, Compress: compress})
			_, w := begin(b, s, 0, 1, 1)
			var c Cursor
			nothing := func([]byte) error { return nil }
			b.SetBytes(piece)
			b.ReportAllocs()
			used, pieces := int64(0), int64(0) // of those that did not begin a region
			for i := 0; b.Loop(); i++ {
				before, at := w[0].pos, w[0].cur
				w[0].Took(copy(w[0].Room(), lines[i%16*piece:]))
				if w[0].cur == at {
					used, pieces = used+w[0].pos-before, pieces+1
				}
				if c.Ticket == 0 {
					c = Ref{First: w[0].first}.At(1)
				}
				if err := s.Read(&c, w[0].total, true, nothing); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(used)/float64(pieces*piece), "stored/raw")
		})
	}
}
