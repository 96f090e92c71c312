package chart

import (
	"fmt"
	"slices"
)

// Gantt is which processor did what when.
type Gantt struct {
	Title, Note string
	X           Axis     // time
	Kinds       []string // what a processor does; the legend
	Rows        []Row
}

// Row is a processor.
type Row struct {
	Name  string
	Spans []Span // in the order of time, none over another
}

// Span is a time in which a processor does one thing.
type Span struct {
	From, To float64
	Kind     int // of Gantt.Kinds
}

// ganttRowsMax is how many rows are drawn; more could not be read, and the rest is
// said to be there.
const ganttRowsMax = 64

func (g Gantt) title() (string, string) {
	if left := len(g.Rows) - ganttRowsMax; left > 0 {
		return g.Title, fmt.Sprintf("%s %d rows of %d are shown.", g.Note, ganttRowsMax, len(g.Rows))
	}
	return g.Title, g.Note
}

func (g Gantt) rows() []Row { return g.Rows[:min(len(g.Rows), ganttRowsMax)] }

// rowHeight is smaller where there are many rows.
func (g Gantt) rowHeight() float64 { return min(max(480/float64(max(len(g.rows()), 1)), 12), 26) }

func (g Gantt) height() float64 { return g.rowHeight() * float64(max(len(g.rows()), 1)) }

func (g Gantt) check() error {
	if len(g.Rows) == 0 {
		return fmt.Errorf("chart: %q has no processors: it needs a row at least", g.Title)
	}
	for _, r := range g.Rows {
		for i, s := range r.Spans {
			if err := finite(g.X, r.Name, s.From, s.To); err != nil {
				return err
			}
			if s.To < s.From || i > 0 && s.From < r.Spans[i-1].To || s.Kind < 0 || s.Kind >= len(g.Kinds) {
				return fmt.Errorf("chart: span %d of %s, %v to %v of kind %d, does not follow the one before, ends before it begins, or is of none of the %d kinds", i, r.Name, s.From, s.To, s.Kind, len(g.Kinds))
			}
		}
	}
	return nil
}

func (g Gantt) legend() []key {
	var keys []key
	for i, name := range g.Kinds {
		keys = append(keys, areaKey(i, name))
	}
	return keys
}

func (g Gantt) draw(c *canvas) {
	end := g.X.Max
	for _, r := range g.rows() {
		if n := len(r.Spans); n > 0 {
			end = max(end, r.Spans[n-1].To)
		}
	}
	if end <= 0 {
		end = 1
	}
	x := newScale(g.X, c.left, c.right, end).tight(end)
	c.axisX(x, g.X.Label)
	tall := g.rowHeight()
	for i, r := range g.rows() {
		y := c.top + float64(i)*tall
		c.Text(c.left-8, y+tall/2+4, r.Name, class("tick end"))
		for _, s := range merged(r.Spans, end/(c.right-c.left)/2) {
			c.area(s.Kind, x.at(s.From), y+tall*0.1, x.at(s.To)-x.at(s.From), tall*0.8)
		}
	}
	c.Line(c.left, c.top, c.left, c.bottom, class("axis"))
}

// merged joins spans that lie closer together than pixel: small ones of a kind, so that
// tasks stay apart where one can see where each ends, and what is shorter than pixel
// with whatever is beside it. So a row has no more areas than twice its width in
// pixels, though it ran a million tasks.
func merged(spans []Span, pixel float64) []Span {
	const small = 6 // pixels
	var out []Span
	for _, s := range spans {
		if n := len(out); n > 0 {
			last := &out[n-1]
			long, longLast := s.To-s.From, last.To-last.From
			near := s.From-last.To < pixel
			if near && (s.Kind == last.Kind && min(long, longLast) < small*pixel || long < pixel) {
				last.To = s.To
				continue
			}
		}
		out = append(out, s)
	}
	return slices.Clip(out)
}
