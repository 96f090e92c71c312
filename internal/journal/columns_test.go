package journal

import (
	"strings"
	"testing"
	"time"
)

// A job's line counts only if each of its columns is there and is what it should be.
func TestColumnsOfAJob(t *testing.T) {
	t.Parallel()
	key := strings.Repeat("0a", 16)
	good := []string{key, "-", "7", "2", "3", "9", "1000", "-5", "12", "4,6,100,-1", "lost", "a\tb\x00c"}
	j, ok := parseJob([]byte(strings.Join(good, "\t")))
	if !ok || j.Seq != 7 || j.Attempt != 2 || j.Exit != 3 || j.Signal != 9 || j.Start.UnixMilli() != 1000 || j.Runtime != -5*time.Millisecond ||
		j.Receive != 12 || j.CPU != 4*time.Millisecond || j.Memory != 6<<10 || j.Size != 100 || j.Guess != -time.Millisecond || j.How != "lost" || j.Command != "a\tb\nc" {
		t.Errorf("%+v, %v", j, ok)
	}
	for n := range len(good) - 1 {
		if _, ok := parseJob([]byte(strings.Join(good[:n], "\t"))); ok {
			t.Errorf("%d columns are taken", n)
		}
	}
	for _, c := range []struct {
		column int
		text   string
		ok     bool
	}{
		{0, key[1:], false}, {0, "x" + key[1:], false},
		{1, "+", true}, {1, "", false}, {1, "--", false},
		{2, "", false}, {2, "-", false}, {2, "7x", false}, {2, "+7", false}, {2, " 7", false},
		{2, strings.Repeat("9", 18), true}, {2, strings.Repeat("9", 19), false},
		{8, "1,2", false},
		{9, "4", true}, {9, "4,6", true}, {9, "4,6,100", true}, // older journals
		{9, "", false}, {9, "4,", false}, {9, "x,6", false}, {9, "4,x", false},
		{10, "", true}, {11, "", true},
	} {
		line := append([]string{}, good...)
		line[c.column] = c.text
		if j, ok := parseJob([]byte(strings.Join(line, "\t"))); ok != c.ok {
			t.Errorf("column %d as %q: %+v, %v", c.column, c.text, j, ok)
		}
	}
	old := append([]string{}, good...)
	old[9] = "4"
	if j, _ := parseJob([]byte(strings.Join(old, "\t"))); j.Memory != 0 || j.Size != 0 || j.Guess >= 0 {
		t.Errorf("of an older journal: %+v", j)
	}
}
