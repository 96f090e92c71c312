package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Runs are the journals of runs in a folder. The file of run 7 is "7.run", and what it
// read from standard input "7.in". The folder history has which runs have which template.
type Runs struct{ folder string }

// RunsFolder is where a user's journals are: $XDG_STATE_HOME/tutti, or in its place
// ~/.local/state/tutti.
func RunsFolder(getenv func(string) string) (string, error) {
	state := getenv("XDG_STATE_HOME")
	if !filepath.IsAbs(state) { // the specification has relative ones ignored
		home := getenv("HOME")
		if !filepath.IsAbs(home) {
			return "", errors.New("there is no place for journals: neither XDG_STATE_HOME nor HOME names a folder")
		}
		state = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(state, "tutti"), nil
}

// RunsIn are the journals in a folder, which need not be there.
func RunsIn(folder string) *Runs { return &Runs{folder} }

func (s *Runs) path(id int) string { return filepath.Join(s.folder, strconv.Itoa(id)+".run") }

// StdinPath is the file with what a run read from standard input.
func (s *Runs) StdinPath(id int) string { return filepath.Join(s.folder, strconv.Itoa(id)+".in") }

// IDs are the runs that are there, by rising number.
func (s *Runs) IDs() ([]int, error) {
	entries, err := os.ReadDir(s.folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var ids []int
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), ".run"); ok {
			if id, err := strconv.Atoi(name); err == nil && id > 0 && strconv.Itoa(id) == name {
				ids = append(ids, id)
			}
		}
	}
	slices.Sort(ids)
	return ids, err
}

// Begin begins the journal of a run, and gives the run a number. Where its inputs are to
// be kept, stdin is the file for them; else nil.
func (s *Runs) Begin(r Run) (rec *Recorder, id int, stdin *os.File, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("begin the journal: %w", err)
		}
	}()
	if err = os.MkdirAll(s.folder, 0o700); err != nil {
		return nil, 0, nil, err
	}
	ids, err := s.IDs()
	if err != nil {
		return nil, 0, nil, err
	}
	if len(ids) > 0 {
		id = ids[len(ids)-1]
	}
	var f *os.File
	for f == nil {
		id++
		f, err = os.OpenFile(s.path(id), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, 0, nil, err
		}
	}
	var sides []side
	if err = lock(f); err == nil && r.Stdin == StdinKept {
		stdin, err = os.OpenFile(s.StdinPath(id), os.O_WRONLY|os.O_APPEND|os.O_CREATE|os.O_TRUNC, 0o600)
		sides = append(sides, &growing{file: stdin, synced: -1})
	}
	var folder *os.File
	if err == nil {
		folder, err = os.Open(s.folder)
		sides = append(sides, &once{File: folder})
	}
	if err != nil {
		_ = f.Close()
		_ = os.Remove(s.path(id))
		return nil, 0, nil, err
	}
	rec = newRecorder(dataFile{f}, 0, sides...)
	r.Format, r.ID = runFormat, id
	rec.json('R', r)
	if err = rec.Fault(); err != nil { // without its first line it is the journal of nothing
		_ = rec.stop()
		_ = errors.Join(removed(s.StdinPath(id)), removed(s.path(id)))
		return nil, 0, nil, err
	}
	s.index(r.Template, id)
	return rec, id, stdin, nil
}

// once is a file that is synced once.
type once struct {
	*os.File
	synced bool
}

// Sync syncs the file the first time.
func (o *once) Sync() error {
	if o.synced {
		return nil
	}
	o.synced = true
	return o.File.Sync()
}

// growing is a file that only grows, and is synced when it has. Else a sync would have
// the disk empty its caches for nothing, a hundred times a second.
type growing struct {
	file
	synced int64 // its size then
}

// Sync syncs the file if it is larger than it was at the last sync.
func (g *growing) Sync() error {
	info, err := g.Stat()
	if err != nil || info.Size() == g.synced {
		return err
	}
	if err = g.file.Sync(); err == nil {
		g.synced = info.Size()
	}
	return err
}

// Read reads the journal of a run. job, if not nil, is called with each job that ended,
// in that order.
func (s *Runs) Read(id int, job func(Job)) (*Record, error) {
	f, err := os.Open(s.path(id))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	line := func(payload []byte) {
		if j, ok := parseJob(payload); ok {
			job(j)
		}
	}
	if job == nil {
		line = nil
	}
	rec, err := readRun(f, &collector{counting: true}, line)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.path(id), err)
	}
	return rec, nil
}

