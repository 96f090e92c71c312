package journal

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// testRun begins a run in a fresh folder.
func testRun(t *testing.T) (*Runs, *Recorder, int) {
	t.Helper()
	runs := RunsIn(filepath.Join(t.TempDir(), "state", "tutti"))
	out, id, stdin, err := runs.Begin(Run{Program: "tutti map", Words: []string{"echo"}, Folder: "/f", Begin: time.UnixMilli(1e12), PID: 7})
	if err != nil || stdin != nil {
		t.Fatal(err)
	}
	return runs, out, id
}

var where = NewIdentity("/f", nil)

// ranJob is a job that ended.
func ranJob(seq int64, command string, exit int) Job {
	return Job{
		Entry: Entry{Seq: seq, Host: ":", Start: time.UnixMilli(1e12 + seq), Runtime: 5 * time.Millisecond, Receive: 9, Exit: exit, Command: command},
		Key:   where.Key(seq, "", command), Attempt: 1, CPU: 3 * time.Millisecond, Memory: 5 << 20, Size: 77, Guess: 4 * time.Millisecond,
	}
}

// resumed goes on with a run, where a process that another test is about to start may
// have the lock for a moment, from fork to exec.
func resumed(runs *Runs, id int, o Options) (*Recorder, *Done, error) {
	for {
		held, err := runs.Hold(id)
		switch {
		case err == nil:
			return held.Resume(o)
		case !errors.Is(err, ErrInUse):
			return nil, nil, err
		}
		runtime.Gosched()
	}
}

func TestJobLine(t *testing.T) {
	t.Parallel()
	j := ranJob(12, "printf 'a\tb'\nexit 3", 3)
	j.Signal, j.How, j.Attempt = 15, "timeout", 4
	kind, payload, ok := parseLine(bytes.TrimSuffix(j.appendTo(nil), []byte("\n")))
	back, parsed := parseJob(payload)
	if !ok || !parsed || kind != 'J' || !back.Start.Equal(j.Start) {
		t.Fatalf("%c %v %v %+v", kind, ok, parsed, back)
	}
	back.Start = j.Start
	if !reflect.DeepEqual(back, j) {
		t.Errorf("%+v came back as %+v", j, back)
	}
	if k, seq, failed, ok := parseKey(payload); k != j.Key || seq != 12 || !failed || !ok {
		t.Errorf("%x %d %v %v", k, seq, failed, ok)
	}
	line := j.appendTo(nil)
	for i := range len(line) - 1 { // one byte is another
		damaged := bytes.Clone(line[:len(line)-1])
		damaged[i] ^= 1
		if _, _, ok := parseLine(damaged); ok {
			t.Errorf("byte %d of %q", i, damaged)
		}
	}
}

// What a job is: its command, folder and chosen variables.
func TestJobKey(t *testing.T) {
	t.Parallel()
	seen := map[Key]string{}
	for what, k := range map[string]Key{
		"plain":                   where.Key(1, "", "echo a"),
		"another command":         where.Key(1, "", "echo b"),
		"another folder":          NewIdentity("/g", nil).Key(1, "", "echo a"),
		"a folder of its own":     where.Key(1, "x", "echo a"),
		"a variable":              NewIdentity("/f", []string{"A=1"}).Key(1, "", "echo a"),
		"another value":           NewIdentity("/f", []string{"A=2"}).Key(1, "", "echo a"),
		"two variables":           NewIdentity("/f", []string{"A=1", "B=2"}).Key(1, "", "echo a"),
		"one that looks like two": NewIdentity("/f", []string{"A=1B=2"}).Key(1, "", "echo a"),
		"number 1":                where.Key(1, "", "echo $PARALLEL_SEQ"),
		"number 2":                where.Key(2, "", "echo $PARALLEL_SEQ"),
	} {
		if other, ok := seen[k]; ok {
			t.Errorf("%s is taken for %s", what, other)
		}
		seen[k] = what
	}
	if where.Key(1, "", "echo a") != where.Key(9, "", "echo a") {
		t.Error("the number counts where nobody reads it")
	}
}

