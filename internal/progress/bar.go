package progress

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// barText is the text in GNU parallel's bar: percent, jobs that ended and that are
// left, the time left, and what began last.
func (v View) barText(s State, width int) string {
	percent, left, eta := "?%", "?", "?"
	if p := s.percent(); p >= 0 {
		percent, left = fmt.Sprintf("%d%%", p), fmt.Sprint(s.JobsLeft())
	}
	if s.Left.Known {
		eta = units(s.Left.Left)
	}
	return v.cut(fmt.Sprintf("%s %d:%s=%s %s", percent, s.over(), left, eta,
		v.command(s.Newest, width)), width)
}

// Bar is the line of --bar on a terminal: a text upon a bar in reverse, as GNU
// parallel draws it, or beside one where there are no colours.
func (v View) Bar(s State) string {
	width, percent := v.columns(), max(s.percent(), 0)
	if !v.Color {
		if width < 3*barWidth {
			return v.barText(s, width)
		}
		return barLine(percent, barWidth) + " " + v.barText(s, width-barWidth-3)
	}
	text := v.barText(s, width)
	text += strings.Repeat(" ", max(width-cells(text), 0))
	done := front(text, width*int(percent)/100)
	return reverse + done + reset + text[len(done):]
}

// Zenity is what --bar writes where standard error is no terminal: pieces that a
// carriage return begins and divides, among them what zenity reads, "# " and a text,
// and the percentage alone, as dialog wants it. Scripts that make lines of the
// returns find them as they do with GNU parallel. The last one lacks its newline.
func (v View) Zenity(s State) string {
	eta := "0" // as GNU parallel says before it can know
	if s.Left.Known {
		eta = fmt.Sprint(ceil(s.Left.Left, time.Second))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\r# %s\r", v.cut(fmt.Sprintf("  %s sec %s", eta, v.command(s.Newest, v.columns())), v.columns()-2))
	if s.Total > 0 {
		percent := float64(min(s.over(), s.Total)) * 100 / float64(s.Total)
		b.WriteString(strconv.FormatFloat(percent, 'g', 15, 64) + "\r") // a step for each job
	} else if s.Total == 0 {
		b.WriteString("100\r")
	}
	// Not a digit at the begin: a reader of percentages would take it for one.
	b.WriteString(reverse + v.barText(s, v.columns()) + reset)
	return b.String()
}

// units writes a duration in GNU parallel's way: 1d02h03m04s.
func units(d time.Duration) string {
	n := ceil(max(d, 0), time.Second)
	days, hours, minutes, seconds := n/86400, n/3600%24, n/60%60, n%60
	switch {
	case days > 0:
		return fmt.Sprintf("%dd%02dh%02dm%02ds", days, hours, minutes, seconds)
	case hours > 0:
		return fmt.Sprintf("%dh%02dm%02ds", hours, minutes, seconds)
	case minutes > 0:
		return fmt.Sprintf("%dm%02ds", minutes, seconds)
	}
	return fmt.Sprintf("%ds", seconds)
}
