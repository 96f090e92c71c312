package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// formatFigure writes x with three significant digits; thousands and millions by
// their letters, as in 13.2k and 5.12M.
func formatFigure(x float64) string {
	switch a := math.Abs(x); {
	case a >= 999.5e3:
		return threeDigits(x/1e6) + "M"
	case a >= 9995:
		return threeDigits(x/1e3) + "k"
	default:
		return threeDigits(x)
	}
}

func threeDigits(x float64) string {
	if x == 0 {
		return "0"
	}
	decimals := max(0, 2-int(math.Floor(math.Log10(math.Abs(x)))))
	return strconv.FormatFloat(x, 'f', min(decimals, 4), 64)
}

func formatRatio(x float64) string { return threeDigits(x) + "x" }

// besideColumn is where the second figure stands, in rows that have one.
const besideColumn = 4

// header is the order of the columns of cells.
func (r *result) header() []string {
	columns := []string{"", "who", r.Unit + " (median)", "min to max", "tutti is", "target", "note"}
	if r.Beside != "" {
		columns = slices.Insert(columns, besideColumn, r.Beside)
	}
	return columns
}

// cells are the columns of one line that has figures.
func (r *result) cells(l *line) []string {
	ratio := ""
	if l.Ratio != 0 {
		ratio = formatRatio(l.Ratio)
	}
	columns := []string{
		string(l.Kind), l.who(), formatFigure(l.Median),
		formatFigure(l.Min) + " to " + formatFigure(l.Max),
		ratio, strings.TrimSpace(l.Target + " " + l.Verdict), l.Note,
	}
	if r.Beside != "" {
		second := ""
		if l.BesideMedian != 0 {
			second = formatFigure(l.BesideMedian)
		}
		columns = slices.Insert(columns, besideColumn, second)
	}
	return columns
}

func (l *line) who() string { return strings.TrimSpace(l.Contender + " " + l.Version) }

// absence says why a line has no figures; "" when it has.
func (l *line) absence() string {
	switch {
	case l.Missing != "":
		return "missing: " + l.who() + ": " + l.Missing
	case l.Failed != "":
		return "failed: " + l.who() + ": " + l.Failed
	case len(l.Rounds) == 0:
		return "not measured: " + l.who()
	default:
		return ""
	}
}

// writeText writes a measured row for a terminal.
func writeText(w io.Writer, r result) error {
	fmt.Fprintf(w, "%s: %s\n", r.Row, r.Title)
	var aligned strings.Builder
	tw := tabwriter.NewWriter(&aligned, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "  "+strings.Join(r.header(), "\t"))
	for _, l := range r.Lines {
		if l.absence() == "" {
			fmt.Fprintln(tw, "  "+strings.Join(r.cells(&l), "\t"))
		}
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	for line := range strings.Lines(aligned.String()) {
		fmt.Fprintln(w, strings.TrimRight(line, " \n")) // empty cells are blanks
	}
	for _, l := range r.Lines {
		if why := l.absence(); why != "" {
			fmt.Fprintln(w, "  "+oneLine(why))
		}
	}
	_, err := fmt.Fprintln(w)
	return err
}

// writeMarkdown writes a measured row as a section for the documentation.
func writeMarkdown(w io.Writer, r result) error {
	fmt.Fprintf(w, "### %s\n\n%s\n\n", r.Row, r.Title)
	columns := r.header()
	fmt.Fprintf(w, "| %s |\n|%s\n", strings.Join(columns, " | "), strings.Repeat("---|", len(columns)))
	for _, l := range r.Lines {
		if l.absence() != "" {
			continue
		}
		cells := r.cells(&l)
		for i, cell := range cells {
			cells[i] = strings.ReplaceAll(cell, "|", `\|`)
		}
		fmt.Fprintf(w, "| %s |\n", strings.Join(cells, " | "))
	}
	gone := ""
	for _, l := range r.Lines {
		if why := l.absence(); why != "" {
			gone += "- " + oneLine(why) + "\n"
		}
	}
	if gone != "" {
		gone = "\n" + gone
	}
	_, err := fmt.Fprintln(w, gone)
	return err
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
