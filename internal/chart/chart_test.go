package chart

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var keep = flag.String("chart.keep", "", "write the example pictures into this folder, to look at")

// examples have everything in them that a picture may have.
func examples() map[string]Chart {
	curve := func(f func(x float64) float64) (xs, ys []float64) {
		for x := 1.0; x <= 32; x += 0.5 {
			xs, ys = append(xs, x), append(ys, f(x))
		}
		return xs, ys
	}
	ux, uy := curve(func(n float64) float64 { return n / (1 + 0.03*(n-1) + 0.002*n*(n-1)) })
	ax, ay := curve(func(n float64) float64 { return n / (1 + 0.06*(n-1)) })
	lx, ly := curve(func(n float64) float64 { return min(n, 16) })
	gantt := Gantt{Title: "Processors", Note: "Who did what.", X: Axis{Label: "time (s)"}, Kinds: []string{"task", "stolen task", "restart"}}
	for r := range 8 {
		row := Row{Name: fmt.Sprintf("CPU %d", r)}
		t := 0.0
		for i := 0; t < 11; i++ {
			long := 0.3 + float64((r*7+i*5)%11)/6
			row.Spans = append(row.Spans, Span{t, t + long, []int{0, 0, 1, 0, 2}[(r+i)%5]})
			t += long + 0.1
		}
		gantt.Rows = append(gantt.Rows, row)
	}
	return map[string]Chart{
		"lines": Lines{
			Title: "Speed-up over workers", Note: "Median of 5 rounds; bars from the least to the most.",
			X: Axis{Label: "workers", Whole: true}, Y: Axis{Label: "speed-up (times one worker)"},
			Series: []Series{
				{Name: "measured", X: []float64{1, 2, 4, 8, 16}, Y: []float64{1, 1.92, 3.6, 6.2, 8.1}, Low: []float64{0.97, 1.85, 3.4, 5.9, 7.2}, High: []float64{1.02, 1.97, 3.7, 6.4, 8.6}, Points: true},
				{Name: "Universal Scalability Law", X: ux, Y: uy, Curve: true},
				{Name: "Amdahl's law", X: ax, Y: ay, Curve: true},
				{Name: "linear", X: lx, Y: ly, Curve: true},
			},
			Marks: []Mark{{16, "16 CPUs"}, {30, "far away"}},
		},
		"log": Lines{
			Title: "Throughput", X: Axis{Label: "CPUs", Log: true}, Y: Axis{Label: "tasks/s", Log: true},
			Series: []Series{
				{Name: "work stealing & <friends>", X: []float64{1, 4, 64, 1024}, Y: []float64{1e3, 4e3, 6e4, 5e5}, Points: true, Curve: true},
				{Name: "least loaded", X: []float64{1, 4, 64, 1024}, Y: []float64{1e3, 3.9e3, 4e4, 1.1e5}, Points: true, Curve: true},
				{Name: "round robin", X: []float64{1, 4, 64, 1024}, Y: []float64{1e3, 3e3, 2e4, 2.1e4}, Points: true, Curve: true},
				{Name: "deadline", X: []float64{1, 4, 64, 1024}, Y: []float64{9e2, 2e3, 1e4, 1.1e4}, Points: true, Curve: true},
			},
		},
		"bars": Bars{
			Title: "Waiting by policy", X: "load", Y: Axis{Label: "waiting (ms)"}, Groups: []string{"light", "medium", "heavy"},
			Series: []BarSeries{
				{Name: "round robin", Values: []float64{3, 9, 41}, Low: []float64{2.5, 8, 38}, High: []float64{3.5, 10, 46}},
				{Name: "least loaded", Values: []float64{2, 5, 22}},
				{Name: "work stealing", Values: []float64{2, 4, 12}},
				{Name: "two choices", Values: []float64{2, 4, 15}},
				{Name: "shortest first", Values: []float64{2, 4, 10}},
				{Name: "longest first", Values: []float64{2.5, 6, 19}},
				{Name: "locality", Values: []float64{2.8, 7, 25}},
				{Name: "aged priority", Values: []float64{3, 8, 30}},
			},
		},
		"gantt": gantt,
	}
}

