package chart

import (
	_ "embed"
	"fmt"
)

// css is the look of all pictures; s0 to s7 are the series.
//
//go:embed look.css
var css string

// seriesMax is how many series can be told apart; further ones begin anew.
const seriesMax = 8

func series(i int) string { return fmt.Sprintf("s%d", i%seriesMax) }

// dashes tell lines apart without colour.
var dashes = [seriesMax]string{"", "7 4", "2 3", "10 3 2 3", "12 5", "4 2 1 2", "1 4", "8 2 2 2 2 2"}

// dashed is the line of series i.
func dashed(i int) string {
	if d := dashes[i%seriesMax]; d != "" {
		return fmt.Sprintf(`class="line %s" stroke-dasharray="%s"`, series(i), d)
	}
	return class("line " + series(i))
}

// marker draws the sign of series i at a point.
func (c *canvas) marker(i int, x, y float64) {
	look := class("marker " + series(i))
	if i%seriesMax >= 4 {
		look = class("marker hollow " + series(i))
	}
	const r = 4.5
	switch i % 4 {
	case 0:
		c.Circle(x, y, r-0.5, look)
	case 1:
		c.Rect(x-r+0.5, y-r+0.5, 2*r-1, 2*r-1, look)
	case 2:
		c.Polygon([]float64{x - r, x + r, x}, []float64{y + r - 1, y + r - 1, y - r}, look)
	case 3:
		c.Polygon([]float64{x - r - 1, x, x + r + 1, x}, []float64{y, y - r - 1, y, y + r + 1}, look)
	}
}

// hatch are the lines in a tile of 8 by 8 that tell areas apart without colour.
var hatch = [seriesMax]string{
	"",
	"M-2,2 l4,-4 M0,8 l8,-8 M6,10 l4,-4",
	"M0,4 h8",
	"M-2,6 l4,4 M0,0 l8,8 M6,-2 l4,4",
	"M4,0 v8",
	"M0,4 h8 M4,0 v8",
	"M0,8 l8,-8 M0,0 l8,8",
	"M3,4 h2",
}

// patterns defines the areas' fillings.
func (c *canvas) patterns() {
	c.Def()
	for i := range seriesMax {
		c.Pattern(c.pattern(i), 0, 0, 8, 8, "user")
		c.Rect(0, 0, 8, 8, class("tint "+series(i)))
		if hatch[i] != "" {
			c.Path(hatch[i], class("hatch "+series(i)))
		}
		c.PatternEnd()
	}
	c.DefEnd()
}

func (c *canvas) pattern(i int) string { return fmt.Sprintf("%s-p%d", c.id, i%seriesMax) }

// area draws a rectangle of series i.
func (c *canvas) area(i int, x, y, w, h float64) {
	// As a style, since the class's own fill would win over an attribute.
	c.Rect(x, y, w, h, class("area "+series(i)), fmt.Sprintf("fill:url(#%s)", c.pattern(i)))
}
