package chart

import "fmt"

// Bars is bars side by side, a group for each thing that is compared.
type Bars struct {
	Title, Note string
	X           string // what the groups are
	Y           Axis
	Groups      []string
	Series      []BarSeries
}

// BarSeries has one bar in each group.
type BarSeries struct {
	Name   string
	Values []float64
	// Low and High are the ends of error bars, one for each value, or nil.
	Low, High []float64
}

func (b Bars) title() (string, string) { return b.Title, b.Note }
func (b Bars) height() float64         { return 300 }

func (b Bars) check() error {
	if len(b.Groups) == 0 || len(b.Series) == 0 {
		return fmt.Errorf("chart: %q has no bars: it needs a group and a series at least", b.Title)
	}
	for _, s := range b.Series {
		if len(s.Values) != len(b.Groups) || s.Low != nil && len(s.Low) != len(b.Groups) || len(s.High) != len(s.Low) {
			return fmt.Errorf("chart: the series %q of %q has %d values and error bars for %d and %d: each of the %d groups needs one of each", s.Name, b.Title, len(s.Values), len(s.Low), len(s.High), len(b.Groups))
		}
		for _, v := range [][]float64{s.Values, s.Low, s.High} {
			if err := finite(b.Y, s.Name, v...); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b Bars) legend() []key {
	if len(b.Series) == 1 {
		return nil
	}
	var keys []key
	for i, s := range b.Series {
		keys = append(keys, areaKey(i, s.Name))
	}
	return keys
}

// areaKey is the key of an area of series i.
func areaKey(i int, name string) key {
	return key{name, func(c *canvas, x, y float64) { c.area(i, x, y-6, 28, 12) }}
}

func (b Bars) draw(c *canvas) {
	var all []float64
	for _, s := range b.Series {
		all = append(append(append(all, s.Values...), s.Low...), s.High...)
	}
	y := newScale(b.Y, c.bottom, c.top, all...)
	c.axisY(y, b.Y.Label)
	foot := c.bottom
	if !b.Y.Log {
		foot = y.at(0)
	}
	wide := (c.right - c.left) / float64(len(b.Groups))
	bar := min(wide*0.8/float64(len(b.Series)), 64)
	// Names that would run into each other stand on two lines, in turn.
	staggered := false
	for _, g := range b.Groups {
		staggered = staggered || letterWidth*float64(len([]rune(g))) > wide
	}
	for g, name := range b.Groups {
		middle := c.left + (float64(g)+0.5)*wide
		for i, s := range b.Series {
			x := middle + (float64(i)-float64(len(b.Series))/2)*bar
			top := y.at(s.Values[g])
			c.area(i, x, min(top, foot), bar, max(top, foot)-min(top, foot))
			if s.Low != nil {
				c.errorBar(x+bar/2, y.at(s.Low[g]), y.at(s.High[g]))
			}
		}
		line := c.bottom + 16
		if staggered && g%2 == 1 {
			line += 13
		}
		half := letterWidth * float64(len([]rune(name))) / 2
		c.Text(min(middle, width-half), line, name, class("tick mid")) // the last may be long
	}
	c.Line(c.left, foot, c.right, foot, class("axis"))
	c.Text((c.left+c.right)/2, c.bottom+44, b.X, class("label mid"))
}