// A picture is well-formed, has its texts, fetches nothing, and keeps to its frame.
func TestPictures(t *testing.T) {
	t.Parallel()
	for name, c := range examples() {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			if err := SVG(&out, c); err != nil {
				t.Fatal(err)
			}
			if *keep != "" {
				if err := os.WriteFile(filepath.Join(*keep, name+".svg"), out.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			texts := parse(t, out.Bytes())
			title, _ := c.title()
			for _, k := range append(c.legend(), key{name: title}) {
				if !strings.Contains(texts, k.name) {
					t.Errorf("the picture does not say %q", k.name)
				}
			}
			if outside := regexp.MustCompile(`(href|src|@import|url\((?:[^#]))`).Find(out.Bytes()); outside != nil {
				t.Errorf("the picture refers to something outside: %s", outside)
			}
		})
	}
}

// parse reads an SVG, checks its coordinates, and returns its texts.
func parse(t *testing.T, picture []byte) string {
	t.Helper()
	var texts strings.Builder
	for d := xml.NewDecoder(bytes.NewReader(picture)); ; {
		token, err := d.Token()
		if err == io.EOF {
			return texts.String()
		}
		if err != nil {
			t.Fatalf("the picture is not well-formed: %v", err)
		}
		switch e := token.(type) {
		case xml.CharData:
			texts.Write(e)
		case xml.StartElement:
			for _, a := range e.Attr {
				if a.Name.Local != "x" && a.Name.Local != "cx" && a.Name.Local != "x1" {
					continue
				}
				var v float64
				if _, err := fmt.Sscan(a.Value, &v); err != nil || !(v >= 0 && v <= width) {
					t.Errorf("<%s %s=%q> is outside the frame", e.Name.Local, a.Name.Local, a.Value)
				}
			}
		}
	}
}

