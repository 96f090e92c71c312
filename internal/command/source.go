package command

import (
	"fmt"
	"io"
	"strings"
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
}

// InputSpec is where the jobs of a run come from.
type InputSpec struct {
	Sources []SourceSpec // in the order of {1}, {2}, …; none: standard input alone
	Null    bool         // values in files end with a NUL and not with a newline (-0)
	Stdin   io.Reader    // what "-" reads; nil is empty
	// Open opens a file; nil is os.Open.
	Open func(name string) (io.ReadCloser, error)
}

// SplitArgs cuts what follows the options into the command and its sources: each
// ::: begins one source, the values up to the next separator; each name behind
// :::: is a source of its own. A ::: with nothing behind it is an empty source,
// so that a glob without matches (nullglob) runs nothing; GNU parallel would read
// standard input. Sources given as -a come before these.
func SplitArgs(argv []string) (command []string, spec []SourceSpec, err error) {
	separator := ""
	files := 0
	for i, arg := range append(argv[:len(argv):len(argv)], ":::") {
		last := i == len(argv)
		if separator == "::::" && (last || isSeparator(arg)) && files == 0 {
			return nil, nil, fmt.Errorf("no file name follows the :::: separator")
		}
		switch {
		case last:
		case arg == ":::+" || arg == "::::+":
			return nil, nil, fmt.Errorf("linked input sources (%s) are not supported", arg)
		case isSeparator(arg):
			separator, files = arg, 0
			if arg == ":::" {
				spec = append(spec, SourceSpec{Kind: Args})
			}
		case separator == ":::":
			s := &spec[len(spec)-1]
			s.Args = append(s.Args, arg)
		case separator == "::::":
			spec = append(spec, SourceSpec{Kind: File, File: arg})
			files++
		default:
			command = append(command, arg)
		}
	}
	return command, spec, nil
}

func isSeparator(arg string) bool {
	return strings.TrimSuffix(arg, "+") == ":::" || strings.TrimSuffix(arg, "+") == "::::"
}
