// Command bench measures tutti side by side with its peers, in one run.
//
//	go run ./bench                    # every row, about half an hour
//	go run ./bench -quick             # a tenth of the work, three rounds
//	go run ./bench -rows 'commands'   # the rows whose name matches
//	go run ./bench -md -json out.json # a table for the documentation, and the raw rounds
//	go run ./bench -rows makespan -trace NASA-iPSC-1993-3.1-cln.swf.gz
//
// A row is one measurement: how many no-op tasks a second, how long until the task
// of a killed worker runs again, and so on. Ours, the floor (what the machine
// itself allows) and every peer that is installed take part in it in turn, once a
// round: A B C, then C B A, and so on. The table gives the median of the rounds and their spread,
// and how many times as good as the other ours was, which is the median of the
// ratios taken within each round. Some rows have a second figure beside the first,
// such as the CPU time of a job. A target that is not reached is marked MISSED.
// Who is not installed is named, with how to install it, and left out.
//
// Pools and plugins warm up before their time starts; a tool that starts commands
// is timed as the whole run that its user waits for. All do the same work, the slow
// ones less of it, and have it checked: the sum of the results, or how many
// processes the machine started. Absolute figures are this machine's; ratios travel
// better. Leave the machine alone while it runs.
//
// The exit status is 1 if a contender that is installed gave no figure, and 0
// otherwise: a missed target is a finding and not an error.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"syscall"

	"github.com/tutti-run/tutti"
)

type options struct {
	rows     *regexp.Regexp
	rounds   int
	quick    bool
	json     string
	markdown bool
	trace    string
}

func main() {
	tutti.Main()
	startProcess()
	if err := run(os.Args[1:], os.Stdout, os.Stderr); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	rows := flags.String("rows", "", "measure only the rows whose name matches this `regexp`")
	flags.IntVar(&o.rounds, "rounds", 0, "how often each contender runs (default 5, with -quick 3)")
	flags.BoolVar(&o.quick, "quick", false, "a tenth of the work")
	flags.StringVar(&o.json, "json", "", "write all rounds as JSON to this `file` too")
	flags.StringVar(&o.trace, "trace", "", "take the times of makespan from this `file`, a workload in the standard workload format, with gzip")
	flags.BoolVar(&o.markdown, "md", false, "print Markdown")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if o.rounds == 0 {
		o.rounds = 5
		if o.quick {
			o.rounds = 3
		}
	}
	if o.rounds < 0 {
		return o, fmt.Errorf("-rounds %d: must be positive", o.rounds)
	}
	var err error
	o.rows, err = regexp.Compile(*rows)
	return o, err
}

func run(args []string, stdout, stderr io.Writer) error {
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	shop, err := openWorkshop(o.quick, o.rounds)
	if err != nil {
		return err
	}
	defer shop.close()
	shop.trace = o.trace
	results, err := measureAll(ctx, shop.rows(), o, stdout, stderr)
	if o.json != "" {
		err = errors.Join(err, writeJSON(o.json, results))
	}
	if ctx.Err() != nil {
		err = errors.Join(errors.New("interrupted"), err)
	}
	return err
}

// measureAll measures and prints row by row, so that what is known is on the screen.
func measureAll(ctx context.Context, rows []row, o options, stdout, stderr io.Writer) ([]result, error) {
	write := writeText
	if o.markdown {
		write = writeMarkdown
	}
	if _, err := fmt.Fprintf(stdout, "%s\n\n", describeMachine()); err != nil {
		return nil, err
	}
	var results []result
	failures := 0
	for _, r := range rows {
		if !o.rows.MatchString(r.name) || ctx.Err() != nil {
			continue
		}
		if err := r.validate(); err != nil {
			return results, err
		}
		res := measure(ctx, &r, o.rounds, func(doing string) { fmt.Fprintln(stderr, doing) })
		results = append(results, res)
		if err := write(stdout, res); err != nil {
			return results, err
		}
		for _, l := range res.Lines {
			if l.Failed != "" {
				failures++
			}
		}
	}
	if len(results) == 0 && ctx.Err() == nil {
		return nil, fmt.Errorf("no row matches %q", o.rows)
	}
	if failures > 0 {
		return results, fmt.Errorf("%d contenders failed", failures)
	}
	return results, nil
}

func writeJSON(path string, results []result) error {
	data, err := json.MarshalIndent(struct {
		Machine string   `json:"machine"`
		Results []result `json:"results"`
	}{describeMachine(), results}, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(data, '\n'), 0o644)
}
