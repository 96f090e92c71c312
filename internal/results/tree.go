package results

import (
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// tree keeps the files of each job by themselves.
type tree struct {
	options Options
	written written
}

// place is the files of a job.
type place struct {
	folder              string // to be made; "": is there
	stdout, stderr, seq string
}

func (t *tree) place(j *Job) (place, error) {
	path := t.options.Name + "/" + folder(j, t.options.Names, t.options.Columns) + "/"
	if t.options.Template {
		path = j.Path
	}
	if path == "" {
		return place{}, fmt.Errorf("keep results: --results %s names no file for job %d: add {#}, its number, to the name", t.options.Name, j.Seq)
	}
	if strings.HasSuffix(path, "/") {
		return place{path, path + "stdout", path + "stderr", path + "seq"}, nil
	}
	return place{path[:strings.LastIndexByte(path, '/')+1], path, path + ".err", path + ".seq"}, nil
}

func (t *tree) Write(j *Job, stdout, stderr io.WriterTo) (string, error) {
	p, err := t.place(j)
	if err != nil {
		return "", err
	}
	if p.folder != "" {
		if err := os.MkdirAll(p.folder, 0o777); err != nil {
			return "", fault(err)
		}
	}
	t.written.note(j, p)
	// Whoever sees seq may count on the other two: it goes before they change.
	if err := os.Remove(p.seq); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fault(err)
	}
	if err := keep(p.stdout, j, stdout); err != nil {
		return "", err
	}
	if err := keep(p.stderr, j, stderr); err != nil {
		return "", err
	}
	return p.stdout, keep(p.seq, j, strings.NewReader(strconv.FormatInt(j.Seq, 10)))
}

// keep writes one file. What is there is written over in place and not replaced,
// as with GNU parallel: a link stays a link, and a file keeps its owner and mode.
func keep(path string, j *Job, output io.WriterTo) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o666)
	if err != nil {
		return fault(err)
	}
	return fill(f, j, output)
}

// fill writes an output into f and closes it.
func fill(f *os.File, j *Job, output io.WriterTo) error {
	to := &target{to: f, name: f.Name()}
	err := pour(to, to, j, output)
	if closed := f.Close(); err == nil && closed != nil { // network file systems tell of a full disk here
		err = fault(closed)
	}
	return err
}

// Done looks for seq, which is written when all else is, and for the output, which
// users remove to have a job run again.
func (t *tree) Done(j *Job) bool {
	p, err := t.place(j)
	if err != nil {
		return false
	}
	seq, err := os.Stat(p.seq)
	if err != nil || seq.Size() == 0 {
		return false
	}
	_, err = os.Stat(p.stdout)
	return err == nil
}

func (t *tree) Warning() string { return t.written.warning(t.options) }

func (t *tree) Close() error { return nil }

// written remembers the names of this run's files, some 20 bytes a job, to notice
// that jobs share one. A collision of hashes would be a wrong warning, and has a
// chance of 10^-7 in a million of jobs.
type written struct {
	seed  maphash.Seed
	names map[uint64]struct{}
	jobs  int64 // that wrote over others
	first int64 // number of the first of these
	name  string
}

func newWritten() written {
	return written{seed: maphash.MakeSeed(), names: map[uint64]struct{}{}}
}

func (w *written) note(j *Job, p place) {
	names := []string{p.stdout, p.stderr, p.seq}
	if strings.HasSuffix(p.seq, "/seq") && strings.HasSuffix(p.stdout, "/stdout") {
		names = names[:1] // the three come together
	}
	again := false
	for _, name := range names {
		key := maphash.String(w.seed, filepath.Clean(name))
		if _, ok := w.names[key]; ok && !again {
			again = true
			if w.jobs == 0 {
				w.first, w.name = j.Seq, name
			}
			w.jobs++
		}
		w.names[key] = struct{}{}
	}
}

func (w *written) warning(o Options) string {
	if w.jobs == 0 {
		return ""
	}
	who := fmt.Sprintf("job %d wrote", w.first)
	if w.jobs > 1 {
		who = fmt.Sprintf("%d jobs, the first of them job %d, wrote", w.jobs, w.first)
	}
	advice := "put {#}, the job's number, into the name"
	if !o.Template {
		advice = fmt.Sprintf("their values are the same; give each job a folder with --results '%s/{#}/'", o.Name)
	}
	return fmt.Sprintf("%s over the results of an earlier job of this run (%s): %s", who, w.name, advice)
}
