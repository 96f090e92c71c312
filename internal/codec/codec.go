// Package codec turns values into bytes that another process can read, and back.
package codec

import (
	"bytes"
	"cmp"
	"encoding"
	"fmt"
	"math/big"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"unsafe"

	"github.com/fxamacker/cbor/v2"
)

// Codec turns values of T into bytes and back. Exactly one of the three ways is
// used, chosen once for the type. Make one with New; it may be used from many
// goroutines at once.
type Codec[T any] struct {
	Way  Way
	Size int  // of T when Plain, of an element when Elements
	deep bool // values may hold others of their type: see depthMax
}

// Way is how values of a type become bytes.
type Way uint8

// The ways.
const (
	Plain    Way = iota // the value's own memory
	Elements            // a string or a slice of plain elements: their memory
	Encoded             // CBOR
)

// New returns the codec of T, or an error that says why a T cannot travel whole; it
// calls the value what.
func New[T any](what string) (Codec[T], error) {
	t := reflect.TypeFor[T]()
	switch {
	case IsPlain(t):
		return Codec[T]{Way: Plain, Size: int(t.Size())}, nil
	case t.Kind() == reflect.String:
		return Codec[T]{Way: Elements, Size: 1}, nil
	case t.Kind() == reflect.Slice && IsPlain(t.Elem()) && t.Elem().Size() > 0:
		return Codec[T]{Way: Elements, Size: int(t.Elem().Size())}, nil
	}
	if err := travels(t, what, map[reflect.Type]bool{}); err != nil {
		return Codec[T]{}, err
	}
	return Codec[T]{Way: Encoded, deep: recursive(t, map[reflect.Type]bool{})}, nil
}

// IsPlain reports whether a value of t is its own memory and nothing else.
func IsPlain(t reflect.Type) bool {
	switch k := t.Kind(); {
	case k >= reflect.Bool && k <= reflect.Complex128 && k != reflect.Uintptr:
		return true
	case k == reflect.Array:
		return IsPlain(t.Elem())
	case k == reflect.Struct:
		for i := range t.NumField() {
			if !IsPlain(t.Field(i).Type) {
				return false
			}
		}
		return true
	}
	return false
}

var (
	binaryMarshaler   = reflect.TypeFor[encoding.BinaryMarshaler]()
	binaryUnmarshaler = reflect.TypeFor[encoding.BinaryUnmarshaler]()
	cborMarshaler     = reflect.TypeFor[cbor.Marshaler]()
	cborUnmarshaler   = reflect.TypeFor[cbor.Unmarshaler]()
	bigInt            = reflect.TypeFor[big.Int]() // CBOR has a way for it
)

// travels says why a value of t cannot travel whole, naming the field.
func travels(t reflect.Type, path string, seen map[reflect.Type]bool) error {
	if seen[t] {
		return nil
	}
	if isOwnCodec(t) {
		return promoted(t, path)
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Chan, reflect.Func, reflect.UnsafePointer, reflect.Uintptr:
		return fmt.Errorf("%s is a %v, which has no meaning in another process", path, t)
	case reflect.Complex64, reflect.Complex128:
		return fmt.Errorf("%s is a %v, which CBOR does not know; use two floats", path, t)
	case reflect.Interface:
		return fmt.Errorf("%s is the interface %v: the type inside would be lost; use a concrete type", path, t)
	case reflect.Pointer, reflect.Slice, reflect.Array:
		return travels(t.Elem(), path, seen)
	case reflect.Map:
		if t.Key().Kind() == reflect.Pointer {
			return fmt.Errorf("%s (key) is a %v: what keys point to would arrive, and not which they are; use their values", path, t.Key())
		}
		if err := travels(t.Key(), path+" (key)", seen); err != nil {
			return err
		}
		return travels(t.Elem(), path, seen)
	case reflect.Struct:
		names := map[string]bool{}
		for i := range t.NumField() {
			f := t.Field(i)
			name := path + "." + f.Name
			if err := named(f, name, names); err != nil {
				return err
			}
			if !f.IsExported() && !(f.Anonymous && f.Type.Kind() == reflect.Struct) && f.Type.Size() > 0 {
				return fmt.Errorf("%s is unexported and would be lost; export it, or give %v a MarshalBinary and an UnmarshalBinary", name, t)
			}
			if err := travels(f.Type, name, seen); err != nil {
				return err
			}
		}
	}
	return nil
}

// named says whether f would be lost since it is tagged "-", or since its name,
// or that of a field embedded with it, is another field's too: then CBOR writes
// one of them or none. names are those of the struct so far.
func named(f reflect.StructField, path string, names map[string]bool) error {
	tag, tagged := f.Tag.Lookup("cbor")
	if !tagged {
		tag = f.Tag.Get("json")
	}
	if tag == "-" {
		return fmt.Errorf(`%s is tagged "-" and would be lost`, path)
	}
	if strings.Count(path, ".") > 100 {
		return fmt.Errorf("%.40s… embeds itself", path)
	}
	name, _, _ := strings.Cut(tag, ",")
	inner := f.Type
	if inner.Kind() == reflect.Pointer {
		inner = inner.Elem()
	}
	if f.Anonymous && name == "" && inner.Kind() == reflect.Struct && !isOwnCodec(inner) {
		for i := range inner.NumField() {
			field := inner.Field(i)
			if err := named(field, path+"."+field.Name, names); err != nil {
				return err
			}
		}
		return nil
	}
	if name = cmp.Or(name, f.Name); name != "_" && names[name] {
		return fmt.Errorf("%s has a name that another field has, too: one of them would be lost", path)
	}
	names[name] = true
	return nil
}

