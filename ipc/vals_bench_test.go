package ipc

import (
	"fmt"
	"testing"
)

func BenchmarkVarLoad(b *testing.B) {
	v := must(OpenVar(heapSpaces(b, 1, Options{})[0], "v", 1))
	sum := 0
	for b.Loop() {
		n, _ := v.Load()
		sum += n
	}
	if sum != b.N {
		b.Error(sum)
	}
}

func BenchmarkVarStore(b *testing.B) {
	v := must(OpenVar(heapSpaces(b, 1, Options{})[0], "v", 0))
	for b.Loop() {
		if err := v.Store(1); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCounterAdd(b *testing.B) {
	c := must(heapSpaces(b, 1, Options{})[0].Counter("c"))
	for b.Loop() {
		c.Add(1)
	}
}

func BenchmarkCounterAddParallel(b *testing.B) {
	c := must(heapSpaces(b, 1, Options{})[0].Counter("c"))
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			c.Add(1)
		}
	})
}

func BenchmarkMap(b *testing.B) {
	m := must(OpenMap[int, int](heapSpaces(b, 1, Options{})[0], "m", 1024))
	for k := range 512 {
		if err := m.Store(k, k); err != nil {
			b.Fatal(err)
		}
	}
	for _, name := range []string{"load", "store", "absent"} {
		b.Run(fmt.Sprint(name), func(b *testing.B) {
			for k := 0; b.Loop(); k = (k + 1) % 512 {
				var err error
				switch name {
				case "load":
					_, _, err = m.Load(k)
				case "store":
					err = m.Store(k, k)
				default:
					_, _, err = m.Load(-1 - k)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
