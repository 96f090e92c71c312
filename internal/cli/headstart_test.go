package cli

import (
	"strings"
	"testing"
)

func TestNeedsWorkers(t *testing.T) {
	t.Parallel()
	for words, want := range map[string]bool{
		"":                               true,
		"gzip {} ::: a":                  true,
		"-j4 --joblog log gzip":          true,
		"--results dir cmd":              true,
		"--header : --verbose cmd":       true,
		"--dry-run echo ::: a":           false,
		"--dryrun echo ::: a":            false,
		"echo --help":                    false, // a guess, which costs a little time
		"-h":                             false,
		"--version":                      false,
		"--group fast:2 a ::: b":         false,
		"--semaphore --id x cmd":         false,
		"--jobserver fifo make ::: a":    false,
		"--tmpdir /var/tmp sort ::: a b": false,
		"--number-of-cpus":               false,
		"--shellquote ::: a":             false,
		"--show-limits":                  false,
	} {
		if got := needsWorkers(strings.Fields(words)); got != want {
			t.Errorf("%q: %v", words, got)
		}
	}
}
