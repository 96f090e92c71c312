package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// graphWidth is how many tasks of the graph could run at once.
const graphWidth = 100

// graphLoad compares how long tools take to read tasks that wait for each other, put
// them into an order and print it.
func (w *workshop) graphLoad() row {
	n := w.size(100_000)
	dryRun := func(name string, of kind, ready func(context.Context) (string, error), file string, task func(i int64, after string) string, p func(file string) program) contender {
		return contender{name: name, kind: of, ready: ready, round: func(ctx context.Context) (figure, error) {
			path := filepath.Join(w.dir, file)
			if err := w.writeGraph(path, n, task); err != nil {
				return figure{}, err
			}
			out, took, err := p(path).run(ctx)
			if err != nil {
				return figure{}, err
			}
			if got := int64(strings.Count(string(out), "echo ")); got != n {
				return figure{}, fmt.Errorf("%d of %d commands were printed", got, n)
			}
			return figure{value: float64(took.wall) / float64(time.Millisecond)}, nil
		}}
	}
	return row{
		name: "graph-load", unit: milliseconds,
		title: fmt.Sprintf("from the start of a tool until it has read %d tasks, most of which wait for two others, and printed them in an order in which they could run", n),
		contenders: []contender{
			dryRun("tutti run --dry-run", ours, w.oursReady("true", ":::", "x"), "graph-tasks",
				func(i int64, after string) string {
					if after != "" {
						after = "after: " + strings.ReplaceAll(after, " ", ",")
					}
					return fmt.Sprintf("t%d: %s echo %d\n", i, after, i)
				},
				func(file string) program {
					path, _ := w.tutti() // ready has built it
					return program{path: path, args: []string{"run", "--dry-run", "-j2", file}}
				}),
			dryRun("ninja -n -v", peer, installed("ninja", "", "not installed; apt-get install -y ninja-build"), "graph-ninja",
				func(i int64, after string) string {
					if i == 0 {
						return "rule run\n  command = echo $n\nbuild t0: run\n  n = 0\n"
					}
					return fmt.Sprintf("build t%d: run %s\n  n = %d\n", i, after, i)
				},
				func(file string) program {
					return program{path: "ninja", args: []string{"-n", "-v", "-f", file}, dir: w.dir}
				}),
		},
		targets: []target{{bound: 1000}},
	}
}

// writeGraph writes a file of n tasks, each as task writes it; after are the names of
// those that it waits for, with blanks between.
func (w *workshop) writeGraph(path string, n int64, task func(i int64, after string) string) error {
	var b strings.Builder
	for i := range n {
		after := ""
		if i >= graphWidth {
			after = fmt.Sprintf("t%d t%d", i-graphWidth, i-1-i%7)
		}
		b.WriteString(task(i, after))
	}
	return os.WriteFile(path, []byte(b.String()), 0o666)
}
