package command

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// numbers gives n records, and counts how many were asked for.
func numbers(n int, asked *int) func() ([]string, error) {
	return func() ([]string, error) {
		if *asked == n {
			return nil, nil
		}
		*asked++
		return []string{strconv.Itoa(*asked)}, nil
	}
}

// sizes gives how many values each job has.
func sizes(t *testing.T, b *batcher, total int) []int {
	t.Helper()
	var got []int
	at := 0
	for {
		j, ok, err := b.next()
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			break
		}
		got = append(got, len(j.Args))
		if j.Seq != int64(len(got)) {
			t.Errorf("job %d has number %d", len(got), j.Seq)
		}
		for _, v := range j.Args {
			at++
			if v != strconv.Itoa(at) {
				t.Fatalf("value %q where %d should be", v, at)
			}
		}
	}
	if at != total {
		t.Errorf("%d values of %d", at, total)
	}
	return got
}

func TestBatches(t *testing.T) {
	t.Parallel()
	upTo := func(n int) func(Job) bool { return func(j Job) bool { return len(j.Args) <= n } }
	for _, tt := range []struct {
		n    int
		spec InputSpec
		fits func(Job) bool
		want []int
	}{
		{0, InputSpec{}, nil, nil},
		{3, InputSpec{}, nil, []int{1, 1, 1}},
		{5, InputSpec{MaxArgs: 2}, nil, []int{2, 2, 1}},
		{5, InputSpec{MaxLines: 2}, nil, []int{2, 2, 1}},
		{5, InputSpec{MaxLines: 2, MaxArgs: 4}, nil, []int{4, 1}},
		{7, InputSpec{MaxArgs: 5}, upTo(3), []int{3, 3, 1}},
		{7, InputSpec{Batch: Fill}, nil, []int{7}},
		{7, InputSpec{Batch: Fill}, upTo(4), []int{4, 3}},
		{7, InputSpec{Batch: Spread, Jobs: 2}, nil, []int{4, 3}},
		{7, InputSpec{Batch: Spread, Jobs: 3}, nil, []int{3, 3, 1}},
		{7, InputSpec{Batch: Spread, Jobs: 9}, nil, []int{1, 1, 1, 1, 1, 1, 1}},
		{1, InputSpec{Batch: Spread, Jobs: 2}, nil, []int{1}},
		{0, InputSpec{Batch: Spread, Jobs: 2}, nil, nil},
		{21, InputSpec{Batch: Spread, Jobs: 3}, upTo(6), []int{6, 6, 6, 1, 1, 1}},
		{18, InputSpec{Batch: Spread, Jobs: 3}, upTo(6), []int{6, 6, 2, 2, 2}},
		{9, InputSpec{Batch: Spread, Jobs: 2, MaxArgs: 4}, upTo(6), []int{4, 4, 1}},
	} {
		asked := 0
		if got := sizes(t, newBatcher(tt.spec, numbers(tt.n, &asked), tt.fits), tt.n); !slices.Equal(got, tt.want) {
			t.Errorf("%d records, %+v: %v, want %v", tt.n, tt.spec, got, tt.want)
		}
	}
}

// TestBatchesReadOnlyWhatTheyNeed guards work on the first input while the next
// is not there yet, and memory and time where a job takes many.
func TestBatchesReadOnlyWhatTheyNeed(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		spec  InputSpec
		fits  int
		asked int
	}{
		{InputSpec{}, 0, 1}, {InputSpec{}, 10, 1}, {InputSpec{MaxArgs: 3}, 10, 3},
		{InputSpec{Batch: Spread, Jobs: 4}, 1000, 1024}, {InputSpec{Batch: Spread, Jobs: 4}, 1025, 2048},
	} {
		asked, tries := 0, 0
		var fits func(Job) bool
		if tt.fits > 0 {
			fits = func(j Job) bool { tries++; return len(j.Args) <= tt.fits }
		}
		b := newBatcher(tt.spec, numbers(1e6, &asked), fits)
		if _, ok, err := b.next(); !ok || err != nil {
			t.Fatal(ok, err)
		}
		if asked != tt.asked || tries > 22 {
			t.Errorf("%+v: read %d in %d tries, want %d", tt.spec, asked, tries, tt.asked)
		}
	}
}

func TestTooLongRecord(t *testing.T) {
	t.Parallel()
	spec := InputSpec{Sources: []SourceSpec{{Args: []string{"a", "b", strings.Repeat("x", 99), "c"}}}}
	for _, spec.Batch = range []Batch{Single, Spread, Fill} {
		r, err := Open(spec)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for j, e := range r.Jobs(func(j Job) bool { return len(strings.Join(j.Args, "")) < 50 }) {
			if err = e; err == nil {
				got = append(got, j.Args...)
			}
		}
		if fmt.Sprint(got) != "[a b]" || err == nil || !strings.Contains(err.Error(), "xxx...") || !strings.Contains(err.Error(), "too long") {
			t.Errorf("%d: %q, %v", spec.Batch, got, err)
		}
	}
}
