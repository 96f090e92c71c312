package cli

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	"github.com/tutti-run/tutti/internal/progress"
)

// sortJobs puts the oldest first; those that began together, by their numbers.
func sortJobs(jobs []progress.Job) {
	const together = 100 * time.Millisecond
	slices.SortFunc(jobs, func(a, b progress.Job) int {
		return cmp.Or(a.Since.Truncate(together).Compare(b.Since.Truncate(together)), cmp.Compare(a.Seq, b.Seq))
	})
}

// lastLine gives the last line of text, whether or not it has ended.
func lastLine(text []byte) string {
	text = bytes.TrimRight(text, "\n")
	return string(text[bytes.LastIndexByte(text, '\n')+1:])
}
