package command

import (
	"errors"
	"fmt"
	"iter"
	"slices"
)

// HeldBytesMax bounds what a run's values take in memory: of all sources but the
// first, which are read once and used again, or, with Shuffle, of all records
// before they go to a file.
const HeldBytesMax = 256 << 20

// heldBytes is what a held value takes besides its own bytes: its string header
// and its place among the others of its source.
const heldBytes = 16

// Reader gives the jobs of a run. It is used by one goroutine and once.
type Reader struct {
	spec    InputSpec
	sources []*values
	columns *columns
	names   []string
	spool   *spool // with Shuffle, once all is read
}

// Open opens all sources, so that a wrong name is known at once, and reads the
// headers. The Reader must be closed, whatever was read of it.
//
// The rules are GNU parallel's: an empty line is a job with an empty value, a
// last line without newline counts, and a source without values beside others
// counts as one empty value. Jobs are every combination of one value from each
// source, the last source changing fastest; sources that are linked count as
// one. The first source is read as it is needed and forgotten, so that one
// source takes no memory however long it is.
//
// It differs from GNU parallel in these, where GNU runs something else than was
// written, or breaks off:
//
//   - a value behind ::: stays whole whatever newlines it has (-d does cut it);
//   - an empty source among linked ones counts as one empty value;
//   - a column that the header gives no name has none (GNU takes {} for it), the
//     columns behind it keep their places, and names are trimmed as values are;
//   - with --csv a header may have quotes;
//   - -d '\\' is one backslash, as C and printf have it, \x2c works, and an empty
//     delimiter is an error;
//   - -E 0 is heeded;
//   - -C is RE2: what Perl has beyond it is an error.
func Open(spec InputSpec) (*Reader, error) {
	r := &Reader{spec: spec}
	if err := r.open(); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

func (r *Reader) open() error {
	var err error
	if r.columns, err = newColumns(r.spec); err != nil {
		return err
	}
	if err := r.openSources(); err != nil {
		return err
	}
	return r.readHeaders()
}

func (r *Reader) openSources() error {
	stdin := false
	spec := r.spec
	for i, s := range r.spec.sources() {
		spec.SkipFirst = r.spec.SkipFirst && i == 0
		if s.Kind == File && s.File == "-" {
			if stdin {
				return errors.New("standard input can be only one input source; write it into a file and name that twice")
			}
			stdin = true
		}
		v, err := openValues(spec, s)
		if err != nil {
			return fmt.Errorf("open input: %w", err)
		}
		r.sources = append(r.sources, v)
		if err := v.skipFirst(); err != nil {
			return err
		}
	}
	return nil
}

// readHeaders takes the names of the columns from the first value of each
// source, as it stands there: -E, -r and -L begin behind it.
func (r *Reader) readHeaders() error {
	if r.spec.Header == "0" {
		for _, s := range r.spec.sources() {
			r.names = append(r.names, s.File)
		}
	}
	if !r.spec.hasHeaderLine() {
		return nil
	}
	for _, s := range r.sources {
		v, _, err := s.record()
		if err != nil {
			return err
		}
		names, err := r.columns.cut(v)
		if err != nil {
			return fmt.Errorf("%s: %w", s.place(), err)
		}
		r.names = append(r.names, names...)
	}
	return nil
}

// Names gives the names of the columns as the header has them, {1}'s first; nil
// without a header. A name may be empty, where a column has none.
func (r *Reader) Names() []string { return r.names }

// Close closes what is open. It may be called more than once.
func (r *Reader) Close() error {
	var errs []error
	for _, s := range r.sources {
		errs = append(errs, s.close())
	}
	if r.spool != nil {
		errs = append(errs, r.spool.close())
		r.spool = nil
	}
	return errors.Join(errs...)
}

// Jobs gives the jobs. An error ends the sequence and is its last pair.
//
// fits tells whether a command line with these values is short enough, for it
// and for every job with fewer records; where it is not, a job gets fewer, and a
// record that alone is too long is an error. With nil any number fits, but for
// Batch: there the values together stay below ArgBytesMax.
func (r *Reader) Jobs(fits func(Job) bool) iter.Seq2[Job, error] {
	return func(yield func(Job, error) bool) {
		records, err := r.records()
		if err != nil {
			yield(Job{}, err)
			return
		}
		b := newBatcher(r.spec, records, fits)
		for {
			job, ok, err := b.next()
			if err != nil {
				yield(Job{}, err)
				return
			}
			if !ok || !yield(job, nil) {
				return
			}
		}
	}
}

// records gives a function that gives one record after the other, nil at the
// end. A record is made anew each time and is the caller's.
func (r *Reader) records() (func() ([]string, error), error) {
	combine := newCombiner(r.spec, r.sources)
	next := func() ([]string, error) {
		record, err := combine()
		if err != nil || record == nil {
			return nil, err
		}
		return r.columns.split(record)
	}
	if !r.spec.Shuffle {
		return next, nil
	}
	if r.spool != nil {
		return nil, errors.New("shuffle inputs: they were read already; open them again")
	}
	r.spool = newSpool(r.spec.TempDir, HeldBytesMax)
	if err := r.spool.fill(next); err != nil {
		return nil, err
	}
	return r.spool.shuffled(r.spec.Seed), nil
}

// Inputs gives the jobs of a run, see Open and Jobs, and closes the sources.
func Inputs(spec InputSpec) iter.Seq2[Job, error] {
	return func(yield func(Job, error) bool) {
		r, err := Open(spec)
		if err != nil {
			yield(Job{}, err)
			return
		}
		defer r.Close()
		r.Jobs(nil)(yield)
	}
}

// Count tells how many jobs there are, where that is known from the command line
// alone and does not depend on what fits into one.
func (spec InputSpec) Count() (n int64, ok bool) {
	isFile := func(s SourceSpec) bool { return s.Kind != Args }
	if len(spec.Sources) == 0 || slices.ContainsFunc(spec.Sources, isFile) || spec.perJob() == 0 || spec.Batch == Spread {
		return 0, false
	}
	r, err := Open(spec)
	if err != nil {
		return 0, false
	}
	defer r.Close()
	var counts []int64
	for _, s := range r.sources {
		n := int64(0)
		for {
			_, more, err := s.next()
			if err != nil {
				return 0, false
			}
			if !more {
				break
			}
			n++
		}
		counts = append(counts, n)
	}
	records, ok := countRecords(spec, counts)
	per := int64(spec.perJob())
	return (records + per - 1) / per, ok
}
