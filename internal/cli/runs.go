package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/tutti-run/tutti/internal/journal"
	"github.com/tutti-run/tutti/internal/progress"
)

// What people do with the journal: see runs, go on with one, run one again.

// runsListed is how many runs are listed where nobody says.
const runsListed = 20

// newRuns makes the command runs.
func newRuns() *cobra.Command {
	var all, asJSON bool
	cmd := &cobra.Command{
		Use:                   "runs [--all] [--json]",
		DisableFlagsInUseLine: true,
		Short:                 "List earlier runs of tutti map and tutti run, the newest first",
		Long: `List earlier runs of tutti map and tutti run, the newest first: whether they are
done, and how many of their jobs failed. Their journals are in $XDG_STATE_HOME/tutti,
or else in ~/.local/state/tutti; those older than 30 days go, and the oldest beyond
1000 runs or 1 GiB in all. Runs within a run's jobs have none, nor have those with
--no-journal.`,
		Example: `  tutti runs
  tutti show 42
  tutti resume 42
  tutti rerun 42 --failed`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			most := runsListed
			if all {
				most = 0
			}
			return listRuns(cmd.OutOrStdout(), most, asJSON)
		},
	}
	cmd.Flags().BoolVarP(&all, "all", "a", false, fmt.Sprintf("all that are there, not only the newest %d", runsListed))
	cmd.Flags().BoolVar(&asJSON, "json", false, "as JSON, a line for each run")
	return cmd
}

// newShow makes the command show.
func newShow() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:                   "show [--json] [RUN]",
		DisableFlagsInUseLine: true,
		Short:                 "Show an earlier run: its command, how it ended, what stood out, what failed",
		Long: `Show an earlier run, or the newest: its command, how it ended, how good the guesses
of its times were, the slowest jobs, those that took the most memory, and those that
failed. With --json every job is shown, a line for each after one for the run.`,
		Args:              oneRun,
		ValidArgsFunction: completeRuns,
		RunE: func(cmd *cobra.Command, args []string) error {
			runs, rec, err := findRun(args, wholeRun)
			if err != nil {
				return err
			}
			if asJSON {
				return showJSON(cmd.OutOrStdout(), runs, rec)
			}
			return showRun(cmd.OutOrStdout(), runs, rec)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "as JSON: the run, then its jobs, a line each")
	return cmd
}

// listRuns prints the newest runs; most 0: all.
func listRuns(w io.Writer, most int, asJSON bool) error {
	runs, err := ownRuns()
	if err != nil {
		return err
	}
	newest, err := runs.Newest()
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if !asJSON {
		fmt.Fprintln(table, "RUN\tBEGAN\tSTATE\tJOBS\tCOMMAND")
	}
	n := 0
	for rec, err := range newest {
		switch {
		case err != nil:
			complain("%v; remove the file if nobody needs it", err)
			continue
		case asJSON:
			if err := printJSON(w, factsOf(runs, rec)); err != nil {
				return err
			}
		default:
			fmt.Fprintf(table, "%d\t%s\t%s\t%s\t%s\n", rec.ID, when(rec.Latest), stateOf(runs, rec), jobsText(rec), clipped(lineOf(&rec.Run)))
		}
		if n++; n == most {
			break
		}
	}
	if n == 0 && !asJSON {
		complain("no run of tutti map or tutti run is known yet")
		return nil
	}
	return table.Flush()
}

