package results

import (
	"bufio"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"os"
)

// table keeps all jobs in one file, a row for each.
type table struct {
	options Options
	form    format
	file    *os.File // nil: standard output
	regular bool     // the file can be cut
	to      *target
	w       *bufio.Writer
	whole   int64 // where the last whole row of a regular file ends
	columns int   // values in a row; unknown before the header
	headed  bool
	long    int64 // rows with more values
	first   int64 // number of the first of these

	// What earlier runs kept; not changed after openTable.
	seed     maphash.Seed
	kept     map[int64]uint64 // by number, the hash of the values
	keptArgs int              // how many values of a row were looked at
}

func openTable(o Options) (*table, error) {
	t := &table{options: o, form: formatOf(o.Name), seed: maphash.MakeSeed()}
	var to io.Writer = o.Stdout
	if !IsStdout(o.Name) {
		if err := t.open(); err != nil {
			return nil, err
		}
		to = t.file
	}
	t.to = &target{to: to, name: o.Name}
	t.w = bufio.NewWriterSize(t.to, 64<<10)
	return t, nil
}

// open opens the file. Only one that is carried on with is read: a pipe is to end
// when its reader does.
func (t *table) open() error {
	info, err := os.Stat(t.options.Name)
	resume := t.options.Resume && err == nil && info.Mode().IsRegular() && info.Size() > 0
	flags := os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	if resume {
		flags = os.O_RDWR
	}
	f, err := os.OpenFile(t.options.Name, flags, 0o666)
	if err != nil {
		return fault(err)
	}
	t.file = f
	if info, err = f.Stat(); err == nil {
		t.regular = info.Mode().IsRegular()
		if resume {
			err = t.resume()
		}
	}
	if err != nil {
		f.Close()
		return fault(err)
	}
	return nil
}

// resume reads what earlier runs kept, cuts off a row that is not whole, and goes
// to the end.
func (t *table) resume() error {
	t.kept = map[int64]uint64{}
	row := func(seq int64, args []string) { t.kept[seq] = t.hash(args) }
	end, columns, err := t.form.scan(bufio.NewReaderSize(t.file, 64<<10), row)
	if err != nil {
		return fmt.Errorf("carry on with %s: %w", t.options.Name, err)
	}
	t.keptArgs = columns
	if end > 0 && columns != anyColumns {
		t.headed, t.columns = true, columns
	}
	return t.cut(end)
}

// cut ends the file at size.
func (t *table) cut(size int64) error {
	err := t.file.Truncate(size)
	if err == nil {
		_, err = t.file.Seek(size, io.SeekStart)
	}
	t.whole = size
	return err
}

// hash names values, none of which has a NUL. Empty ones at the end are left out:
// a row has as many as the header.
func (t *table) hash(args []string) uint64 {
	for len(args) > 0 && args[len(args)-1] == "" {
		args = args[:len(args)-1]
	}
	var h maphash.Hash
	h.SetSeed(t.seed)
	for _, v := range args {
		_, _ = h.WriteString(v)
		_ = h.WriteByte(0)
	}
	return h.Sum64()
}

// Done reports whether a row has this number and these values.
func (t *table) Done(j *Job) bool {
	hash, ok := t.kept[j.Seq]
	return ok && hash == t.hash(j.Args[:min(len(j.Args), t.keptArgs)])
}

func (t *table) Write(j *Job, stdout, stderr io.WriterTo) (string, error) {
	err := t.row(j, stdout, stderr)
	if err == nil {
		return "", nil
	}
	t.w.Reset(t.to) // what it holds belongs to this row
	if t.regular {
		if cut := t.cut(t.whole); cut != nil {
			return "", errors.Join(err, fmt.Errorf("%s ends within a row: %w", t.options.Name, cut))
		}
	}
	return "", err
}

// row writes a row and hands it to the kernel, so that what the job log says was
// done is in the table.
func (t *table) row(j *Job, stdout, stderr io.WriterTo) error {
	if !t.headed {
		t.headed, t.columns = true, len(j.Args)
		t.form.header(t.w, t.options.Names, t.columns)
	}
	if len(j.Args) > t.columns {
		if t.long == 0 {
			t.first = j.Seq
		}
		t.long++
	}
	t.form.begin(t.w, j, t.columns)
	if err := t.output(j, stdout); err != nil {
		return err
	}
	t.form.between(t.w)
	if err := t.output(j, stderr); err != nil {
		return err
	}
	t.form.end(t.w)
	if err := t.w.Flush(); err != nil {
		return fault(t.to.err)
	}
	if t.regular {
		end, err := t.file.Seek(0, io.SeekCurrent)
		if err != nil {
			return fault(err)
		}
		t.whole = end
	}
	return nil
}

func (t *table) output(j *Job, output io.WriterTo) error {
	f := t.form.field(t.w)
	if err := pour(f, t.to, j, output); err != nil {
		return err
	}
	f.close()
	return nil
}

func (t *table) Warning() string {
	if _, ok := t.form.(separated); !ok || t.long == 0 {
		return ""
	}
	who := fmt.Sprintf("job %d has", t.first)
	if t.long > 1 {
		who = fmt.Sprintf("%d jobs, the first of them job %d, have", t.long, t.first)
	}
	return fmt.Sprintf("%s more values than %s has columns for, so that the rest of the row stands too far to the right: write a .json file instead", who, t.options.Name)
}

func (t *table) Close() error {
	if t.file == nil {
		return nil
	}
	if err := t.file.Close(); err != nil {
		return fault(err)
	}
	return nil
}