func TestRunFromBeginToEnd(t *testing.T) {
	t.Parallel()
	runs, out, id := testRun(t)
	if !runs.Running(id) {
		t.Error("it is not locked")
	}
	if _, err := runs.Hold(id); !errors.Is(err, ErrInUse) {
		t.Errorf("resumed while it goes on: %v", err)
	}
	out.Jobs(ranJob(1, "a", 0), ranJob(2, "b", 1))
	out.Total(3)
	out.Jobs(ranJob(3, "c", 0))
	if err := out.Close(RunEnd{End: time.UnixMilli(2e12), Code: 1, Why: "SIGINT"}); err != nil {
		t.Fatal(err)
	}
	var seqs []int64
	rec, err := runs.Read(id, func(j Job) { seqs = append(seqs, j.Seq) })
	if err != nil || !slices.Equal(seqs, []int64{1, 2, 3}) {
		t.Fatal(seqs, err)
	}
	if rec.ID != 1 || rec.Folder != "/f" || rec.Total != 3 || rec.OK != 2 || rec.Failed != 1 || rec.Open || rec.Damaged != 0 ||
		len(rec.Ends) != 1 || rec.Ends[0].Why != "SIGINT" || rec.Ends[0].Code != 1 {
		t.Errorf("%+v", rec)
	}
	for _, retry := range []bool{false, true} {
		out, done, err := resumed(runs, id, Options{RetryFailed: retry})
		if err != nil {
			t.Fatal(err)
		}
		if got := done.Had(where.Key(2, "", "b")); got == retry || !done.Had(where.Key(1, "", "a")) || done.Had(where.Key(1, "", "a")) {
			t.Errorf("retry %v: b is done: %v", retry, got)
		}
		if retry {
			out.Jobs(ranJob(2, "b", 0))
		}
		if err := out.Close(RunEnd{Code: 0}); err != nil {
			t.Fatal(err)
		}
	}
	rec, err = runs.Read(id, nil)
	if err != nil || rec.OK != 3 || rec.Failed != 0 || rec.Resumed != 2 || len(rec.Ends) != 3 {
		t.Errorf("%+v, %v", rec, err)
	}
	if failed, err := runs.Failed(id); failed.Len() != 0 || err != nil {
		t.Errorf("%d failed, %v", failed.Len(), err)
	}
}

// Runs that begin at once have numbers of their own.
func TestRunsAtOnce(t *testing.T) {
	t.Parallel()
	runs := RunsIn(t.TempDir())
	ids := make(chan int)
	for range 20 {
		go func() {
			out, id, _, err := runs.Begin(Run{})
			if err != nil || out.Close(RunEnd{}) != nil {
				id = 0
			}
			ids <- id
		}()
	}
	seen := map[int]bool{}
	for range 20 {
		id := <-ids
		if id == 0 || seen[id] {
			t.Errorf("run %d", id)
		}
		seen[id] = true
	}
}

