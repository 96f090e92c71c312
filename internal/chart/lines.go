package chart

import (
	"fmt"
	"slices"
)

// Lines is curves and points over a scale of numbers.
type Lines struct {
	Title, Note string
	X, Y        Axis
	Series      []Series
	Marks       []Mark
}

// Series is one curve, or the points of one thing that was measured.
type Series struct {
	Name string
	X, Y []float64
	// Low and High are the ends of error bars, one for each point, or nil.
	Low, High []float64
	// Points shows a marker at each value, Curve a line through them.
	Points, Curve bool
}

// Mark is a line across at X with its name, such as the number of CPUs.
type Mark struct {
	X    float64
	Name string
}

func (l Lines) title() (string, string) { return l.Title, l.Note }
func (l Lines) height() float64         { return 320 }

func (l Lines) check() error {
	if len(l.Series) == 0 {
		return fmt.Errorf("chart: %q has no series: it needs one at least", l.Title)
	}
	for _, s := range l.Series {
		if len(s.X) != len(s.Y) || len(s.X) == 0 || s.Low != nil && len(s.Low) != len(s.Y) || len(s.High) != len(s.Low) {
			return fmt.Errorf("chart: the series %q of %q has %d x, %d y and error bars for %d and %d: each point needs one of each, and there must be points", s.Name, l.Title, len(s.X), len(s.Y), len(s.Low), len(s.High))
		}
		if err := finite(l.X, s.Name, s.X...); err != nil {
			return err
		}
		for _, v := range [][]float64{s.Y, s.Low, s.High} {
			if err := finite(l.Y, s.Name, v...); err != nil {
				return err
			}
		}
	}
	for _, m := range l.Marks {
		if err := finite(l.X, m.Name, m.X); err != nil {
			return err
		}
	}
	return nil
}

func (l Lines) legend() []key {
	var keys []key
	for i, s := range l.Series {
		keys = append(keys, key{s.Name, func(c *canvas, x, y float64) {
			if s.Curve {
				c.Line(x, y, x+28, y, dashed(i))
			}
			if s.Points {
				c.marker(i, x+14, y)
			}
		}})
	}
	return keys
}

func (l Lines) draw(c *canvas) {
	var xs, ys []float64
	for _, s := range l.Series {
		xs = append(xs, s.X...)
		ys = append(append(append(ys, s.Y...), s.Low...), s.High...)
	}
	x := newScale(l.X, c.left, c.right, xs...)
	if most := max(slices.Max(xs), l.X.Max); most > x.low {
		x = x.tight(most)
	}
	y := newScale(l.Y, c.bottom, c.top, ys...)
	c.axisX(x, l.X.Label)
	c.axisY(y, l.Y.Label)
	for _, m := range l.Marks {
		if at := x.at(m.X); at >= c.left && at <= c.right {
			c.Line(at, c.top, at, c.bottom, class("mark"))
			c.markName(at, m.Name)
		}
	}
	for i, s := range l.Series {
		px, py := make([]float64, len(s.X)), make([]float64, len(s.X))
		for j := range s.X {
			px[j], py[j] = x.at(s.X[j]), y.at(s.Y[j])
		}
		if s.Curve {
			c.Polyline(px, py, dashed(i))
		}
		for j := range s.Low {
			c.errorBar(px[j], y.at(s.Low[j]), y.at(s.High[j]))
		}
		if s.Points {
			for j := range px {
				c.marker(i, px[j], py[j])
			}
		}
	}
}

// markName writes a mark's name at its foot, on the side where there is room.
func (c *canvas) markName(x float64, name string) {
	if x+letterWidth*float64(len([]rune(name)))+10 > c.right {
		c.Text(x-6, c.bottom-8, name, class("note end"))
		return
	}
	c.Text(x+6, c.bottom-8, name, class("note"))
}
