package chart

import (
	"bufio"
	"fmt"
	"io"
	"math"

	svg "github.com/ajstarks/svgo/float"
)

// Chart is a picture that can be drawn: [Lines], [Bars] or [Gantt].
type Chart interface {
	// check says what cannot be drawn of it, and why.
	check() error
	// size is the height of what lies between the title and the legend, in pixels.
	height() float64
	legend() []key
	title() (title, note string)
	draw(c *canvas)
}

// Axis is what a scale says.
type Axis struct {
	Label string // with the unit: "time (s)"
	// Log has equal factors equally far apart. All values must be above 0.
	Log bool
	// Whole has whole numbers only at the scale: things are counted.
	Whole bool
	// Max is the least that the scale reaches; 0 leaves it to the data.
	Max float64
}

// Sizes in pixels; a viewer scales the whole.
const (
	width       = 760.0
	marginLeft  = 76.0
	marginRight = 24.0
	marginTop   = 16.0
	titleHeight = 24.0
	noteHeight  = 18.0
	keyHeight   = 20.0
	axisHeight  = 48.0 // ticks and label below the area
	letterWidth = 6.6  // of a letter of the legend, on the wide side
)

// SVG writes c as a picture that stands by itself. The error is of a chart that
// cannot be drawn, or of w.
func SVG(w io.Writer, c Chart) error { return write(w, c, "chart") }

// key is an entry of a legend.
type key struct {
	name string
	draw func(c *canvas, x, y float64) // 28 wide, about the height y
}

// canvas is an SVG under way and the area in which data is drawn.
type canvas struct {
	*svg.SVG
	id                       string // begins all names, so that several fit on a page
	left, top, right, bottom float64
}

// write draws c. id begins the names of what the picture defines.
func write(w io.Writer, c Chart, id string) error {
	if err := c.check(); err != nil {
		return err
	}
	buffered := bufio.NewWriter(w)
	out := &canvas{SVG: svg.New(buffered), id: id, left: marginLeft, right: width - marginRight}
	title, note := c.title()
	y := marginTop + titleHeight
	if note != "" {
		y += noteHeight
	}
	keys, keyRows := place(c.legend())
	out.top = y + float64(keyRows)*keyHeight + 26
	out.bottom = out.top + c.height()
	height := out.bottom + axisHeight + 6
	fmt.Fprintf(buffered, "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"chart\" viewBox=\"0 0 %.0f %.0f\" width=\"%.0f\" height=\"%.0f\" role=\"img\">\n", width, height, width, height)
	out.Title(title)
	out.Style("text/css", css)
	out.patterns()
	out.Rect(0, 0, width, height, class("paper"))
	out.Text(marginLeft, marginTop+14, title, class("title"))
	if note != "" {
		out.Text(marginLeft, marginTop+titleHeight+10, note, class("note"))
	}
	for i, k := range c.legend() {
		x, line := keys[i].x, y+4+float64(keys[i].row)*keyHeight
		k.draw(out, x, line)
		out.Text(x+34, line+4, k.name, class("label"))
	}
	c.draw(out)
	out.End()
	return buffered.Flush()
}

// spot is where a key of the legend stands.
type spot struct {
	x   float64
	row int
}

// place sets the keys in rows as wide as the area.
func place(keys []key) (spots []spot, rows int) {
	x := marginLeft
	for _, k := range keys {
		wide := 34 + letterWidth*float64(len([]rune(k.name))) + 22
		if x > marginLeft && x+wide > width-marginRight {
			x, rows = marginLeft, rows+1
		}
		spots = append(spots, spot{x, rows})
		x += wide
	}
	if len(keys) > 0 {
		rows++
	}
	return spots, rows
}

// axisX draws the horizontal scale under the area, and its grid.
func (c *canvas) axisX(s scale, label string) {
	for _, t := range s.ticks() {
		x := s.at(t)
		c.Line(x, c.top, x, c.bottom, class("grid"))
		c.Text(x, c.bottom+17, number(t), class("tick mid"))
	}
	c.Line(c.left, c.bottom, c.right, c.bottom, class("axis"))
	c.Text((c.left+c.right)/2, c.bottom+38, label, class("label mid"))
}

// axisY draws the vertical scale, with its name above, where it can be read without
// turning one's head.
func (c *canvas) axisY(s scale, label string) {
	for _, t := range s.ticks() {
		y := s.at(t)
		c.Line(c.left, y, c.right, y, class("grid"))
		c.Text(c.left-8, y+4, number(t), class("tick end"))
	}
	c.Line(c.left, c.top, c.left, c.bottom, class("axis"))
	c.Text(c.left-8, c.top-12, label, class("label"))
}

// errorBar draws how far values at x spread.
func (c *canvas) errorBar(x, low, high float64) {
	c.Line(x, low, x, high, class("error"))
	c.Line(x-4, low, x+4, low, class("error"))
	c.Line(x-4, high, x+4, high, class("error"))
}

func class(names string) string { return `class="` + names + `"` }

// finite says which of values cannot be drawn on a.
func finite(a Axis, what string, values ...float64) error {
	for _, v := range values {
		switch {
		case math.IsNaN(v) || math.IsInf(v, 0):
			return fmt.Errorf("chart: %s has a value of %v, which has no place on %q: leave it out", what, v, a.Label)
		case a.Log && v <= 0:
			return fmt.Errorf("chart: %s has a value of %v, which has no place on the logarithmic scale %q: leave it out or take a linear one", what, v, a.Label)
		}
	}
	return nil
}
