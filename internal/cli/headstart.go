package cli

import (
	"context"
	"slices"
	"strings"
)

// headKey finds a headStart in a command's context.
type headKey struct{}

func withHead(ctx context.Context, h *headStart) context.Context {
	return context.WithValue(ctx, headKey{}, h)
}

// idle are the options, by their first letters, with which a map starts no workers, or
// workers that are told something else than it was. They may be shortened.
var idle = []string{
	"--dr", "--hel", "--vers", "--minv", "--show", "--shellq", "--num", "--sem", "--fg", "--bg", "--wait", "--id", "--gr", "--worker", "--tmpd", "--temp",
	"--jobserv", "--job-serv",
}

// needsWorkers guesses, from the words of a map before they are read for good, whether it
// is going to start workers. To be wrong costs time and nothing else.
func needsWorkers(words []string) bool {
	return !slices.ContainsFunc(words, func(w string) bool {
		return w == "-h" || slices.ContainsFunc(idle, func(o string) bool { return strings.HasPrefix(w, o) })
	})
}