// when is a time as people want it in a table.
func when(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05") }

// lineMost bounds a command in a table.
const lineMost = 80

func clipped(line string) string {
	if r := []rune(line); len(r) > lineMost {
		line = string(r[:lineMost-1]) + "…"
	}
	return progress.Clean(line)
}

// stateOf says in a few words how a run stands.
func stateOf(runs *journal.Runs, rec *journal.Record) string {
	if rec.Open {
		if runs.Running(rec.ID) {
			return "running"
		}
		return "cut off"
	}
	end := rec.Ends[len(rec.Ends)-1]
	switch {
	case end.Why != "":
		return "ended by " + end.Why
	case rec.Failed > 0 || end.Code != 0:
		return "failed"
	}
	return "done"
}

// jobsText counts a run's jobs.
func jobsText(rec *journal.Record) string {
	text := strconv.FormatInt(rec.OK+rec.Failed, 10)
	if rec.Total > rec.OK+rec.Failed { // not where some ran again, or are no longer among the inputs
		text += " of " + strconv.FormatInt(rec.Total, 10)
	}
	if rec.Failed > 0 {
		text += fmt.Sprintf(", %d failed", rec.Failed)
	}
	return text
}

// failedShown bounds the failed jobs that show names.
const failedShown = 50

// showRun tells people of a run.
func showRun(w io.Writer, runs *journal.Runs, rec *journal.Record) error {
	d, err := digestOf(runs, rec.ID)
	if err != nil {
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "run\t%d\n", rec.ID)
	fmt.Fprintf(t, "command\t%s\n", progress.Clean(lineOf(&rec.Run)))
	fmt.Fprintf(t, "folder\t%s\n", progress.Clean(rec.Folder))
	fmt.Fprintf(t, "began\t%s\n", when(rec.Begin))
	if rec.Resumed > 0 {
		often := "once"
		if rec.Resumed > 1 {
			often = fmt.Sprintf("%d times, last", rec.Resumed)
		}
		fmt.Fprintf(t, "resumed\t%s %s\n", often, when(rec.Latest))
	}
	if rec.RerunOf > 0 {
		fmt.Fprintf(t, "again\tjobs of run %d\n", rec.RerunOf)
	}
	state := stateOf(runs, rec)
	if n := len(rec.Ends); n > 0 && !rec.Open {
		state += fmt.Sprintf(" %s, exit code %d", when(rec.Ends[n-1].End), rec.Ends[n-1].Code)
	}
	fmt.Fprintf(t, "state\t%s\n", state)
	fmt.Fprintf(t, "jobs\t%s\n", jobsText(rec))
	for _, about := range [][2]string{{"guessed", d.guessed()}, {"ETA", foretold(rec)}} {
		if about[1] != "" {
			fmt.Fprintf(t, "%s\t%s\n", about[0], about[1])
		}
	}
	if rec.Damaged > 0 {
		fmt.Fprintf(t, "damaged\t%d lines of the journal: their jobs count as not run\n", rec.Damaged)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if err := showFailed(w, runs, rec); err != nil {
		return err
	}
	d.print(w)
	if rest := hint(state, rec); rest != "" {
		_, err := fmt.Fprintln(w, rest)
		return err
	}
	return nil
}

// showFailed names the jobs that failed.
func showFailed(w io.Writer, runs *journal.Runs, rec *journal.Record) error {
	if rec.Failed == 0 {
		return nil
	}
	failed, err := runs.Failed(rec.ID)
	if err != nil {
		return err
	}
	shown := 0
	_, err = runs.Read(rec.ID, func(j journal.Job) {
		if !j.OK() && failed.Had(j.Key) {
			if shown++; shown <= failedShown {
				fmt.Fprintf(w, "  job %d, %s: %s\n", j.Seq, howText(&j), progress.Clean(j.Command))
			}
		}
	})
	if err == nil && shown > failedShown {
		_, err = fmt.Fprintf(w, "  and %d more; tutti show --json %d has all\n", shown-failedShown, rec.ID)
	}
	return err
}

func howText(j *journal.Job) string {
	switch {
	case j.How == "timeout":
		return "ended at its --timeout"
	case j.How != "":
		return j.How
	case j.Signal != 0:
		return fmt.Sprintf("signal %d", j.Signal)
	}
	return fmt.Sprintf("exit status %d", j.Exit)
}

// hint says what can be done with a run.
func hint(state string, rec *journal.Record) string {
	left := rec.Total < 0 || rec.OK+rec.Failed < rec.Total
	switch {
	case state == "running":
		return ""
	case left && rec.Stdin != journal.StdinData:
		return fmt.Sprintf("to run the rest: tutti resume %d", rec.ID)
	case rec.Failed > 0 && rec.Stdin != journal.StdinData:
		return fmt.Sprintf("to run the failed ones again: tutti rerun %d --failed", rec.ID)
	}
	return ""
}

// runFacts are what --json tells of a run.
type runFacts struct {
	journal.Run
	State   string           `json:"state"`
	Total   *int64           `json:"total"` // null: not known
	OK      int64            `json:"ok"`
	Failed  int64            `json:"failed"`
	Resumed int              `json:"resumed,omitempty"`
	Damaged int64            `json:"damaged_lines,omitempty"`
	Ends    []journal.RunEnd `json:"ends,omitempty"`
}

func factsOf(runs *journal.Runs, rec *journal.Record) runFacts {
	f := runFacts{Run: rec.Run, State: stateOf(runs, rec), OK: rec.OK, Failed: rec.Failed, Resumed: rec.Resumed, Damaged: rec.Damaged, Ends: rec.Ends}
	if rec.Total >= 0 {
		f.Total = &rec.Total
	}
	return f
}

// jobFacts are what --json tells of a job.
type jobFacts struct {
	Seq     int64     `json:"seq"`
	Attempt int64     `json:"attempt"`
	OK      bool      `json:"ok"`
	Exit    int       `json:"exit"`
	Signal  int       `json:"signal,omitempty"`
	How     string    `json:"how,omitempty"`
	Begin   time.Time `json:"begin"`
	Seconds float64   `json:"seconds"`
	CPU     float64   `json:"cpu_seconds"`
	Memory  int64     `json:"memory_bytes,omitempty"` // left out: not known, as it was little
	Bytes   int64     `json:"output_bytes"`
	Input   int64     `json:"input_bytes,omitempty"`   // of the files that its inputs name
	Guess   *float64  `json:"guess_seconds,omitempty"` // what it was expected to take
	Command string    `json:"command"`
}

func showJSON(w io.Writer, runs *journal.Runs, rec *journal.Record) error {
	d, err := digestOf(runs, rec.ID)
	if err == nil {
		err = printJSON(w, d.facts(factsOf(runs, rec)))
	}
	if err != nil {
		return err
	}
	_, readErr := runs.Read(rec.ID, func(j journal.Job) {
		if err == nil {
			err = printJSON(w, factsOfJob(&j))
		}
	})
	return errors.Join(err, readErr)
}

func factsOfJob(j *journal.Job) jobFacts {
	f := jobFacts{
		Seq: j.Seq, Attempt: j.Attempt, OK: j.OK(), Exit: j.Exit, Signal: j.Signal, How: j.How, Begin: j.Start,
		Seconds: j.Runtime.Seconds(), CPU: j.CPU.Seconds(), Memory: j.Memory, Bytes: j.Receive, Input: j.Size, Command: j.Command,
	}
	if j.Guess >= 0 {
		guess := j.Guess.Seconds()
		f.Guess = &guess
	}
	return f
}

func printJSON(w io.Writer, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = w.Write(append(b, '\n'))
	return err
}

// lineOf is a run's command line, as somebody would type it.
func lineOf(r *journal.Run) string {
	words := []string{r.Program}
	for _, w := range r.Words {
		words = append(words, progress.Quote(w))
	}
	return strings.Join(words, " ")
}

// ownRuns are the journals of whoever runs this.
func ownRuns() (*journal.Runs, error) {
	folder, err := journal.RunsFolder(os.Getenv)
	if err != nil {
		return nil, err
	}
	return journal.RunsIn(folder), nil
}

func oneRun(cmd *cobra.Command, args []string) error {
	if args, _ = splitAtDash(cmd, args); len(args) > 1 {
		return errors.New("one run at a time; tutti runs lists them")
	}
	return nil
}

// completeRuns completes the number of a run.
func completeRuns(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	var found []cobra.Completion
	runs, err := ownRuns()
	if err != nil || len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	newest, err := runs.Newest()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	for rec, err := range newest {
		if err == nil {
			found = append(found, cobra.CompletionWithDesc(strconv.Itoa(rec.ID), clipped(lineOf(&rec.Run))))
		}
		if len(found) == runsListed {
			break
		}
	}
	return found, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
}

// wholeRun reads all that a run's journal says of it, but for its jobs.
func wholeRun(runs *journal.Runs, id int) (*journal.Record, error) { return runs.Read(id, nil) }

// findRun finds the run that a command names, or the newest, and reads it.
func findRun(args []string, read func(*journal.Runs, int) (*journal.Record, error)) (*journal.Runs, *journal.Record, error) {
	runs, err := ownRuns()
	if err != nil {
		return nil, nil, err
	}
	ids, err := runs.IDs()
	switch {
	case err != nil:
		return nil, nil, err
	case len(ids) == 0:
		return nil, nil, errors.New("no run of tutti map or tutti run is known yet")
	}
	id := ids[len(ids)-1]
	if len(args) > 0 {
		if id, err = strconv.Atoi(args[0]); err != nil {
			return nil, nil, fmt.Errorf("%q is not the number of a run; tutti runs lists them", args[0])
		}
	}
	rec, err := read(runs, id)
	if errors.Is(err, journal.ErrNotJournal) {
		return nil, nil, fmt.Errorf("%w; name another run, as tutti runs lists them, or remove the file", err)
	}
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil, fmt.Errorf("there is no run %d; nearest to it: %s; tutti runs lists them", id, nearestRuns(ids, id))
	}
	return runs, rec, err
}

// nearestRuns names up to three runs around a number.
func nearestRuns(ids []int, id int) string {
	from := 0
	for from < len(ids) && ids[from] < id {
		from++
	}
	from = max(0, min(from-1, len(ids)-3))
	var near []string
	for _, n := range ids[from:min(from+3, len(ids))] {
		near = append(near, strconv.Itoa(n))
	}
	return strings.Join(near, ", ")
}
