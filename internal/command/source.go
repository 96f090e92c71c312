package command

import (
	"fmt"
	"io"
	"os"
	"slices"
)

// Kind tells where an input source's values are.
type Kind int

// The kinds of input source.
const (
	Args Kind = iota // on the command line, behind :::
	File             // in a file, one a line
)

// SourceSpec is one input source.
type SourceSpec struct {
	Kind Kind
	Args []string // the values, of an Args source
	File string   // the name, of a File source; "-" is standard input
	Link bool     // :::+ and ::::+: goes in step with the source before, and both end with the shorter
}

// Batch tells how many records a job takes where no number is given.
type Batch int

// The ways to put records together.
const (
	Single Batch = iota // one record a job
	Spread              // -m, -X: as many as fit; the last of them evenly over the job slots
	Fill                // --xargs: as many as fit
)

// InputSpec is where the jobs of a run come from. Its zero value reads lines
// from standard input, one a job.
type InputSpec struct {
	Sources []SourceSpec // in the order of {1}, {2}, …; none: standard input alone
	Stdin   io.Reader    // what "-" reads; nil is empty
	// Open opens a file; nil is os.Open.
	Open func(name string) (io.ReadCloser, error)
	// Warn is told in a sentence what looks wrong and is none the less done; may be nil.
	Warn func(text string)

	Null      bool   // -0: values in files end with a NUL and not with a newline
	Delimiter string // -d, as ParseDelimiter gives it: ends values instead; splits those behind ::: as well
	EOF       string // -E: a value that is this ends its source
	SkipBlank bool   // -r: values of white space alone, and empty ones, are passed over
	ColSep    string // -C: a regular expression that cuts a value into columns
	SkipFirst bool   // --skip-first-line: of the first source, and before its header
	CSV       bool   // --csv: values are CSV records; ColSep is then the separator itself
	Header    string // --header: the first value of each source names its columns; "0": files' names do
	Trim      string // --trim: n, l, r, lr or rl; empty: lr where ColSep is given, else n
	Link      bool   // --link: all sources in step, the shorter ones again from their start
	Shuffle   bool   // --shuf: records in random order
	Seed      uint64 // what decides that order
	TempDir   string // where Shuffle keeps what is too much for memory; empty: the system's

	MaxArgs  int   // -n, -N: records a job at most; 0: MaxLines, else what Batch says
	NoArgs   bool  // -n0, -N0: a record makes a job, and its values are not given to it
	MaxLines int   // -L, -l: as MaxArgs; and a value that ends in a blank goes on in the next one
	Batch    Batch // -m, -X, --xargs
	Jobs     int   // job slots, for Spread

	lineMax int // for tests; 0: LineBytesMax
}

// sources gives what there is to read.
func (spec InputSpec) sources() []SourceSpec {
	if len(spec.Sources) == 0 {
		return []SourceSpec{{Kind: File, File: "-"}}
	}
	return spec.Sources
}

// terminator is what ends a value in a file.
func (spec InputSpec) terminator() string {
	switch {
	case spec.Delimiter != "":
		return spec.Delimiter
	case spec.Null:
		return "\x00"
	}
	return "\n"
}

// perJob is how many records a job takes at most; 0 is as many as fit.
func (spec InputSpec) perJob() int {
	switch {
	case spec.NoArgs:
		return 1
	case spec.MaxArgs > 0:
		return spec.MaxArgs
	case spec.MaxLines > 0:
		return spec.MaxLines
	case spec.Batch == Single:
		return 1
	}
	return 0
}

// hasHeaderLine tells whether the first value of each source is its header.
func (spec InputSpec) hasHeaderLine() bool { return spec.Header != "" && spec.Header != "0" }

func (spec InputSpec) open(name string) (io.ReadCloser, error) {
	if spec.Open != nil {
		return spec.Open(name)
	}
	return os.Open(name)
}

// SplitOptions are the words that separate a command from its input sources.
type SplitOptions struct {
	ArgSep     string // --arg-sep; empty is :::
	ArgFileSep string // --arg-file-sep; empty is ::::
}

// SplitArgs is SplitArgsWith with the usual separators.
func SplitArgs(argv []string) (command []string, sources []SourceSpec, err error) {
	return SplitArgsWith(argv, SplitOptions{})
}

// SplitArgsWith cuts what follows the options into the command and its sources:
// each ::: begins one source, the values up to the next separator; each name
// behind :::: is a source of its own. With a + behind it a separator links its
// sources each to the one before. A ::: with nothing behind it is an empty
// source, so that a glob without matches (nullglob) runs nothing; GNU parallel
// would read standard input. Sources given as -a come before these.
func SplitArgsWith(argv []string, o SplitOptions) (command []string, sources []SourceSpec, err error) {
	if o.ArgSep == "" {
		o.ArgSep = ":::"
	}
	if o.ArgFileSep == "" {
		o.ArgFileSep = "::::"
	}
	separators := []string{o.ArgSep, o.ArgSep + "+", o.ArgFileSep, o.ArgFileSep + "+"}
	isSeparator := func(arg string) bool { return slices.Contains(separators, arg) }
	rest := slices.IndexFunc(argv, isSeparator)
	if rest < 0 {
		return slices.Clone(argv), nil, nil
	}
	command, argv = slices.Clone(argv[:rest]), argv[rest:]
	for len(argv) > 0 {
		separator, values := argv[0], argv[1:]
		if n := slices.IndexFunc(values, isSeparator); n >= 0 {
			values = values[:n]
		}
		argv = argv[1+len(values):]
		linked := separator == separators[1] || separator == separators[3]
		if separator == separators[0] || separator == separators[1] {
			sources = append(sources, SourceSpec{Kind: Args, Args: slices.Clone(values), Link: linked})
			continue
		}
		if len(values) == 0 {
			return nil, nil, fmt.Errorf("no file name follows the %s separator", separator)
		}
		for _, name := range values {
			sources = append(sources, SourceSpec{Kind: File, File: name, Link: linked})
		}
	}
	return command, sources, nil
}
