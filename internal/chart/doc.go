// Package chart draws what was measured: curves with points and error bars, bars side
// by side, and which processor did what when, as SVG and as one HTML page.
//
// A picture is told in numbers ([Lines], [Bars], [Gantt]) and written by [SVG] or as
// part of a [Page]. The drawings refer to nothing outside themselves: no font, script
// or picture is fetched. Series differ by dashes, markers and hatching as well as by
// colour (Okabe and Ito's, which the colour-blind can tell apart), so a black and
// white print can be read. They follow the reader's choice of light or dark.
//
// It is a function of its arguments and is safe for concurrent use.
package chart
