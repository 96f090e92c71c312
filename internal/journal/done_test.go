package journal

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// job is an entry, or what is asked for: "seq command exit".
type job struct {
	seq     int64
	command string
	exit    int
}

func jobs(text string) []job {
	var out []job
	for f := range strings.FieldsSeq(text) {
		var j job
		parts := strings.Split(f, "/")
		fmt.Sscan(parts[0], &j.seq)
		j.command = parts[1]
		if len(parts) > 2 {
			fmt.Sscan(parts[2], &j.exit)
		}
		out = append(out, j)
	}
	return out
}

func TestDone(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		log    string // seq/command/exit
		asked  string // seq/command
		plain  string // one letter a job asked for: d(one) or r(un)
		failed string // with RetryFailed
		left   int    // in the plain case
	}{
		{"nothing ran", "", "1/a 2/b", "rr", "rr", 0},
		{"same inputs", "2/b 1/a", "1/a 2/b 3/c", "ddr", "ddr", 0},
		{"reordered", "1/a 2/b", "1/b 2/c 3/a", "drd", "drd", 0},
		{"changed", "1/a 2/b", "1/x 2/b", "rd", "rd", 1},
		{"equal commands are counted", "1/a 3/a", "1/a 2/a 3/a 4/b", "ddrr", "ddrr", 0},
		{"failed", "1/a/1 2/b", "1/a 2/b", "dd", "rd", 0},
		{"killed", "1/a/-9", "1/a", "d", "r", 0},
		{"failed, then retried", "1/a/1 1/a", "1/a 2/a", "dr", "dr", 0},
		{"failed twice", "1/a/1 1/a/2", "1/a 2/a", "dr", "rr", 0},
		{"succeeded, then failed", "1/a 2/b 1/a/1", "1/a 2/b 3/a", "ddr", "rdr", 0},
		{"two equal ones failed", "1/a/1 2/a/1", "1/a 2/a 3/a", "ddr", "rrr", 0},
		{"the number is part of the task", "1/PARALLEL_SEQ 3/PARALLEL_SEQ", "1/PARALLEL_SEQ 2/PARALLEL_SEQ 3/PARALLEL_SEQ", "drd", "drd", 0},
	} {
		for _, retry := range []bool{false, true} {
			var c collector
			for _, j := range jobs(tt.log) {
				e := Entry{Seq: j.seq, Command: j.command, Exit: max(j.exit, 0), Signal: max(-j.exit, 0)}
				c.add(e)
			}
			d := c.done(Options{RetryFailed: retry})
			want := map[bool]string{false: tt.plain, true: tt.failed}[retry]
			var got strings.Builder
			for _, j := range jobs(tt.asked) {
				got.WriteString(map[bool]string{true: "d", false: "r"}[d.Has(j.seq, j.command)])
			}
			if got.String() != want {
				t.Errorf("%s, retry %v: %s, want %s", tt.name, retry, &got, want)
			}
			if !retry && d.Len() != tt.left {
				t.Errorf("%s: %d left, want %d", tt.name, d.Len(), tt.left)
			}
		}
	}
	var none *Done
	if none.Has(1, "a") || none.Len() != 0 {
		t.Error("a nil Done has something")
	}
}

// TestDoneAgainstMap compares many commands with a map of strings: in about the order of
// the log, with some that are far from their place, some that are not in it, and some twice.
func TestDoneAgainstMap(t *testing.T) {
	t.Parallel()
	for seed := range uint64(50) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		var c collector
		want := map[string]int{}
		var log []string
		for i := range int64(500) {
			log = append(log, fmt.Sprint("cmd ", i-rnd.Int64N(2)))
			c.add(Entry{Seq: i + 1, Command: log[i]})
			want[log[i]]++
		}
		asked := slices.Clone(log)
		for i := range asked { // as jobs end that run beside each other
			j := min(i+rnd.IntN(3), len(asked)-1)
			asked[i], asked[j] = asked[j], asked[i]
		}
		far := rnd.IntN(2) * rnd.IntN(400)
		asked = slices.Insert(asked, far, fmt.Sprint("cmd ", far+90), "none of them", log[far])
		d := c.done(Options{})
		for i, command := range asked {
			if got := d.Has(int64(i)+1, command); got != (want[command] > 0) {
				t.Fatalf("seed %d: job %d %q: %v, %d are left", seed, i, command, got, want[command])
			}
			want[command]--
		}
		if d.Len() != 0 {
			t.Errorf("seed %d: %d are left", seed, d.Len())
		}
	}
}

// TestDoneStaysNear has inputs in the order of the log but for neighbours: no table is made.
func TestDoneStaysNear(t *testing.T) {
	t.Parallel()
	var c collector
	for i := range int64(1000) {
		c.add(Entry{Seq: i ^ 7, Command: fmt.Sprint(i ^ 7)})
	}
	d := c.done(Options{})
	for i := range int64(1000) {
		if !d.Has(i, fmt.Sprint(i)) {
			t.Fatalf("job %d is not done", i)
		}
	}
	if d.counts != nil || d.Len() != 0 {
		t.Errorf("a table was made, or something is left: %d", d.Len())
	}
}
