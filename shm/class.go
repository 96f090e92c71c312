package shm

// SpanBytes is the size and alignment of a span, the unit in which an arena
// hands memory to slots.
const SpanBytes = 64 << 10

// classBytes are the sizes of objects that share a span. All are multiples of
// the cache line; up to 4 KiB four to the power of two, so that at most a
// fifth of an object is wasted, above it as large as a given number to a span
// allows.
var classBytes = [...]uint32{
	128, 192, 256, 320, 384, 448, 512, 640, 768, 896, 1024, 1280, 1536, 1792,
	2048, 2560, 3072, 3584, 4096, 5440, 6528, 8192, 9344, 10880, 13056, 16384,
	21824, 32768,
}

const (
	numClasses = len(classBytes)
	// maxSmall is the size of the largest object that shares a span, in bytes.
	maxSmall = SpanBytes / 2
	// maxObjects is the number of objects of the smallest class in a span.
	maxObjects = SpanBytes / 128
)

// classBySize gives, for a size in cache lines rounded up, its class.
var classBySize = func() (t [maxSmall/cacheLine + 1]uint8) {
	c := 0
	for lines := range t {
		if lines*cacheLine > int(classBytes[c]) {
			c++
		}
		t[lines] = uint8(c)
	}
	return t
}()

// classOf returns the class of an object of n bytes, 0 <= n <= maxSmall.
func classOf(n int) int { return int(classBySize[(n+cacheLine-1)/cacheLine]) }

// classCount returns how many objects of class c a span holds.
func classCount(c int) int { return int(SpanBytes / classBytes[c]) }

// objectAt returns the number of the class c object that begins at byte off of
// its span, and whether one begins there.
func objectAt(c int, off uint32) (int, bool) {
	i := off / classBytes[c]
	return int(i), i*classBytes[c] == off && int(i) < classCount(c)
}