// Wherever a journal ends, or is damaged, what is whole counts, and nothing else; a run
// can go on behind it.
func TestCutAndDamagedJournals(t *testing.T) {
	t.Parallel()
	runs, out, id := testRun(t)
	for i := range int64(9) {
		out.Jobs(ranJob(i+1, fmt.Sprint("job ", i), 0))
	}
	if err := out.Close(RunEnd{}); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(runs.path(id))
	if err != nil {
		t.Fatal(err)
	}
	first := bytes.IndexByte(whole, '\n') + 1
	for cut := range len(whole) + 1 {
		if err := os.WriteFile(runs.path(id), whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		rec, err := runs.Read(id, nil)
		if cut < first {
			if !errors.Is(err, ErrNotJournal) {
				t.Fatalf("cut at %d: %v", cut, err)
			}
			continue
		}
		jobs := int64(bytes.Count(whole[first:cut], []byte(" J\t"))) // at most the last is torn
		if err != nil || rec.OK != jobs && rec.OK != jobs-1 || rec.Damaged != 0 {
			t.Fatalf("cut at %d: %+v, %v", cut, rec, err)
		}
		out, done, err := resumed(runs, id, Options{})
		if err != nil || int64(done.Len()) != rec.OK {
			t.Fatalf("cut at %d: %v, %v", cut, done.Len(), err)
		}
		out.Jobs(ranJob(50, "one more", 0))
		if err := out.Close(RunEnd{}); err != nil {
			t.Fatal(err)
		}
		if again, err := runs.Read(id, nil); err != nil || again.OK != rec.OK+1 || again.Damaged != 0 {
			t.Fatalf("cut at %d and resumed: %+v, %v", cut, again, err)
		}
	}
	zeros := bytes.Clone(whole)
	at := first + bytes.IndexByte(whole[first:], '\n') + 1
	clear(zeros[at : at+20]) // a page that a power cut left empty
	if err := os.WriteFile(runs.path(id), zeros, 0o600); err != nil {
		t.Fatal(err)
	}
	if rec, err := runs.Read(id, nil); err != nil || rec.OK != 8 || rec.Damaged != 1 {
		t.Errorf("%+v, %v", rec, err)
	}
	for _, foreign := range []string{"", "hello\n", strings.Replace(string(whole), `"format":1`, `"format":2`, 1),
		string(appendLine(nil, 'R', []byte(`{"format":99}`))), string(whole[first:])} {
		if err := os.WriteFile(runs.path(id), []byte(foreign), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := runs.Read(id, nil); !errors.Is(err, ErrNotJournal) {
			t.Errorf("%.20q: %v", foreign, err)
		}
		if _, _, err := resumed(runs, id, Options{}); !errors.Is(err, ErrNotJournal) {
			t.Errorf("%.20q resumed: %v", foreign, err)
		}
	}
}

// platter is a file on a disk that forgets what was not synced.
type platter struct {
	*os.File
	safe   chan int64 // how much was written, at each sync
	refuse error      // for writes and syncs
}

func (p *platter) WriteAt(b []byte, at int64) (int, error) {
	if p.refuse != nil {
		n, _ := p.File.WriteAt(b[:len(b)/2], at)
		return n, p.refuse
	}
	return p.File.WriteAt(b, at)
}

func (p *platter) Sync() error {
	if p.refuse != nil {
		return p.refuse
	}
	n, err := p.written()
	if err == nil {
		p.safe <- n
	}
	return err
}

// written is how many bytes of lines there are.
func (p *platter) written() (int64, error) {
	text, err := os.ReadFile(p.Name())
	return int64(bytes.LastIndexByte(text, '\n') + 1), err
}

// What was noted is on the disk a moment later, without anybody asking, and all of it at
// the end.
func TestWhatIsNotedIsSynced(t *testing.T) {
	t.Parallel()
	f, err := os.OpenFile(filepath.Join(t.TempDir(), "1.run"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	disk := &platter{File: f, safe: make(chan int64, 1000)}
	out := newRecorder(disk, 0)
	size := func() int64 {
		n, err := disk.written()
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	for i := range int64(20) {
		out.Jobs(ranJob(i+1, strings.Repeat("x", rand.IntN(100)), 0))
		if written := size(); i%5 == 0 {
			for safe := range disk.safe {
				if safe >= written {
					break
				}
			}
		}
	}
	out.json('E', RunEnd{})
	last := size()
	if err := out.Close(RunEnd{}); err != nil {
		t.Fatal(err)
	}
	close(disk.safe)
	safe := int64(0)
	for safe = range disk.safe {
	}
	if safe <= last {
		t.Errorf("%d bytes were safe at the end, and more had been written: %d", safe, last)
	}
}

// The inputs that are kept are synced when there are more of them, the first time in any
// case, and again when that failed.
func TestInputsAreSyncedWhenTheyGrow(t *testing.T) {
	t.Parallel()
	f, err := os.Create(filepath.Join(t.TempDir(), "1.in"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	disk := &platter{File: f, safe: make(chan int64, 1000)}
	inputs := &growing{file: disk, synced: -1}
	syncs := func(times int, want ...int64) {
		t.Helper()
		for range times {
			if err := inputs.Sync(); err != nil {
				t.Fatal(err)
			}
		}
		for _, size := range want {
			if got := <-disk.safe; got != size {
				t.Errorf("synced at %d bytes, want %d", got, size)
			}
		}
		if len(disk.safe) > 0 {
			t.Errorf("%d syncs too many", len(disk.safe))
		}
	}
	syncs(3, 0)
	if _, err := inputs.Write([]byte("one\n")); err != nil {
		t.Fatal(err)
	}
	syncs(3, 4)
	if _, err := inputs.Write([]byte("two\n")); err != nil {
		t.Fatal(err)
	}
	disk.refuse = os.ErrInvalid
	if err := inputs.Sync(); !errors.Is(err, os.ErrInvalid) {
		t.Errorf("a failure of the disk is %v", err)
	}
	disk.refuse = nil
	syncs(3, 8)
}

// A full disk ends the journal and not the run, is told once, and leaves what stands
// whole.
func TestJournalOnAFullDisk(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "1.run")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	disk := &platter{File: f, safe: make(chan int64, 1000)}
	out := newRecorder(disk, 0)
	out.json('R', Run{Format: runFormat, ID: 1})
	out.Jobs(ranJob(1, "a", 0))
	disk.refuse = os.ErrInvalid
	out.Jobs(ranJob(2, "b", 0))
	disk.refuse = nil
	out.Jobs(ranJob(3, "c", 0)) // what came before it is not there, so it is not either
	if err := out.Fault(); !errors.Is(err, os.ErrInvalid) {
		t.Errorf("told %v", err)
	}
	if err := out.Close(RunEnd{}); err != nil {
		t.Errorf("told again: %v", err)
	}
	rec, err := RunsIn(filepath.Dir(path)).Read(1, nil)
	if err != nil || rec.OK != 1 || rec.Damaged != 0 || !rec.Open {
		t.Errorf("%+v, %v", rec, err)
	}
}

func TestCleanKeepsToItsBounds(t *testing.T) {
	t.Parallel()
	runs := RunsIn(t.TempDir())
	now := time.UnixMilli(1e12)
	write := func(ages ...time.Duration) {
		for i, age := range ages {
			path := runs.path(i + 1)
			if err := errors.Join(os.WriteFile(path, make([]byte, 1000), 0o600), os.WriteFile(runs.StdinPath(i+1), make([]byte, 500), 0o600),
				os.Chtimes(path, now.Add(-age), now.Add(-age))); err != nil {
				t.Fatal(err)
			}
		}
	}
	const day = 24 * time.Hour
	for _, c := range []struct {
		bounds Bounds
		left   []int
	}{
		{Bounds{Age: 30 * day, Runs: 10, Bytes: 1e6}, []int{3, 4, 5}},
		{Bounds{Age: 365 * day, Runs: 2, Bytes: 1e6}, []int{4, 5}},
		{Bounds{Age: 365 * day, Runs: 10, Bytes: 3100}, []int{4, 5}},
		{Bounds{Age: 365 * day, Runs: 10, Bytes: 10}, []int{5}},
	} {
		write(50*day, 40*day, 30*day, 2*day, 0)
		if err := runs.Clean(c.bounds, now); err != nil {
			t.Fatal(err)
		}
		ids, err := runs.IDs()
		if !slices.Equal(ids, c.left) || err != nil {
			t.Errorf("%+v leaves %v, %v", c.bounds, ids, err)
		}
		for id := 1; id <= 5; id++ {
			if _, err := os.Stat(runs.StdinPath(id)); (err == nil) != slices.Contains(c.left, id) {
				t.Errorf("%+v: inputs of run %d: %v", c.bounds, id, err)
			}
		}
	}
	write(50*day, 40*day)
	held, err := os.OpenFile(runs.path(1), os.O_RDWR, 0)
	if err == nil {
		err = lock(held)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	if err := runs.Clean(Bounds{Age: day, Runs: 1}, now); err != nil {
		t.Fatal(err)
	}
	if ids, _ := runs.IDs(); !slices.Equal(ids, []int{1, 5}) { // 5 is the newest
		t.Errorf("beside the run that goes on and the newest: %v", ids)
	}
}

func FuzzJournal(f *testing.F) {
	j := ranJob(1, "a", 0)
	run, err := appendJSON(nil, 'R', Run{Format: runFormat, ID: 1})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(append(run, j.appendTo(nil)...))
	f.Add([]byte("00000000 J\t\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		jobs := 0
		rec, err := readRun(bytes.NewReader(b), &collector{}, func(payload []byte) {
			jobs++
			parseJob(payload)
		})
		if err == nil && (rec.whole > int64(len(b)) || rec.OK+rec.Failed > int64(jobs)) {
			t.Errorf("%+v of %d bytes with %d jobs", rec, len(b), jobs)
		}
	})
}
