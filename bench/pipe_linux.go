package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// lines is a large file of lines.
type lines struct {
	path        string
	size, count int64
}

// pipePieces is how many pieces of 16 MiB the file has; slow tools get the quarter.
const pipePieces = 64

// makeLines makes a file of n pieces, unless it is there.
func (w *workshop) makeLines(n int64) (*lines, error) {
	if l := w.lines[n]; l != nil {
		return l, nil
	}
	const piece = 16 << 20
	text := sampleText(0, piece)
	l := &lines{filepath.Join(w.dir, fmt.Sprintf("lines-%d", n)), n * piece, n * int64(bytes.Count(text, []byte{'\n'}))}
	f, err := os.Create(l.path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	for range n {
		if _, err := f.Write(text); err != nil {
			return nil, err
		}
	}
	w.lines[n] = l
	// Or the disk would be busy with it during the first rounds.
	return l, f.Sync()
}

// pipeRows compare the ways in which a large input is cut into blocks, for each of
// which a job counts the lines.
func (w *workshop) pipeRows() []row {
	var rows []row
	for _, mode := range []string{"--pipe", "--pipe-part"} {
		for _, block := range []string{"1M", "10M"} {
			rows = append(rows, w.pipeRow(mode, block))
		}
	}
	return rows
}

func (w *workshop) pipeRow(mode, block string) row {
	const bare = "cat file | wc -l"
	flags := []string{mode, "--block", block, "-j2"}
	probe := append([]string{}, flags...)
	if mode == "--pipe-part" {
		probe = append(probe, "-a", "/proc/self/exe") // any file with a size
	}
	pieces := w.size(pipePieces)
	return row{
		name: "pipe" + strings.TrimPrefix(mode, "--pipe") + "-" + block, unit: gibPerSecond, beside: cpuThroughput, maxRounds: outputRounds,
		title: fmt.Sprintf("%d MiB of lines in blocks of %s, each to a wc -l, two at a time (GNU parallel a quarter of it); the counts are summed", pieces*16, block),
		contenders: []contender{
			{
				name: named("tutti map", strings.Join(flags, " ")), kind: ours, ready: w.oursReady(append(probe, "wc", "-l")...),
				round: w.countedBy(pieces, func(file string) program {
					path, _ := w.tutti() // ready has built it
					return cutting(path, []string{"map"}, flags, mode, file)
				}),
			},
			{name: bare, kind: floor, round: w.countedBy(pieces, func(file string) program {
				return program{path: "/bin/sh", args: []string{"-c", `cat "$1" | wc -l`, "sh", file}}
			})},
			{
				name: named("GNU parallel", strings.Join(flags, " ")), kind: peer, ready: gnuParallelReady,
				round: w.countedBy(max(pieces/4, 1), func(file string) program { return cutting("parallel", nil, flags, mode, file) }),
			},
		},
	}
}

// cutting is the command line that has tool count the lines of file.
func cutting(tool string, before, flags []string, mode, file string) program {
	args := append(append([]string{}, before...), flags...)
	p := program{path: tool}
	if mode == "--pipe-part" {
		args = append(args, "-a", file)
	} else {
		p.input = file
	}
	p.args = append(args, "wc", "-l")
	return p
}

// countedBy measures how fast the lines of a file of so many pieces are counted; the counts that are printed
// must sum to their number.
func (w *workshop) countedBy(pieces int64, command func(file string) program) func(context.Context) (figure, error) {
	return func(ctx context.Context) (figure, error) {
		l, err := w.makeLines(pieces)
		if err != nil {
			return figure{}, err
		}
		out, took, err := command(l.path).run(ctx)
		if err != nil {
			return figure{}, err
		}
		sum, blocks, err := sumLines(string(out))
		if err == nil && sum != l.count {
			err = fmt.Errorf("counted %d lines of %d", sum, l.count)
		}
		f := throughput(l.size, took)
		if blocks > 1 {
			f.note = fmt.Sprintf("%d blocks", blocks)
		}
		return f, err
	}
}

// sumLines adds up the numbers that stand in text, one a line.
func sumLines(text string) (sum, count int64, err error) {
	scanner := bufio.NewScanner(strings.NewReader(text))
	for scanner.Scan() {
		n, err := strconv.ParseInt(strings.TrimSpace(scanner.Text()), 10, 64)
		if err != nil {
			return 0, 0, err
		}
		sum += n
		count++
	}
	return sum, count, scanner.Err()
}
