// Package results keeps what jobs wrote in files: a folder for each job, or one
// table of all.
//
// It is --results and --files of GNU parallel, with the same names and the same
// bytes in them, but for what GNU loses without a word:
//
//   - The values "." and ".." and names of columns cannot leave the root folder
//     (GNU writes into the folder above), and no two lists of as many values
//     share a folder (with GNU two values that begin with the same 255 bytes do,
//     and so may lists with empty values). A job without values (--pipe, -n0) has
//     a folder named by its number, where GNU writes all into one.
//   - A file seq says that a job's files are whole: it is removed first and
//     written last. GNU writes it first, and takes a file that was begun for a
//     job that is done.
//   - A job that writes over what another job of the same run wrote is told by
//     Warning.
//   - A row of a table with fewer values than the first has empty ones, so that
//     its output stays in its column; one with more is told by Warning.
//   - Bytes that are not UTF-8 keep a JSON table valid: byte XX is \udcXX, as in
//     Python's surrogateescape; GNU writes them as they are.
//   - A table is carried on with by --resume, where GNU begins a new one.
package results

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"syscall"
	"time"
)

// Job is a job that has ended, and what is noted of it.
type Job struct {
	Seq           int64
	Start         time.Time
	Runtime       time.Duration
	Send, Receive int64 // bytes of its input and output, as in the job log
	Exit, Signal  int
	Command       string
	Args          []string // its values, of several records one after the other
	Path          string   // Options.Template: its name with the replacement strings filled in
}

// Store keeps what jobs wrote. It is used by one goroutine, but for Done, which any
// may call at any time.
type Store interface {
	// Write keeps the output of a job and returns the name of the file that its
	// standard output is in; none in a table. Each output is asked for once; nil
	// is an empty one. After an error the run cannot be whole.
	Write(j *Job, stdout, stderr io.WriterTo) (name string, err error)
	// Done reports whether an earlier run has kept this job, of which Seq, Args
	// and Path are looked at. It is to be asked before the job is started, and only
	// with --resume.
	Done(j *Job) bool
	// Warning is a line for the user about what was kept otherwise than one may
	// think, or nothing. It is complete when all jobs have been written.
	Warning() string
	// Close ends it. All of a job is with the kernel when its Write returns.
	Close() error
}

// Options say where results are kept.
type Options struct {
	Name     string    // as given to --results
	Template bool      // Name has replacement strings: Job.Path tells
	Names    []string  // of the columns of a record, with --header; else nil
	Columns  int       // values in a record, 0: as many as a job has
	Resume   bool      // a table that is there is carried on with
	Stdout   io.Writer // for -.csv, -.tsv, -.json
}

// IsTable reports whether results of that name are one table, and not files for
// each job. It decides before replacement strings are looked for.
func IsTable(name string) bool { return formatOf(name) != nil }

// IsStdout reports whether results of that name are a table on standard output,
// where nothing else may be printed then.
func IsStdout(name string) bool {
	return name == "-.csv" || name == "-.tsv" || name == "-.json"
}

// Open makes the store that o describes. A table is created, and an old one
// emptied unless it is carried on with; folders are made when jobs come.
func Open(o Options) (Store, error) {
	switch {
	case o.Name == "":
		return nil, errors.New("--results wants the name of a folder, or of a file that ends in .csv, .tsv or .json")
	case IsTable(o.Name):
		return openTable(o)
	}
	return &tree{options: o, written: newWritten()}, nil
}

// fault tells what to do about an error that names the file.
func fault(err error) error {
	if advice := adviceOn(err); advice != "" {
		return fmt.Errorf("keep results: %w: %s", err, advice)
	}
	return fmt.Errorf("keep results: %w", err)
}

func adviceOn(err error) string {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), errors.Is(err, syscall.EFBIG):
		return "make room there, or name another place"
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return "name a place that you may write to"
	case errors.Is(err, syscall.ENAMETOOLONG):
		return "name the results by the job's number, as in --results 'out/{#}/'"
	case errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.EISDIR), errors.Is(err, fs.ErrExist):
		return "something else has this name: remove it, or name another place"
	case errors.Is(err, fs.ErrNotExist):
		return "make the folder first"
	}
	return ""
}

// target is a file that is written to. It remembers its own error, so that it can
// be told from one of whoever writes into it.
type target struct {
	to   io.Writer
	name string
	err  error
}

func (t *target) Write(p []byte) (int, error) {
	if t.err != nil {
		return 0, t.err
	}
	n, err := t.to.Write(p)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	if err != nil {
		var named *fs.PathError
		if !errors.As(err, &named) {
			err = &fs.PathError{Op: "write", Path: t.name, Err: err}
		}
		t.err = err
	}
	return n, err
}

// pour writes what a job wrote into w, which ends in t.
func pour(w io.Writer, t *target, j *Job, output io.WriterTo) error {
	if output == nil {
		return nil
	}
	_, err := output.WriteTo(w)
	switch {
	case t.err != nil:
		return fault(t.err)
	case err != nil:
		return fmt.Errorf("keep results: read the output of job %d: %w", j.Seq, err)
	}
	return nil
}

// formatOf is the form of a table of that name, nil for a tree.
func formatOf(name string) format {
	lower := strings.ToLower(name)
	switch {
	case strings.HasSuffix(lower, ".csv"):
		return separated{','}
	case strings.HasSuffix(lower, ".tsv"):
		return separated{'\t'}
	case strings.HasSuffix(lower, ".json"):
		return lines{}
	}
	return nil
}
