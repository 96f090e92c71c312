package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// The output rows: so many jobs, each of which copies a file in the page cache.
const (
	outputJobs   = 64
	outputRounds = 3 // a gibibyte through each of the tools takes long
)

// cpuThroughput is the second figure of rows of throughput. The CPU time is that of
// the tool, its workers and its jobs, by wait4; not that of the reader.
const cpuThroughput = "GiB a CPU second"

// texts are the files that jobs copy. all are of one content under many names, so
// that they fit in any page cache; distinct differ, and are few and small.
type texts struct {
	all, distinct string // folders
	distinctNames inputs
	size, lines   int64    // of each file of all
	want          [][]byte // what the distinct ones hold
}

func (w *workshop) makeTexts() (*texts, error) {
	const distinctFiles, distinctSize = 8, 2 << 20
	t := &texts{all: filepath.Join(w.dir, "all"), distinct: filepath.Join(w.dir, "distinct"), size: w.size(16 << 20)}
	for _, folder := range []string{t.all, t.distinct} {
		if err := os.Mkdir(folder, 0o755); err != nil {
			return nil, err
		}
	}
	text := sampleText(0, int(t.size))
	t.lines = int64(bytes.Count(text, []byte{'\n'}))
	first := filepath.Join(t.all, jobName(0))
	if err := os.WriteFile(first, text, 0o644); err != nil {
		return nil, err
	}
	for i := 1; i < outputJobs; i++ {
		if err := os.Link(first, filepath.Join(t.all, jobName(i))); err != nil {
			return nil, err
		}
	}
	for i := range distinctFiles {
		t.want = append(t.want, sampleText(i, distinctSize))
		if err := os.WriteFile(filepath.Join(t.distinct, jobName(i)), t.want[i], 0o644); err != nil {
			return nil, err
		}
	}
	var err error
	t.distinctNames, err = w.names(distinctFiles)
	return t, err
}

// names is the list of the names of n jobs.
func (w *workshop) names(n int) (inputs, error) {
	lines := make([]string, n)
	for i := range lines {
		lines[i] = jobName(i)
	}
	return w.list(fmt.Sprintf("names-%d", n), lines)
}

// outputRows compare the ways in which output can be put together. All of them are
// held against copying the same files one after the other through the same pipe.
func (w *workshop) outputRows() []row {
	j := jobOn("cat", 2)
	return []row{
		w.outputRow("group", grouped, j, w.oursFor(j), makeFor(j, "-Otarget"), rushFor(j), gnuParallelFor(j)),
		w.outputRow("keep-order", ordered, j, w.oursFor(j, "-k"), rushFor(j, "-k"), gnuParallelFor(j, "-k")),
		w.outputRow("tag", tagged, j, w.oursFor(j, "--tag"), gnuParallelFor(j, "--tag")),
		w.outputRow("line-buffer", wholeLines, j, w.oursFor(j, "--line-buffer"), gnuParallelFor(j, "--line-buffer")),
		w.outputRow("ungroup", mixed, j, w.oursFor(j, "-u"), xargsFor(j), makeFor(j), moreutilsFor(j), gnuParallelFor(j, "-u")),
	}
}

func (w *workshop) outputRow(name string, l layout, j job, tools ...tool) row {
	const bare = "the same cat commands, one after the other"
	r := row{
		name: "output-" + name, unit: gibPerSecond, beside: cpuThroughput, maxRounds: outputRounds,
		title: fmt.Sprintf("%d jobs copy %.1f MiB of lines each into a pipe, two at a time (GNU parallel a quarter of them); counted is what the jobs wrote", outputJobs, float64(w.size(16<<20))/(1<<20)),
		contenders: []contender{
			{name: bare, kind: floor, round: w.outputOf(tool{command: bareCopy}, ordered, j, outputJobs)},
		},
		targets: []target{{against: bare, bound: 0.7}},
	}
	for _, t := range tools {
		jobs := outputJobs
		if strings.HasPrefix(t.name, "GNU parallel") {
			jobs /= 4
		}
		r.contenders = append(r.contenders, contender{name: t.name, kind: t.kind, ready: t.ready, round: w.outputOf(t, l, j, jobs)})
	}
	return r
}

// bareCopy copies the files with nothing in between; outputOf says where.
func bareCopy(in inputs) program {
	return program{path: "/bin/sh", args: append([]string{"-c", `for f; do cat "$f"; done`, "sh"}, in.lines...)}
}

// outputOf measures t over some of the files. Before the first round it has t copy
// the distinct ones, outside of the time, and looks at every byte.
func (w *workshop) outputOf(t tool, l layout, j job, jobs int) func(context.Context) (figure, error) {
	checked := false
	return func(ctx context.Context) (figure, error) {
		files, err := w.texts()
		if err != nil {
			return figure{}, err
		}
		if !checked {
			if err := w.verifyOutput(ctx, t, l, j, files); err != nil {
				return figure{}, err
			}
			checked = true
		}
		in, err := w.names(jobs)
		if err == nil {
			err = w.makefile(in, j)
		}
		if err != nil {
			return figure{}, err
		}
		p := t.command(in)
		p.dir = files.all
		var got int64
		took, err := p.drain(ctx, func(b []byte) { got += int64(len(b)) })
		if err != nil {
			return figure{}, err
		}
		payload := int64(jobs) * files.size
		want := payload
		if l == tagged {
			want += int64(jobs) * files.lines * int64(len(jobName(0)+"\t"))
		}
		if got != want {
			return figure{}, fmt.Errorf("%d bytes came out, want %d", got, want)
		}
		return throughput(payload, took), nil
	}
}

// verifyOutput has t copy the distinct files and looks at what comes out.
func (w *workshop) verifyOutput(ctx context.Context, t tool, l layout, j job, files *texts) error {
	if err := w.makefile(files.distinctNames, j); err != nil {
		return err
	}
	p := t.command(files.distinctNames)
	p.dir = files.distinct
	var got []byte
	if _, err := p.drain(ctx, func(b []byte) { got = append(got, b...) }); err != nil {
		return err
	}
	if err := checkOutput(l, got, files.want); err != nil {
		return fmt.Errorf("its output is wrong: %w", err)
	}
	return nil
}

func throughput(size int64, took spent) figure {
	gib := float64(size) / (1 << 30)
	return figure{value: gib / took.wall.Seconds(), beside: gib / max(took.cpu, time.Microsecond).Seconds()}
}
