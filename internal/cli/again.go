package cli

import (
	"errors"
	"iter"
	"maps"
	"os"
	"slices"

	"github.com/tutti-run/tutti/internal/command"
	"github.com/tutti-run/tutti/internal/journal"
)

// failedJobs gives the jobs of the job log that failed, as they stand there.
func failedJobs(p *plan) (iter.Seq[*job], error) {
	f, err := os.Open(p.jobLog)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	failed := map[int64]string{}
	for e, err := range journal.Read(f) {
		if _, torn := errors.AsType[*journal.TornError](err); torn {
			break
		}
		if err != nil {
			return nil, err
		}
		if e.OK() {
			delete(failed, e.Seq)
		} else {
			failed[e.Seq] = e.Command
		}
	}
	order := slices.Sorted(maps.Keys(failed))
	// Each command is a text for the shell by now.
	shell, err := command.ParseWith(nil, command.Options{Env: command.EnvFor(p.shell)})
	if err != nil {
		return nil, err
	}
	return func(yield func(*job) bool) {
		last := int64(0)
		for _, seq := range order {
			for last++; last < seq; last++ { // -k counts on every number
				if !yield(&job{seq: last, skip: true, absent: true}) {
					return
				}
			}
			j := &job{seq: seq, attempt: 1}
			j.rendered, j.fault = shell.Render(command.Job{Seq: seq, Args: []string{failed[seq]}})
			j.mark = p.markOf(j)
			if !yield(j) {
				return
			}
		}
	}, nil
}
