package shm

import (
	"math"
	"testing"
	"unsafe"
)

func TestHeapSegment(t *testing.T) {
	t.Parallel()
	for _, size := range []int64{1, 63, 64, 4096, 100_001} {
		s := HeapSegment(size)
		if s.Size() != size || s.FD() != -1 || uintptr(s.Base())%cacheLine != 0 {
			t.Fatalf("size %d: got size %d, fd %d, base %p", size, s.Size(), s.FD(), s.Base())
		}
		all, err := s.Bytes(0, size)
		if err != nil || int64(len(all)) != size || unsafe.Pointer(&all[0]) != s.Base() {
			t.Fatalf("size %d: got %d bytes, %v", size, len(all), err)
		}
		all[size-1] = 7
		if err := s.Commit(0, size); err != nil || all[size-1] != 7 {
			t.Fatalf("commit: %v, byte %d", err, all[size-1])
		}
		if err := s.Release(size-1, 1); err != nil || all[size-1] != 0 {
			t.Fatalf("release: %v, byte %d", err, all[size-1])
		}
		if err := s.Close(); err != nil || s.Close() != nil || s.Base() != nil {
			t.Fatalf("close: %v", err)
		}
		if _, err := s.Bytes(0, 1); err == nil {
			t.Fatal("a closed segment gave bytes")
		}
	}
}

func TestSegmentRanges(t *testing.T) {
	t.Parallel()
	s := HeapSegment(4096)
	for _, c := range []struct {
		off, n int64
		ok     bool
	}{
		{0, 0, true}, {0, 4096, true}, {4096, 0, true}, {4095, 1, true}, {1, 4095, true},
		{0, 4097, false}, {1, 4096, false}, {4097, 0, false}, {-1, 1, false}, {0, -1, false},
		{math.MaxInt64, 1, false}, {1, math.MaxInt64, false}, {math.MinInt64, math.MinInt64, false},
	} {
		if _, err := s.Bytes(c.off, c.n); (err == nil) != c.ok {
			t.Errorf("Bytes(%d, %d): %v", c.off, c.n, err)
		}
		if err := s.Commit(c.off, c.n); (err == nil) != c.ok {
			t.Errorf("Commit(%d, %d): %v", c.off, c.n, err)
		}
		if err := s.Release(c.off, c.n); (err == nil) != c.ok {
			t.Errorf("Release(%d, %d): %v", c.off, c.n, err)
		}
	}
}

func TestPartOfASegment(t *testing.T) {
	t.Parallel()
	whole := HeapSegment(4096)
	part, err := whole.Part(1024, 2048)
	if err != nil || part.Size() != 2048 || part.FD() != -1 || part.Base() != unsafe.Add(whole.Base(), 1024) {
		t.Fatalf("%+v, %v", part, err)
	}
	all, err := whole.Bytes(0, 4096)
	if err != nil {
		t.Fatal(err)
	}
	all[1023], all[1024], all[3071], all[3072] = 1, 2, 3, 4
	if err := part.Commit(0, 2048); err != nil {
		t.Error(err)
	}
	if err := part.Release(0, 2048); err != nil || all[1023] != 1 || all[1024] != 0 || all[3071] != 0 || all[3072] != 4 {
		t.Errorf("%v %v %v %v, %v", all[1023], all[1024], all[3071], all[3072], err)
	}
	if _, err := part.Bytes(0, 2049); err == nil {
		t.Error("a part gave more than it is")
	}
	if _, err := whole.Part(4000, 97); err == nil {
		t.Error("a part is larger than the whole")
	}
	if err := part.Close(); err != nil || part.Base() != nil || whole.Base() == nil {
		t.Error(err)
	}
}
