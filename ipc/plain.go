package ipc

import (
	"fmt"
	"hash/fnv"
	"reflect"
	"strings"
)

// plain describes a type whose values may be copied from one process to another as
// they are: it holds no pointers, nor anything that has one in it.
type plain struct {
	size  uintptr // bytes
	print uint64  // of the layout and the fields' names; never 0
	text  string  // for people
}

// plainMax bounds a value that is copied as a whole, in bytes. What is larger goes
// through a Stream.
const plainMax = 1 << 20

// plainOf describes T, or says why it cannot be shared.
func plainOf[T any]() (plain, error) {
	t := reflect.TypeFor[T]()
	var b strings.Builder
	if err := describe(&b, t, t.String()); err != nil {
		return plain{}, err
	}
	if t.Size() > plainMax {
		return plain{}, fmt.Errorf("ipc: %s has %d bytes, at most %d are possible: send it through a Stream", t, t.Size(), plainMax)
	}
	h := fnv.New64a()
	fmt.Fprint(h, t.Size(), b.String())
	text := t.String()
	if s := b.String(); s != text {
		text += " " + s
	}
	return plain{t.Size(), max(h.Sum64(), 1), text}, nil
}

// describe writes the layout of t, which stands at path in the whole.
func describe(b *strings.Builder, t reflect.Type, path string) error {
	switch k := t.Kind(); k {
	case reflect.Bool, reflect.Float32, reflect.Float64, reflect.Complex64, reflect.Complex128,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		b.WriteString(k.String())
		return nil
	case reflect.Array:
		fmt.Fprintf(b, "[%d]", t.Len())
		return describe(b, t.Elem(), path+"[0]")
	case reflect.Struct:
		b.WriteByte('{')
		for i := range t.NumField() {
			f := t.Field(i)
			if i > 0 {
				b.WriteString("; ")
			}
			b.WriteString(f.Name + " ")
			if err := describe(b, f.Type, path+"."+f.Name); err != nil {
				return err
			}
		}
		b.WriteByte('}')
		return nil
	default:
		return fmt.Errorf("ipc: %s is a %s, which means nothing in another process; use numbers, and arrays and structs of them", path, k)
	}
}

// textBytes is the room for the description of a type in shared memory.
const textBytes = 128

// match compares what an object holds with what this program means.
func (p plain) match(kind, name string, size uint64, print uint64, text []byte) error {
	if size == uint64(p.size) && print == p.print {
		return nil
	}
	return fmt.Errorf("ipc: %s %q holds %s (%d bytes), not %s (%d bytes)", kind, name, pinned(text), size, p.text, p.size)
}
