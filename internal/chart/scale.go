package chart

import (
	"math"
	"strconv"
	"strings"
)

// scale maps values to pixels.
type scale struct {
	log, whole bool
	low, high  float64 // values
	from, upto float64 // pixels
}

// newScale is a scale for a from the pixel from to the pixel upto on which values have
// a place. A linear one begins at 0, or below it; it ends at a round number.
func newScale(a Axis, from, upto float64, values ...float64) scale {
	s := scale{log: a.Log, whole: a.Whole, from: from, upto: upto, high: a.Max}
	if a.Log {
		s.low = math.Inf(1)
	}
	for _, v := range values {
		s.low, s.high = min(s.low, v), max(s.high, v)
	}
	if a.Log && math.IsInf(s.low, 1) {
		s.low = 1
	}
	if s.high <= s.low {
		s.high = s.low + 1
	}
	if !a.Log {
		step := s.step()
		s.low = math.Floor(s.low/step) * step
		s.high = math.Ceil(s.high/step-1e-9) * step
	}
	return s
}

// tight ends the scale at high and not at a round number.
func (s scale) tight(high float64) scale {
	s.high = high
	return s
}

func (s scale) at(v float64) float64 {
	part := (v - s.low) / (s.high - s.low)
	if s.log {
		part = math.Log(v/s.low) / math.Log(s.high/s.low)
	}
	return s.from + part*(s.upto-s.from)
}

// ticksMax is about how many numbers stand at a scale.
const ticksMax = 8

// step is the distance of a linear scale's ticks: 1, 2 or 5 times a power of ten.
func (s scale) step() float64 {
	rough := (s.high - s.low) / ticksMax
	if s.whole {
		rough = max(rough, 1)
	}
	ten := math.Pow(10, math.Floor(math.Log10(rough)))
	for _, f := range []float64{1, 2, 5} {
		if f*ten >= rough*0.999 {
			return f * ten
		}
	}
	return 10 * ten
}

// ticks are the values with a number: on a logarithmic scale powers of two, or of as
// many twos as leave room.
func (s scale) ticks() []float64 {
	var t []float64
	if s.log {
		low, high := math.Ceil(math.Log2(s.low)-1e-9), math.Floor(math.Log2(s.high)+1e-9)
		stride := math.Ceil((high - low + 1) / (ticksMax + 4))
		for e := low; e <= high; e += max(stride, 1) {
			t = append(t, math.Exp2(e))
		}
		return t
	}
	step := s.step()
	for i := math.Ceil(s.low/step - 1e-9); i*step <= s.high+step*1e-9; i++ {
		t = append(t, i*step)
	}
	return t
}

// number writes a tick's value, with thousands set apart.
func number(v float64) string {
	if v != 0 && (math.Abs(v) >= 1e9 || math.Abs(v) < 1e-4) {
		return strconv.FormatFloat(v, 'g', 3, 64)
	}
	text := strconv.FormatFloat(v+0, 'f', -1, 64) // + 0: what is rounded to -0 is 0
	if short := strconv.FormatFloat(v, 'f', 4, 64); len(short) < len(text) {
		text = strings.TrimRight(strings.TrimRight(short, "0"), ".")
	}
	whole, fraction, _ := strings.Cut(text, ".")
	sign := ""
	if strings.HasPrefix(whole, "-") {
		sign, whole = "-", whole[1:]
	}
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if fraction != "" {
		fraction = "." + fraction
	}
	return sign + whole + fraction
}
