package cli

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/tutti-run/tutti/internal/progress"
)

// sortJobs puts the oldest first.
func sortJobs(jobs []progress.Job) {
	slices.SortFunc(jobs, func(a, b progress.Job) int {
		return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.Seq, b.Seq))
	})
}

// lastLine gives the last line of text, whether or not it has ended.
func lastLine(text []byte) string {
	text = bytes.TrimRight(text, "\n")
	return string(text[bytes.LastIndexByte(text, '\n')+1:])
}
