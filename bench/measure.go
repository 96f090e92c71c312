package main

import (
	"context"
	"fmt"
	"runtime"
	"time"
)

// roundLimit ends a contender that hangs; the longest honest round takes a tenth
// of it.
const roundLimit = 5 * time.Minute

// line is what became of one contender in a row.
type line struct {
	Contender string    `json:"contender"`
	Kind      kind      `json:"kind"`
	Version   string    `json:"version,omitempty"`
	Rounds    []float64 `json:"rounds,omitempty"`
	summary
	// Beside are the second figures of the rounds, where the row has some.
	Beside       []float64 `json:"beside,omitempty"`
	BesideMedian float64   `json:"besideMedian,omitempty"`
	// Ratio is the median over the rounds of how many times as good ours was; 0
	// where there is nothing to compare.
	Ratio   float64 `json:"ratio,omitempty"`
	Target  string  `json:"target,omitempty"`
	Verdict string  `json:"verdict,omitempty"`
	Note    string  `json:"note,omitempty"`
	Missing string  `json:"missing,omitempty"` // not there, and how to install it
	Failed  string  `json:"failed,omitempty"`  // there, and gave no figure
}

// result is a measured row.
type result struct {
	Row   string `json:"row"`
	Title string `json:"title"`
	Unit  string `json:"unit"`
	// Beside says what the second figures count; "" where there are none.
	Beside string `json:"beside,omitempty"`
	Lines  []line `json:"lines"`
}

// measure runs every contender once a round, in turn, so that a machine that
// slows down does so for all of them; every second round goes the other way round,
// so that nobody always follows the same one. A contender that fails is out for
// good: half of its rounds would not be comparable. tell is told what runs now.
func measure(ctx context.Context, r *row, rounds int, tell func(string)) result {
	res := result{Row: r.name, Title: r.title, Unit: r.unit.name, Beside: r.beside}
	tell(r.name + ": preparing")
	for _, c := range r.contenders {
		l := line{Contender: c.name, Kind: c.kind}
		if c.ready != nil {
			var err error
			if l.Version, err = c.ready(ctx); err != nil {
				l.Missing = err.Error()
			}
		}
		res.Lines = append(res.Lines, l)
	}
	if r.maxRounds > 0 {
		rounds = min(rounds, r.maxRounds)
	}
	for round := range rounds {
		tell(fmt.Sprintf("%s: round %d of %d", r.name, round+1, rounds))
		for turn := range r.contenders {
			i := turn
			if round%2 == 1 {
				i = len(r.contenders) - 1 - turn
			}
			c, l := r.contenders[i], &res.Lines[i]
			if l.Missing != "" || l.Failed != "" || ctx.Err() != nil {
				continue
			}
			runOnce(ctx, c, l)
		}
	}
	judge(r, &res)
	return res
}

func runOnce(ctx context.Context, c contender, l *line) {
	limited, cancel := context.WithTimeout(ctx, roundLimit)
	defer cancel()
	runtime.GC() // the garbage of the contender before is not this one's burden
	f, err := c.round(limited)
	if ctx.Err() != nil {
		return // the bench is being ended: the round is nobody's fault and no figure
	}
	if err != nil {
		l.Failed, l.Rounds, l.Beside, l.Note = err.Error(), nil, nil, ""
		return
	}
	l.Rounds = append(l.Rounds, f.value)
	if f.beside != 0 {
		l.Beside = append(l.Beside, f.beside)
	}
	l.Note = f.note
}

// judge fills in summaries, ratios and verdicts.
func judge(r *row, res *result) {
	var own *line
	for i := range res.Lines {
		l := &res.Lines[i]
		if len(l.Rounds) == 0 {
			continue
		}
		l.summary = summarize(l.Rounds)
		if len(l.Beside) > 0 {
			l.BesideMedian = summarize(l.Beside).Median
		}
		if l.Kind == ours {
			own = l
		}
	}
	if own == nil {
		return
	}
	for i := range res.Lines {
		l := &res.Lines[i]
		if l.Kind == ours {
			continue
		}
		if ratios := paired(own.Rounds, l.Rounds, r.unit.lowerIsBetter); len(ratios) > 0 {
			l.Ratio = summarize(ratios).Median
		}
	}
	for _, t := range r.targets {
		l, value := own, own.Median
		if t.of != "" {
			l = find(res.Lines, t.of)
			value = l.Median
		}
		if t.against != "" {
			l = find(res.Lines, t.against)
			value = l.Ratio
		}
		if value == 0 {
			continue // the other one is missing: no ratio, no verdict
		}
		l.Target, l.Verdict = t.text(r.unit), t.verdict(r.unit, value)
	}
}

func find(lines []line, contender string) *line {
	for i := range lines {
		if lines[i].Contender == contender {
			return &lines[i]
		}
	}
	panic("bench: no line for " + contender) // row.validate has looked
}
