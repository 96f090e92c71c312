package chart

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"sync"
)

// Page is a document that stands by itself: one file, nothing fetched.
type Page struct {
	Title string
	Lead  string // what it comes to, in a sentence or two
	Parts []Part
}

// Part is a section of a page; each of its fields may be left out.
type Part struct {
	Title string
	Text  []string // paragraphs
	Chart Chart
	Table *Table
}

// Table is rows of words and numbers.
type Table struct {
	Head []string
	Rows [][]string
}

//go:embed page.html
var pageSource string

// pageTemplate is parsed by who needs it first: each worker process starts through the
// same executable, and most never do.
var pageTemplate = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("page").Parse(pageSource))
})

// HTML writes p. The error is of a chart that cannot be drawn, or of w.
func HTML(w io.Writer, p Page) error {
	type part struct {
		Part
		Picture template.HTML
	}
	data := struct {
		Title, Lead string
		Parts       []part
	}{p.Title, p.Lead, nil}
	for i, from := range p.Parts {
		to := part{Part: from}
		if from.Chart != nil {
			var picture bytes.Buffer
			if err := write(&picture, from.Chart, fmt.Sprintf("chart%d", i+1)); err != nil {
				return err
			}
			to.Picture = template.HTML(picture.String()) // its texts are escaped by the writer
		}
		data.Parts = append(data.Parts, to)
	}
	return pageTemplate().Execute(w, data)
}