// isOwnCodec reports whether t says itself how it is written and read.
func isOwnCodec(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return t == bigInt || p.Implements(binaryMarshaler) && p.Implements(binaryUnmarshaler) ||
		p.Implements(cborMarshaler) && p.Implements(cborUnmarshaler)
}

// promoted refuses a struct that is written by a method of a field that it embeds: the
// method knows nothing of the other fields, which would be lost.
func promoted(t reflect.Type, path string) error {
	if t.Kind() != reflect.Struct || t.NumField() < 2 {
		return nil
	}
	for i := range t.NumField() {
		f := t.Field(i)
		if !f.Anonymous || !isOwnCodec(f.Type) && (f.Type.Kind() != reflect.Pointer || !isOwnCodec(f.Type.Elem())) {
			continue
		}
		for _, name := range []string{"MarshalBinary", "MarshalCBOR"} {
			m, ok := t.MethodByName(name)
			if !ok {
				m, ok = reflect.PointerTo(t).MethodByName(name)
			}
			if !ok {
				continue
			}
			// A method that is promoted has no line of its own.
			if file, _ := runtime.FuncForPC(m.Func.Pointer()).FileLine(m.Func.Pointer()); file == "<autogenerated>" {
				return fmt.Errorf("%s.%s is embedded, and its %s would write the whole %v: the other fields would be lost; give the field a name, or %v methods of its own", path, f.Name, name, t, t)
			}
		}
	}
	return nil
}

// Encoding and Decoding are how CBOR is written and read. They keep what Go holds:
// strings that are no UTF-8, nanoseconds, the bits of a NaN; and know no limits but
// the reader's memory.
var (
	Encoding = must(cbor.EncOptions{
		Time: cbor.TimeRFC3339Nano, NaNConvert: cbor.NaNConvertNone, InfConvert: cbor.InfConvertNone,
	}.UserBufferEncMode())
	Decoding = must(cbor.DecOptions{
		UTF8: cbor.UTF8DecodeInvalid, MaxNestedLevels: depthMax, MaxArrayElements: 1<<31 - 1, MaxMapPairs: 1<<31 - 1,
	}.DecMode())
)

func must[T any](v T, err error) T {
	if err != nil {
		panic("tutti: " + err.Error())
	}
	return v
}

// Buffers are what Bytes encodes into.
var Buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// Bytes returns v's bytes for as long as v and the buffer live. The buffer, nil
// unless CBOR was used, is to be given back to Buffers.
func (c *Codec[T]) Bytes(v *T) ([]byte, *bytes.Buffer, error) {
	switch c.Way {
	case Plain:
		return unsafe.Slice((*byte)(unsafe.Pointer(v)), c.Size), nil, nil
	case Elements:
		// A string's header is a slice's without the capacity.
		h := (*struct {
			data unsafe.Pointer
			len  int
		})(unsafe.Pointer(v))
		return unsafe.Slice((*byte)(h.data), h.len*c.Size), nil, nil
	}
	if c.deep {
		if err := shallow(reflect.ValueOf(v).Elem(), depthMax); err != nil {
			return nil, nil, err
		}
	}
	b := Buffers.Get().(*bytes.Buffer)
	b.Reset()
	if err := Encoding.MarshalToBuffer(v, b); err != nil {
		Buffers.Put(b)
		return nil, nil, err
	}
	return b.Bytes(), b, nil
}

// Read makes a value from bytes, of which it keeps none.
func (c *Codec[T]) Read(p unsafe.Pointer, n int) (v T, err error) {
	switch c.Way {
	case Plain:
		if n != c.Size {
			return v, fmt.Errorf("tutti: %d bytes for a %T of %d", n, v, c.Size)
		}
		return *(*T)(p), nil
	case Elements:
		if n%c.Size != 0 {
			return v, fmt.Errorf("tutti: %d bytes for a %T with elements of %d", n, v, c.Size)
		}
		return c.elements(p, n), nil
	}
	return v, Decoding.Unmarshal(unsafe.Slice((*byte)(p), n), &v)
}

// elements makes a string or a slice of n bytes at p.
func (c *Codec[T]) elements(p unsafe.Pointer, n int) (v T) {
	if n == 0 {
		return v
	}
	b := unsafe.Slice((*byte)(p), n)
	if reflect.TypeFor[T]().Kind() == reflect.String {
		*(*string)(unsafe.Pointer(&v)) = string(b)
		return v
	}
	if c.Size == 1 {
		*(*[]byte)(unsafe.Pointer(&v)) = slices.Clone(b)
		return v
	}
	s := reflect.MakeSlice(reflect.TypeFor[T](), n/c.Size, n/c.Size)
	copy(unsafe.Slice((*byte)(s.UnsafePointer()), n), b)
	reflect.ValueOf(&v).Elem().Set(s)
	return v
}
