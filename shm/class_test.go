package shm

import "testing"

func TestClasses(t *testing.T) {
	t.Parallel()
	for c, size := range classBytes {
		if size%cacheLine != 0 || c > 0 && size <= classBytes[c-1] {
			t.Errorf("class %d has %d bytes", c, size)
		}
		if n := classCount(c); n < 2 || n > maxObjects {
			t.Errorf("class %d has %d objects", c, n)
		}
		if c > 0 && classCount(c) == classCount(c-1) {
			t.Errorf("class %d is no smaller than the next in effect", c-1)
		}
	}
	for n := range maxSmall + 1 {
		c := classOf(n)
		if int(classBytes[c]) < n || c > 0 && int(classBytes[c-1]) >= n {
			t.Fatalf("%d bytes get class %d of %d bytes", n, c, classBytes[c])
		}
	}
}

func TestObjectAt(t *testing.T) {
	t.Parallel()
	for c, size := range classBytes {
		want := 0
		for off := range uint32(SpanBytes) {
			i, ok := objectAt(c, off)
			begins := off%size == 0 && off+size <= SpanBytes
			if ok != begins || ok && i != want {
				t.Fatalf("class %d, byte %d: object %d, %v", c, off, i, ok)
			}
			if begins {
				want++
			}
		}
		if want != classCount(c) {
			t.Errorf("class %d: %d objects, counted %d", c, want, classCount(c))
		}
	}
}