func TestPage(t *testing.T) {
	t.Parallel()
	p := Page{Title: "How `a < b` scales", Lead: "Best with 8 workers."}
	for _, name := range []string{"lines", "log", "bars", "gantt"} {
		p.Parts = append(p.Parts, Part{Title: name, Text: []string{"<script>alert(1)</script>"}, Chart: examples()[name]})
	}
	p.Parts = append(p.Parts, Part{Table: &Table{Head: []string{"workers", "tasks/s"}, Rows: [][]string{{"1", "10.5"}, {"2", "<20>"}}}})
	var out bytes.Buffer
	if err := HTML(&out, p); err != nil {
		t.Fatal(err)
	}
	if *keep != "" {
		if err := os.WriteFile(filepath.Join(*keep, "page.html"), out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text := out.String()
	for _, want := range []string{"How `a &lt; b` scales", "&lt;script&gt;", "&lt;20&gt;", "<th>tasks/s</th>", "prefers-color-scheme", "@media print"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not have %q", want)
		}
	}
	if strings.Contains(text, "<script>") || regexp.MustCompile(`(src|href)=`).MatchString(text) {
		t.Error("the page runs or fetches something")
	}
	seen := map[string]bool{}
	for _, m := range regexp.MustCompile(` id="([^"]+)"`).FindAllStringSubmatch(text, -1) {
		if seen[m[1]] {
			t.Errorf("two things on the page are named %s", m[1])
		}
		seen[m[1]] = true
	}
}

func TestWhatCannotBeDrawn(t *testing.T) {
	t.Parallel()
	one := []float64{1}
	for _, c := range []struct {
		chart Chart
		says  string
	}{
		{Lines{Series: []Series{{Name: "a", X: one, Y: []float64{math.NaN()}}}}, "a has a value of NaN"},
		{Lines{Y: Axis{Label: "t", Log: true}, Series: []Series{{Name: "a", X: one, Y: []float64{0}}}}, `logarithmic scale "t"`},
		{Lines{Series: []Series{{Name: "a", X: one}}}, "1 x, 0 y"},
		{Lines{Series: []Series{{Name: "a"}}}, "there must be points"},
		{Lines{Series: []Series{{Name: "a", X: one, Y: one, Low: one}}}, "error bars for 1 and 0"},
		{Lines{Title: "l"}, "no series"},
		{Lines{Series: []Series{{Name: "a", X: one, Y: one}}, Marks: []Mark{{math.Inf(1), "m"}}}, "m has a value of +Inf"},
		{Bars{Title: "b"}, "no bars"},
		{Bars{Groups: []string{"g"}, Series: []BarSeries{{Name: "a"}}}, "has 0 values"},
		{Gantt{Title: "g"}, "no processors"},
		{Gantt{Kinds: []string{"k"}, Rows: []Row{{"r", []Span{{0, 2, 0}, {1, 3, 0}}}}}, "span 1 of r"},
		{Gantt{Kinds: []string{"k"}, Rows: []Row{{"r", []Span{{0, 2, 1}}}}}, "none of the 1 kinds"},
	} {
		if err := SVG(io.Discard, c.chart); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%+v: %v, want %q", c.chart, err, c.says)
		}
	}
	if err := HTML(io.Discard, Page{Parts: []Part{{Chart: Bars{}}}}); err == nil {
		t.Error("a page with a chart that cannot be drawn was written")
	}
	if err := SVG(full{}, examples()["lines"]); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("a write that failed was not told: %v", err)
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

func TestTicks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		axis   Axis
		values []float64
		want   string
	}{
		{Axis{}, []float64{1, 7}, "0 1 2 3 4 5 6 7"},
		{Axis{}, []float64{0.031}, "0 0.005 0.01 0.015 0.02 0.025 0.03 0.035"},
		{Axis{}, []float64{123456}, "0 20,000 40,000 60,000 80,000 100,000 120,000 140,000"},
		{Axis{}, []float64{-3, 4}, "-3 -2 -1 0 1 2 3 4"},
		{Axis{Max: 10}, []float64{1}, "0 2 4 6 8 10"},
		{Axis{}, nil, "0 0.2 0.4 0.6 0.8 1"},
		{Axis{Whole: true}, []float64{4}, "0 1 2 3 4"},
		{Axis{Whole: true}, []float64{40}, "0 5 10 15 20 25 30 35 40"},
		{Axis{Log: true}, []float64{1, 40}, "1 2 4 8 16 32"},
		{Axis{Log: true}, []float64{1, 1 << 20}, "1 4 16 64 256 1,024 4,096 16,384 65,536 262,144 1,048,576"},
	} {
		var got []string
		for _, v := range newScale(c.axis, 0, 100, c.values...).ticks() {
			got = append(got, number(v))
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%v of %v: %s, want %s", c.values, c.axis, s, c.want)
		}
	}
}

// A million tasks in a row make a picture of a size that a browser opens, and more
// processors than can be read are left out and said to be there.
func TestGanttIsBounded(t *testing.T) {
	t.Parallel()
	row := Row{Name: "busy"}
	for i := range 300_000 {
		row.Spans = append(row.Spans, Span{float64(i), float64(i) + 0.9, i % 2})
	}
	g := Gantt{Title: "g", Kinds: []string{"a", "b"}, Rows: append([]Row{row}, make([]Row, 100)...)}
	var out bytes.Buffer
	if err := SVG(&out, g); err != nil {
		t.Fatal(err)
	}
	if out.Len() > 300_000 {
		t.Errorf("%d bytes of picture", out.Len())
	}
	if !strings.Contains(out.String(), "64 rows of 101 are shown") {
		t.Error("nothing says that rows were left out")
	}
}
