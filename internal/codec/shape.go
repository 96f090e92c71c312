package codec

import (
	"fmt"
	"hash/fnv"
	"io"
	"reflect"
)

// Shape returns a number for how values of T are written, so that two programs can
// tell whether they mean the same by some bytes. Names of types do not count, but
// names of fields do. It is never 0.
func Shape[T any]() uint64 {
	h := fnv.New64a()
	shape(h, reflect.TypeFor[T](), map[reflect.Type]bool{})
	return h.Sum64() | 1
}

func shape(w io.Writer, t reflect.Type, seen map[reflect.Type]bool) {
	if seen[t] || isOwnCodec(t) {
		fmt.Fprintf(w, "(%v)", t) // its name must do
		return
	}
	fmt.Fprintf(w, "%d", t.Kind())
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice:
		seen[t] = true
		shape(w, t.Elem(), seen)
	case reflect.Array:
		fmt.Fprintf(w, "[%d]", t.Len())
		shape(w, t.Elem(), seen)
	case reflect.Map:
		seen[t] = true
		shape(w, t.Key(), seen)
		shape(w, t.Elem(), seen)
	case reflect.Struct:
		seen[t] = true
		fmt.Fprint(w, "{")
		for i := range t.NumField() {
			f := t.Field(i)
			fmt.Fprintf(w, "%d %s %q ", f.Offset, f.Name, f.Tag)
			shape(w, f.Type, seen)
		}
		fmt.Fprint(w, "}")
		delete(seen, t)
	default:
		fmt.Fprintf(w, " %d ", t.Size())
	}
}

// Key returns a codec for keys: equal keys have equal bytes, and only those have. So
// it refuses types with floats, pointers or interfaces in them; what has gaps between
// its fields goes through CBOR.
func Key[K comparable](what string) (Codec[K], error) {
	t := reflect.TypeFor[K]()
	if !isKey(t) {
		return Codec[K]{}, fmt.Errorf("%s is a %v: the bytes of equal keys would differ; use integers, strings, booleans, and arrays and structs of them", what, t)
	}
	c, err := New[K](what)
	if err == nil && c.Way == Plain && packed(t) != t.Size() {
		if err = travels(t, what, map[reflect.Type]bool{}); err == nil {
			c = Codec[K]{Way: Encoded}
		}
	}
	return c, err
}

func isKey(t reflect.Type) bool {
	switch k := t.Kind(); {
	case k >= reflect.Bool && k < reflect.Uintptr, k == reflect.String:
		return true
	case k == reflect.Array:
		return isKey(t.Elem())
	case k == reflect.Struct:
		for i := range t.NumField() {
			if t.Field(i).Name == "_" || !isKey(t.Field(i).Type) {
				return false
			}
		}
		return true
	}
	return false
}

// packed returns the size of a plain type without the gaps.
func packed(t reflect.Type) (n uintptr) {
	switch t.Kind() {
	case reflect.Array:
		return uintptr(t.Len()) * packed(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			n += packed(t.Field(i).Type)
		}
		return n
	}
	return t.Size()
}
