package journal

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

const someTemplate, otherTemplate = "a1", "b2"

// pastRun notes a run with a template whose jobs took so many milliseconds.
func pastRun(t *testing.T, runs *Runs, template string, took ...int) (id int) {
	t.Helper()
	out, id, _, err := runs.Begin(Run{Program: "tutti map", Folder: "/f", Template: template})
	if err != nil {
		t.Fatal(err)
	}
	for i, ms := range took {
		j := ranJob(int64(i+1), "sleep "+strconv.Itoa(i), 0)
		j.Runtime, j.Size = time.Duration(ms)*time.Millisecond, int64(100*ms)
		out.Jobs(j)
	}
	out.Jobs(ranJob(99, "false", 1))
	if err := out.Close(RunEnd{}); err != nil {
		t.Fatal(err)
	}
	return id
}

// times are what Past remembers, in milliseconds.
func times(jobs []PastJob) (all []int) {
	for _, j := range jobs {
		all = append(all, int(j.Runtime.Milliseconds()))
	}
	return all
}

func TestPast(t *testing.T) {
	t.Parallel()
	runs := RunsIn(t.TempDir())
	pastRun(t, runs, someTemplate, 10, 20)
	pastRun(t, runs, otherTemplate, 7)
	gone := pastRun(t, runs, someTemplate, 8)
	pastRun(t, runs, someTemplate, 30)
	if err := os.Remove(runs.path(gone)); err != nil {
		t.Fatal(err)
	}
	got := runs.Past(someTemplate)
	if !slices.Equal(times(got), []int{10, 20, 30}) {
		t.Errorf("%v: the oldest first, without what failed and what is gone", times(got))
	}
	if got[1].Size != 2000 || got[1].Key != where.Key(2, "", "sleep 1") {
		t.Errorf("%+v", got[1])
	}
	for _, template := range []string{"", "c3", "../history", "A1"} {
		if got := runs.Past(template); got != nil {
			t.Errorf("%q: %v", template, got)
		}
	}
}

// Only what lies near the end of a large journal is read, from wherever that begins.
func TestPastOfALargeJournal(t *testing.T) {
	t.Parallel()
	runs := RunsIn(t.TempDir())
	took := make([]int, 50)
	for i := range took {
		took[i] = i
	}
	id := pastRun(t, runs, someTemplate, took...)
	whole, _ := runs.pastOf(id, someTemplate, 1<<20)
	if !slices.Equal(times(whole), took) {
		t.Fatalf("%v", times(whole))
	}
	for most := int64(1); most < 400; most++ {
		some, read := runs.pastOf(id, someTemplate, most)
		if n := len(some); read > most || n > 4 || !slices.Equal(times(some), took[50-n:]) {
			t.Fatalf("the last %d bytes: %v, %d read", most, times(some), read)
		}
	}
}

// Once runs have enough jobs no older one is read, but the last of them is read whole.
func TestPastIsEnough(t *testing.T) {
	t.Parallel()
	runs := RunsIn(t.TempDir())
	pastRun(t, runs, someTemplate, 7)
	pastRun(t, runs, someTemplate, make([]int, pastEnough-1)...)
	pastRun(t, runs, someTemplate, 30)
	if n := len(runs.Past(someTemplate)); n != pastEnough {
		t.Errorf("%d jobs, want %d: those of two runs", n, pastEnough)
	}
	pastRun(t, runs, someTemplate, make([]int, pastEnough-1)...)
	if n := len(runs.Past(someTemplate)); n != pastEnough {
		t.Errorf("%d jobs, want %d: those of a run and the one before it", n, pastEnough)
	}
	pastRun(t, runs, someTemplate, 10, 20)
	if n := len(runs.Past(someTemplate)); n != pastEnough+1 {
		t.Errorf("%d jobs, want %d", n, pastEnough+1)
	}
}

// Whatever stands in an index, or in its place, costs guesses and nothing else.
func TestBrokenIndex(t *testing.T) {
	t.Parallel()
	runs := RunsIn(t.TempDir())
	pastRun(t, runs, someTemplate, 10)
	other := pastRun(t, runs, otherTemplate, 7)
	path := filepath.Join(runs.historyFolder(), someTemplate)
	for _, c := range []struct {
		name, text string
		want       []int
	}{
		{"twice", "1\n1\n", []int{10}},
		{"zeros", strings.Repeat("\x00", 40) + "\n1\n", []int{10}},
		{"no numbers", "x\n-1\n0\n\n99999999999999999999\n1\n", []int{10}},
		{"of another template", strconv.Itoa(other) + "\n1\n", []int{10}},
		{"of no run", "7\n8\n", nil},
		{"nothing", "", nil},
		{"very long", strings.Repeat("5\n", indexSize) + "1\n", []int{10}},
	} {
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := times(runs.Past(someTemplate)); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	if err := os.WriteFile(runs.path(1), bytes.Repeat([]byte{0}, 100), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := runs.Past(someTemplate); got != nil {
		t.Errorf("a journal of zeros: %v", got)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	pastRun(t, runs, someTemplate, 3)
	if got := runs.Past(someTemplate); got != nil {
		t.Errorf("a folder in its place: %v", got)
	}
}

// Journals of before have fewer columns.
func TestOlderJobLine(t *testing.T) {
	t.Parallel()
	key := strings.Repeat("ab", 16)
	j, ok := parseJob([]byte(key + "\t+\t7\t1\t0\t0\t1000000000000\t250\t9\t120\t\techo a"))
	if !ok || j.CPU != 120*time.Millisecond || j.Memory != 0 || j.Size != 0 || j.Guess >= 0 || j.Command != "echo a" {
		t.Errorf("%v %+v", ok, j)
	}
	none := ranJob(1, "a", 0)
	none.Guess = -1
	_, payload, _ := parseLine(bytes.TrimSuffix(none.appendTo(nil), []byte("\n")))
	if j, ok := parseJob(payload); !ok || j.Guess >= 0 {
		t.Errorf("one that nobody guessed: %v %+v", ok, j)
	}
	for _, used := range []string{"", "x", "1,", "1,2,x"} {
		if j, ok := parseJob([]byte(key + "\t+\t7\t1\t0\t0\t1000000000000\t250\t9\t" + used + "\t\techo a")); ok {
			t.Errorf("%q: %+v", used, j)
		}
	}
}

func TestCleanIndex(t *testing.T) {
	t.Parallel()
	runs := RunsIn(t.TempDir())
	id := pastRun(t, runs, someTemplate, 10)
	pastRun(t, runs, otherTemplate, 7)
	now := time.UnixMilli(1e12)
	long, old := filepath.Join(runs.historyFolder(), someTemplate), filepath.Join(runs.historyFolder(), otherTemplate)
	if err := os.WriteFile(long, []byte(strings.Repeat("9999\n", 8*indexSize)+strconv.Itoa(id)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, age := range map[string]time.Duration{long: time.Hour, old: 31 * 24 * time.Hour} {
		if err := os.Chtimes(path, now.Add(-age), now.Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	if err := runs.cleanIndex(DefaultBounds.Age, now); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(old); !os.IsNotExist(err) {
		t.Errorf("a template that no run had for a month: %v", err)
	}
	if text, err := os.ReadFile(long); string(text) != strconv.Itoa(id)+"\n9999\n" || err != nil {
		t.Errorf("%q %v", text, err)
	}
	if got := times(runs.Past(someTemplate)); !slices.Equal(got, []int{10}) {
		t.Errorf("%v", got)
	}
}
