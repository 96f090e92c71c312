package command

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// scalar is a value of the language: text, a whole number, a fraction, or the
// job slot plus a number.
type scalar struct {
	kind  scalarKind
	text  string
	whole int64
	real  float64
}

type scalarKind int

const (
	isText scalarKind = iota
	isWhole
	isReal
	isSlot
)

func text(s string) scalar    { return scalar{text: s} }
func whole(n int64) scalar    { return scalar{kind: isWhole, whole: n} }
func real(x float64) scalar   { return scalar{kind: isReal, real: x} }
func slotPlus(n int64) scalar { return scalar{kind: isSlot, whole: n} }

func truth(b bool) scalar {
	if b {
		return whole(1)
	}
	return text("")
}

// errSlot says what cannot be done to a number that is not known yet.
var errSlot = errors.New("the slot is known only when the job starts, so no more can be done with slot() than to add a number, " +
	"put it into a text, or format it with sprintf(\"%03d\", slot())")

func (v scalar) String() string {
	switch v.kind {
	case isWhole:
		return strconv.FormatInt(v.whole, 10)
	case isReal:
		return formatG(v.real, 15)
	case isSlot:
		return slotText(0, v.whole)
	}
	return v.text
}

// formatG is C's %.*g.
func formatG(x float64, precision int) string {
	s := strconv.FormatFloat(x, 'g', precision, 64)
	mantissa, exponent, scientific := strings.Cut(s, "e")
	if e, err := strconv.Atoi(exponent); scientific && err == nil && e >= -4 && e < precision {
		mantissa, scientific = strconv.FormatFloat(x, 'f', max(precision-1-e, 0), 64), false
	}
	if strings.Contains(mantissa, ".") {
		mantissa = strings.TrimRight(strings.TrimRight(mantissa, "0"), ".")
	}
	if scientific {
		return mantissa + "e" + exponent
	}
	return mantissa
}

// isTrue is Perl's truth: all but "" and "0".
func (v scalar) isTrue() bool {
	if v.kind == isSlot {
		return true
	}
	s := v.String()
	return s != "" && s != "0"
}

// known gives v's text where no slot is in it.
func (v scalar) known() (string, error) {
	s := v.String()
	if strings.Contains(s, slotMark) {
		return "", errSlot
	}
	return s, nil
}

// number reads a number. Perl takes what is none for 0 and says nothing.
func number(s string) (scalar, error) {
	trimmed := strings.Trim(s, " \t\n\v\f\r")
	if n, err := strconv.ParseInt(trimmed, 10, 64); err == nil {
		return whole(n), nil
	}
	if strings.Trim(trimmed, "+-.0123456789eE") == "" {
		if x, err := strconv.ParseFloat(trimmed, 64); err == nil {
			return real(x), nil
		}
	}
	return scalar{}, fmt.Errorf("%q is not a number", s)
}

func (v scalar) numeric() (scalar, error) {
	if v.kind != isText {
		return v, nil
	}
	if strings.Contains(v.text, slotMark) {
		return v, errSlot
	}
	return number(v.text)
}

func (v scalar) float() float64 {
	if v.kind == isReal {
		return v.real
	}
	return float64(v.whole)
}

// operate computes a op b for all operators but those that may skip b.
func operate(op string, a, b scalar) (scalar, error) {
	switch op {
	case ".":
		return text(a.String() + b.String()), nil
	case "eq", "ne", "lt", "gt", "le", "ge":
		x, err := a.known()
		if err != nil {
			return a, err
		}
		y, err := b.known()
		return truth(compares(op, strings.Compare(x, y))), err
	}
	a, err := a.numeric()
	if err != nil {
		return a, err
	}
	b, err = b.numeric()
	if err != nil {
		return b, err
	}
	if a.kind == isSlot || b.kind == isSlot {
		return slotSum(op, a, b)
	}
	if order, ok := numberOrders[op]; ok {
		x, y := a.float(), b.float()
		c := 0
		switch {
		case a.kind == isWhole && b.kind == isWhole && a.whole < b.whole, x < y:
			c = -1
		case a.kind == isWhole && b.kind == isWhole && a.whole > b.whole, x > y:
			c = 1
		}
		return truth(compares(order, c)), nil
	}
	if a.kind == isWhole && b.kind == isWhole {
		if v, ok := wholeArithmetic(op, a.whole, b.whole); ok {
			return v, nil
		}
	}
	return realArithmetic(op, a.float(), b.float())
}

// numberOrders gives the comparison of texts that a numeric one is like.
var numberOrders = map[string]string{"==": "eq", "!=": "ne", "<": "lt", ">": "gt", "<=": "le", ">=": "ge"}

func compares(op string, c int) bool {
	switch op {
	case "eq":
		return c == 0
	case "ne":
		return c != 0
	case "lt":
		return c < 0
	case "gt":
		return c > 0
	case "le":
		return c <= 0
	}
	return c >= 0
}

func slotSum(op string, a, b scalar) (scalar, error) {
	switch {
	case op == "+" && a.kind == isSlot && b.kind == isWhole, op == "+" && a.kind == isWhole && b.kind == isSlot:
		return slotPlus(a.whole + b.whole), nil
	case op == "-" && a.kind == isSlot && b.kind == isWhole:
		return slotPlus(a.whole - b.whole), nil
	}
	return a, errSlot
}

// wholeArithmetic says no where the answer is no whole number of 64 bits.
func wholeArithmetic(op string, a, b int64) (v scalar, ok bool) {
	switch op {
	case "+":
		return whole(a + b), (a+b > a) == (b > 0)
	case "-":
		return whole(a - b), (a-b < a) == (b > 0)
	case "*":
		if a == 0 || b == 0 {
			return whole(0), true
		}
		if a == math.MinInt64 || b == math.MinInt64 {
			return v, false
		}
		return whole(a * b), a*b/b == a
	case "/":
		if b == 0 || b == -1 || a%b != 0 {
			return v, false
		}
		return whole(a / b), true
	case "%":
		if b == 0 || b == -1 {
			return whole(0), b == -1
		}
		m := a % b
		if m != 0 && (m < 0) != (b < 0) {
			m += b // Perl's remainder has the sign of the right side
		}
		return whole(m), true
	}
	return v, false
}

func realArithmetic(op string, x, y float64) (scalar, error) {
	switch op {
	case "+":
		return real(x + y), nil
	case "-":
		return real(x - y), nil
	case "*":
		return real(x * y), nil
	}
	if y == 0 {
		return scalar{}, errors.New("division by zero")
	}
	if op == "/" {
		return real(x / y), nil
	}
	a, b := math.Trunc(x), math.Trunc(y) // Perl's % knows whole numbers only
	if math.Abs(a) >= math.MaxInt64 || math.Abs(b) >= math.MaxInt64 || b == 0 {
		return scalar{}, fmt.Errorf("%s %% %s cannot be computed with whole numbers", formatG(x, 15), formatG(y, 15))
	}
	v, _ := wholeArithmetic("%", int64(a), int64(b))
	return v, nil
}
