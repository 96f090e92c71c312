package progress

import "fmt"

// Off ends a colour of Color and ColorFailed. eraseLine colours the line to its end.
const (
	Off       = "\x1b[m"
	eraseLine = "\x1b[K"
)

// ColorFailed begins a line of a job that failed, for --color-failed: white on red.
const ColorFailed = "\x1b[48;5;196;38;5;231m" + eraseLine

// Color is what stands before and after each line of job seq, for --color: a
// background of its own and black or white letters, whichever can be read upon it.
// Jobs that follow one another have colours far apart.
func Color(seq int64) (on, off string) {
	// A step that has no factor in common with the number of colours visits each
	// before one comes back; near the golden section of it neighbours are far apart.
	const first, count, step = 17, 214, 83
	n := (seq*step%count + count) % count
	background := first + n
	foreground := 231 // white
	if brightness(background) > 0.18 {
		foreground = 16 // black
	}
	return fmt.Sprintf("\x1b[48;5;%d;38;5;%dm", background, foreground) + eraseLine, Off
}

// levels are the intensities of the six steps in the palette's cube, linear.
var levels = [6]float64{0, 0.115, 0.242, 0.428, 0.680, 1}

// brightness is the luminance of a colour of the 256 that terminals have, from 16
// on: a cube of 6 by 6 by 6, and then 24 greys.
func brightness(color int64) float64 {
	if color >= 232 {
		grey := float64(8+10*(color-232)) / 255
		return grey * grey
	}
	n := color - 16
	return 0.2126*levels[n/36] + 0.7152*levels[n/6%6] + 0.0722*levels[n%6]
}
