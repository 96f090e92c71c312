package cli

import (
	"os"
	"path/filepath"
	"testing"
)

// Where inputs name no files, few of those that follow are looked at, until one names one
// again.
func TestSizesOfInputs(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "seven")
	if err := os.WriteFile(file, []byte("7 bytes"), 0o600); err != nil {
		t.Fatal(err)
	}
	named, other := &job{args: []string{file}}, &job{args: []string{"no such file"}}
	sum := func(s *sizes, j *job, jobs int) (all int64) {
		for range jobs {
			all += s.of(j)
		}
		return all
	}
	for _, each := range []bool{false, true} {
		s := &sizes{each: each}
		if got := sum(s, other, barrenMost-1) + sum(s, named, 10); got != 70 {
			t.Errorf("ten files have %d bytes", got)
		}
		if got := sum(s, other, barrenMost+1); got != 0 {
			t.Errorf("no files have %d bytes", got)
		}
		got, want := sum(s, named, barrenLooked), int64(7) // the one that is looked at
		if each {
			want = 7 * barrenLooked
		}
		if got != want {
			t.Errorf("each %v: %d files have %d bytes, want %d", each, barrenLooked, got, want)
		}
		if got := sum(s, named, 10); got != 70 {
			t.Errorf("ten more files have %d bytes", got)
		}
	}
	if got := sum(&sizes{}, &job{dir: filepath.Dir(file), args: []string{"seven", "", "."}}, 1); got != 7 {
		t.Errorf("a file of the job's folder has %d bytes", got)
	}
}