// Failed are the jobs of a run that failed and did not succeed since.
func (s *Runs) Failed(id int) (*Done, error) {
	c := collector{counting: true}
	err := s.collect(id, &c)
	return c.onlyFailed(), err
}

// Succeeded are the jobs of a run that succeeded and did not fail since.
func (s *Runs) Succeeded(id int) (*Done, error) {
	var c collector
	err := s.collect(id, &c)
	return c.done(Options{RetryFailed: true}), err
}

// collect brings the jobs of a run together.
func (s *Runs) collect(id int, to *collector) error {
	f, err := os.Open(s.path(id))
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := readRun(f, to, nil); err != nil {
		return fmt.Errorf("%s: %w", s.path(id), err)
	}
	return nil
}

// Held is the journal of an earlier run that may go on: nobody else goes on with it until
// this process ends.
type Held struct {
	*Record
	file *os.File
	jobs collector
}

// Hold reads the journal of a run and holds it. The error is ErrInUse while the run goes
// on.
func (s *Runs) Hold(id int) (*Held, error) {
	f, err := os.OpenFile(s.path(id), os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	h := &Held{file: f}
	if err = lockPatiently(f); err == nil {
		h.Record, err = readRun(f, &h.jobs, nil)
	}
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("%s: %w", s.path(id), err)
	}
	return h, nil
}

// Resume goes on with the run, and tells what is done of it.
func (h *Held) Resume(o Options) (*Recorder, *Done, error) {
	if err := h.file.Truncate(h.whole); err != nil { // what is torn would spoil the next line
		_ = h.file.Close()
		return nil, nil, err
	}
	out := newRecorder(dataFile{h.file}, h.whole)
	out.json('A', again{time.Now(), os.Getpid()})
	return out, h.jobs.done(o), nil
}

// lockPatiently takes the file for this process also where another only looks, as
// Running does, for which it has the lock for a moment.
func lockPatiently(f *os.File) (err error) {
	const looks, pause = 20, time.Millisecond
	for range looks {
		if err = lock(f); !errors.Is(err, ErrInUse) {
			return err
		}
		time.Sleep(pause)
	}
	return err
}

// Running reports whether a run goes on: its journal is locked.
func (s *Runs) Running(id int) bool {
	f, err := os.OpenFile(s.path(id), os.O_RDWR, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	return errors.Is(lock(f), ErrInUse)
}

// Newest gives runs from the newest on. A journal that cannot be read is an error
// beside its number, and not the end.
func (s *Runs) Newest() (iter.Seq2[*Record, error], error) {
	ids, err := s.IDs()
	if err != nil {
		return nil, err
	}
	return func(yield func(*Record, error) bool) {
		for _, id := range slices.Backward(ids) {
			rec, err := s.Read(id, nil)
			if errors.Is(err, fs.ErrNotExist) {
				continue // cleaned away meanwhile
			}
			if !yield(rec, err) {
				return
			}
		}
	}, nil
}

// Bounds say which journals are kept.
type Bounds struct {
	Age   time.Duration // since the last write
	Runs  int
	Bytes int64 // in all; the newest run stays, however large
}

// DefaultBounds are the bounds that tutti keeps by itself.
var DefaultBounds = Bounds{Age: 30 * 24 * time.Hour, Runs: 1000, Bytes: 1 << 30}

// Clean removes journals beyond the bounds, the oldest first, but none of a run that
// goes on.
func (s *Runs) Clean(b Bounds, now time.Time) error {
	ids, err := s.IDs()
	if err != nil {
		return err
	}
	var sum int64
	for i, id := range slices.Backward(ids) {
		info, err := os.Stat(s.path(id))
		if err != nil {
			continue
		}
		sum += info.Size()
		if in, err := os.Stat(s.StdinPath(id)); err == nil {
			sum += in.Size()
		}
		newer := len(ids) - 1 - i
		if now.Sub(info.ModTime()) <= b.Age && newer < b.Runs && (sum <= b.Bytes || newer == 0) || s.Running(id) {
			continue
		}
		if err := errors.Join(removed(s.StdinPath(id)), removed(s.path(id))); err != nil {
			return err
		}
	}
	return s.cleanIndex(b.Age, now)
}

func removed(path string) error {
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
