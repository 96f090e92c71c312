package journal

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"
)

// What earlier jobs of a template took is in the journals of their runs, and nowhere
// else. So that not all of these need be read there is an index: a file a template with
// the numbers of its runs, a line each. It is written when a run begins and is never
// synced: what it lacks, or has too much of, costs guesses and nothing else. A run is
// read only if its own first line says the same template.
//
//	writer dies before the line   the run is not found by its template
//	within it (a power cut)       that run and the next are not found, or the number is
//	                              another's, who says another template or is one of these
//	cleaning dies                 the old index stands, or the new one: it is renamed

// Bounds of what is looked at for Past.
const (
	pastJobs   = 1 << 16  // jobs
	pastEnough = 1 << 12  // jobs, after which no older run is looked at: 1,000 take 0.4 ms, learning included
	pastRuns   = 16       // journals that are opened: 50 µs each, before the first job begins
	pastBytes  = 16 << 20 // from the ends of journals, in all
	jobBytes   = 100      // a job's line, about
	indexSize  = 1 << 10  // bytes of the end of an index
)

func (s *Runs) historyFolder() string { return filepath.Join(s.folder, "history") }

// index notes that a run has a template. That it cannot is no fault of the run's.
func (s *Runs) index(template string, id int) {
	if !isTemplate(template) {
		return
	}
	path := filepath.Join(s.historyFolder(), template)
	mode := os.O_WRONLY | os.O_APPEND | os.O_CREATE
	f, err := os.OpenFile(path, mode, 0o600)
	if errors.Is(err, fs.ErrNotExist) && os.Mkdir(s.historyFolder(), 0o700) == nil {
		f, err = os.OpenFile(path, mode, 0o600)
	}
	if err != nil {
		return
	}
	defer f.Close()
	_, _ = f.Write(append(strconv.AppendInt(nil, int64(id), 10), '\n'))
}

// isTemplate reports whether a name is a template's, and so may be that of a file.
func isTemplate(name string) bool {
	for _, c := range []byte(name) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return name != ""
}

// PastJob is what is remembered of a job that succeeded.
type PastJob struct {
	Key     Key
	Runtime time.Duration
	Size    int64 // see Job
}

// Past returns the jobs of earlier runs with a template that succeeded, those of the
// oldest run first: of the newest runs, as many as have 4,096 between them, at most
// 65,536, and no more than the last 16 MiB of journals hold. What cannot be read is left out.
func (s *Runs) Past(template string) []PastJob {
	if !isTemplate(template) {
		return nil
	}
	var runs [][]PastJob
	jobs, bytes := 0, int64(pastBytes)
	for _, id := range s.indexed(template) {
		if jobs >= pastEnough || bytes <= 0 {
			break
		}
		some, read := s.pastOf(id, template, bytes)
		some = some[max(0, len(some)-(pastJobs-jobs)):]
		jobs, bytes = jobs+len(some), bytes-read
		runs = append(runs, some)
	}
	slices.Reverse(runs)
	return slices.Concat(runs...)
}

// indexed are the newest runs with a template, the newest first.
func (s *Runs) indexed(template string) (ids []int) {
	f, err := os.Open(filepath.Join(s.historyFolder(), template))
	if err != nil {
		return nil
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return nil
	}
	text, err := io.ReadAll(io.NewSectionReader(f, max(0, info.Size()-indexSize), indexSize))
	if err != nil {
		return nil
	}
	if info.Size() > indexSize { // it may begin within a line
		_, text, _ = bytes.Cut(text, []byte("\n"))
	}
	for line := range bytes.Lines(text) {
		if id, err := strconv.Atoi(string(bytes.TrimSuffix(line, []byte("\n")))); err == nil && id > 0 {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	slices.Reverse(ids)
	return ids[:min(len(ids), pastRuns)]
}

// pastOf reads the jobs at the end of a run's journal, and how many bytes that were.
func (s *Runs) pastOf(id int, template string, most int64) (jobs []PastJob, read int64) {
	f, err := os.Open(s.path(id))
	if err != nil {
		return nil, 0
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, 0
	}
	// Many runs are small, and a run begins only when all of them were read.
	buffer := int(min(info.Size()+1, 64<<10))
	l := lineReader{r: bufio.NewReaderSize(f, buffer)}
	head, err := l.next()
	if err != nil {
		return nil, 0
	}
	var run Run
	kind, payload, ok := parseLine(head)
	if !ok || kind != 'R' || json.Unmarshal(payload, &run) != nil || run.Format != runFormat || run.Template != template {
		return nil, 0
	}
	if from := info.Size() - most; from > l.offset {
		l = lineReader{r: bufio.NewReaderSize(io.NewSectionReader(f, from, math.MaxInt64-from), buffer)}
	}
	jobs = make([]PastJob, 0, min(min(most, info.Size())/jobBytes, pastJobs))
	for {
		line, err := l.next()
		if err != nil { // the end, or a line that nobody wrote
			return jobs, l.offset
		}
		if kind, payload, ok := parseLine(line); ok && kind == 'J' {
			if j, _, ok := parseFacts(payload); ok && j.OK() {
				jobs = append(jobs, PastJob{j.Key, j.Runtime, j.Size})
			}
		}
	}
}

// cleanIndex removes templates that no run had for so long, and has the others name no
// more runs than are looked at.
func (s *Runs) cleanIndex(age time.Duration, now time.Time) error {
	entries, err := os.ReadDir(s.historyFolder())
	if err != nil {
		return nil // there is none
	}
	var faults []error
	for _, e := range entries {
		path := filepath.Join(s.historyFolder(), e.Name())
		info, err := e.Info()
		switch {
		case err != nil:
		case now.Sub(info.ModTime()) > age:
			faults = append(faults, removed(path))
		case isTemplate(e.Name()) && info.Mode().IsRegular() && info.Size() > 8*indexSize:
			faults = append(faults, s.shorten(path, e.Name()))
		}
	}
	return errors.Join(faults...)
}

// shorten writes an index anew. A run that is noted meanwhile is lost to its template.
func (s *Runs) shorten(path, template string) error {
	var text []byte
	for _, id := range slices.Backward(s.indexed(template)) {
		text = append(strconv.AppendInt(text, int64(id), 10), '\n')
	}
	fresh := path + ".new"
	if err := os.WriteFile(fresh, text, 0o600); err != nil {
		return err
	}
	return os.Rename(fresh, path)
}
