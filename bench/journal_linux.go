package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tutti-run/tutti/internal/journal"
)

// journalRows are what the journal of a run costs, and how soon a large one is read.
func (w *workshop) journalRows() []row {
	n := w.size(4000)
	j := jobTrue(2)
	without := w.oursFor(j, "--no-journal")
	without.kind = floor
	return []row{
		{
			name: "journal", unit: commandsPerSecond, beside: cpuColumn,
			title:      fmt.Sprintf("%s, %d times, two at a time, with a journal and without one", trueProgram, n),
			contenders: []contender{w.rateOf(w.oursFor(j), j, n), w.rateOf(without, j, n)},
			targets:    []target{{against: without.name, bound: 0.97}},
		},
		w.resumeRow(),
	}
}

// resumeRow measures the time until a resumed run starts its first new job, behind very
// many that are done.
func (w *workshop) resumeRow() row {
	done := w.size(1_000_000)
	return row{
		name: "resume", unit: milliseconds, maxRounds: 5,
		title: fmt.Sprintf("from before the start of `tutti resume` until its first new job runs, behind %d that are done", done),
		contenders: []contender{{name: "tutti resume", kind: ours, ready: w.oursReady("true", ":::", "x"), round: func(ctx context.Context) (figure, error) {
			took, err := w.resumed(ctx, done)
			return figure{value: float64(took) / float64(time.Millisecond)}, err
		}}},
		targets: []target{{bound: 1000}},
	}
}

// resumed writes the journal of a run that was cut off with one job left, and goes on
// with it.
func (w *workshop) resumed(ctx context.Context, done int64) (time.Duration, error) {
	path, err := w.tutti()
	if err != nil {
		return 0, err
	}
	fifo := filepath.Join(w.dir, "first-new")
	if err := unix.Mkfifo(fifo, 0o600); err != nil && !errors.Is(err, unix.EEXIST) {
		return 0, err
	}
	const tee = "/usr/bin/tee"
	list := filepath.Join(w.dir, "many-done")
	var lines []byte
	for i := range done {
		lines = append(strconv.AppendInt(lines, i, 10), '\n')
	}
	if err := os.WriteFile(list, append(lines, fifo+"\n"...), 0o600); err != nil {
		return 0, err
	}
	folder, err := journal.RunsFolder(os.Getenv)
	if err != nil {
		return 0, err
	}
	args := []string{"-j2", tee + " {}", "::::", list}
	out, id, _, err := journal.RunsIn(folder).Begin(journal.Run{Program: "tutti map", Words: args, Args: args, Folder: w.dir, Begin: time.Now()})
	if err != nil {
		return 0, err
	}
	what := journal.NewIdentity(w.dir, nil)
	for i := range done {
		command := tee + " " + strconv.FormatInt(i, 10)
		out.Jobs(journal.Job{Entry: journal.Entry{Seq: i + 1, Start: time.Now(), Command: command}, Key: what.Key(i+1, "", command), Attempt: 1})
	}
	if err := out.Close(journal.RunEnd{Code: 143, Why: "SIGTERM"}); err != nil {
		return 0, err
	}
	return untilOpened(ctx, program{path: path, args: []string{"resume", strconv.Itoa(id)}, dir: w.dir}, fifo)
}
