package codec

import (
	"fmt"
	"reflect"
)

// depthMax is how many levels of structs, lists and maps a value may have: the most
// that the decoder takes. Who encodes a value that contains itself would not end
// but with the stack, and with the process.
const depthMax = 65535

// recursive reports whether values of t may hold others of their own type, at any
// depth. path holds the types in which t was met.
func recursive(t reflect.Type, path map[reflect.Type]bool) bool {
	if isOwnCodec(t) {
		return false
	}
	if path[t] {
		return true
	}
	path[t] = true
	defer delete(path, t)
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array:
		return recursive(t.Elem(), path)
	case reflect.Map:
		return recursive(t.Key(), path) || recursive(t.Elem(), path)
	case reflect.Struct:
		for i := range t.NumField() {
			if recursive(t.Field(i).Type, path) {
				return true
			}
		}
	}
	return false
}

// shallow refuses a value that has more than left levels.
func shallow(v reflect.Value, left int) error {
	t := v.Type()
	if isLeaf(t) {
		return nil
	}
	if t.Kind() == reflect.Pointer {
		if v.IsNil() {
			return nil
		}
		return shallow(v.Elem(), left)
	}
	if left == 0 {
		return fmt.Errorf("it contains itself, or is more than %d levels deep, like a long linked list: send what is in it as a slice", depthMax)
	}
	switch t.Kind() {
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			if err := shallow(v.Index(i), left-1); err != nil {
				return err
			}
		}
	case reflect.Map:
		for all := v.MapRange(); all.Next(); {
			if err := shallow(all.Value(), left-1); err != nil {
				return err
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if err := shallow(v.Field(i), left-1); err != nil {
				return err
			}
		}
	}
	return nil
}

// isLeaf reports whether nothing lies below a value of t, as far as can be told at
// a glance.
func isLeaf(t reflect.Type) bool {
	switch k := t.Kind(); k {
	case reflect.Slice, reflect.Array, reflect.Map:
		return t.Elem().Kind() <= reflect.Complex128
	case reflect.Struct, reflect.Pointer:
		return isOwnCodec(t)
	default:
		return true
	}
}
