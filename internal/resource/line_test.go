package resource

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the expected part of the traces")

// trace replays what a machine with two resources, a and b, is told: each block of
// testdata/line.txt is commands, "----", and what the line decided.
//
//	have A B               how many there are
//	NAME a=N b=N rank=N    a task is ready
//	end NAME               it gives back what it had
//	start                  as many start as may
type trace struct {
	t       *testing.T
	line    *Line
	free    Units
	rank    []int64
	names   []string
	needs   []Units
	running map[string]int
}

func (r *trace) command(line string) string {
	f := strings.Fields(line)
	switch f[0] {
	case "have":
		r.free = Units{r.number(f[1]), r.number(f[2])}
		return "-"
	case "end":
		r.free.Give(r.needs[r.running[f[1]]])
		delete(r.running, f[1])
		return "-"
	case "start":
		return r.start()
	}
	need, rank := Units{0, 0}, int64(0)
	for _, word := range f[1:] {
		what, n, _ := strings.Cut(word, "=")
		switch what {
		case "a":
			need[0] = r.number(n)
		case "b":
			need[1] = r.number(n)
		case "rank":
			rank = r.number(n)
		}
	}
	task := int32(len(r.names))
	r.names, r.needs, r.rank = append(r.names, f[0]), append(r.needs, need), append(r.rank, rank)
	class := r.line.Class(need)
	r.line.rank = r.rank // grows here only
	for i := range r.line.classes {
		r.line.classes[i].tasks.rank = r.rank
	}
	r.line.Push(class, task)
	return "-"
}

func (r *trace) start() string {
	var started []string
	for {
		i, ok := r.line.Next(r.free)
		if !ok {
			break
		}
		r.free.Take(r.needs[i])
		r.running[r.names[i]] = i
		started = append(started, r.names[i])
	}
	text := strings.Join(started, " ")
	if text == "" {
		text = "none"
	}
	if first := r.line.First(); first != nil {
		text += fmt.Sprintf("; first in line: a=%d b=%d", first[0], first[1])
	}
	return text
}

func (r *trace) number(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		r.t.Fatal(err)
	}
	return n
}

func TestTraces(t *testing.T) {
	t.Parallel()
	const file = "testdata/line.txt"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for block := range strings.SplitSeq(strings.TrimSpace(string(text)), "\n\n") {
		commands, _, _ := strings.Cut(block, "\n----\n")
		r := &trace{t: t, line: NewLine(nil), running: map[string]int{}}
		out := commands + "\n----"
		for line := range strings.SplitSeq(commands, "\n") {
			if !strings.HasPrefix(line, "#") {
				if said := r.command(line); said != "-" {
					out += "\n" + said
				}
			}
		}
		all = append(all, out)
	}
	got := strings.Join(all, "\n\n") + "\n"
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o666); err != nil {
			t.Fatal(err)
		}
	} else if got != string(text) {
		t.Errorf("got\n%s", got)
	}
}

// Whatever tasks need: never more than there is is given, all tasks run, and who has no
// place in the line, or a later one, takes nothing that is set aside for one before it.
func TestNobodyStarves(t *testing.T) {
	t.Parallel()
	for seed := range uint64(400) {
		random := rand.New(rand.NewPCG(seed, 1))
		total := Units{1 + random.Int64N(8), random.Int64N(4), 1 + random.Int64N(3)}
		free := slices.Clone(total)
		n := 1 + random.IntN(60)
		needs, rank := make([]Units, n), make([]int64, n)
		for i := range n {
			needs[i], rank[i] = Units{random.Int64N(total[0] + 1), random.Int64N(total[1] + 1), 0}, random.Int64N(5)
			if random.IntN(4) == 0 {
				needs[i][2] = random.Int64N(total[2] + 1)
			}
		}
		l := NewLine(rank)
		var running []int
		for ready, started := 0, 0; started < n || len(running) > 0; {
			for ready < n && random.IntN(3) > 0 {
				l.Push(l.Class(needs[ready]), int32(ready))
				ready++
			}
			for {
				before, places := slices.Clone(free), slices.Clone(l.classes)
				i, ok := l.Next(free)
				if !ok {
					break
				}
				started++
				free.Take(needs[i])
				running = append(running, i)
				mine := places[l.Class(needs[i])].place
				for _, c := range places {
					for r, need := range c.need {
						if c.place > 0 && (mine == 0 || mine > c.place) && needs[i][r] > 0 && free[r] < min(need, before[r]) {
							t.Fatalf("seed %d: with %v free, %v was given away before the place of %v", seed, before, needs[i], c.need)
						}
					}
				}
			}
			switch {
			case len(running) > 0:
				k := random.IntN(len(running))
				free.Give(needs[running[k]])
				running = slices.Delete(running, k, k+1)
			case ready == n && started < n:
				t.Fatalf("seed %d: nothing runs, and %d tasks wait with %v free of %v", seed, n-started, free, total)
			}
			if i := slices.IndexFunc(free, func(n int64) bool { return n < 0 }); i >= 0 {
				t.Fatalf("seed %d: %v free of %v", seed, free, total)
			}
		}
		if !slices.Equal(free, total) {
			t.Fatalf("seed %d: %v free of %v in the end", seed, free, total)
		}
	}
}

func TestParseRequests(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, want string }{
		{"gpu=1", "[{gpu 1}]"},
		{"license=3, gpu=1", "[{gpu 1} {license 3}]"},
		{"a=0", "[{a 0}]"},
		{"", `"": not a resource and its number; say NAME=N, as in gpu=1 or license=3`},
		{"a=1,", `"": not a resource`},
		{"=1", `"": not the name of a resource; say letters, digits and _, no digit first`},
		{"1a=1", `"1a": not the name`},
		{"a-b=1", `"a-b": not the name`},
		{"cpus=1", "cpus=1: CPUs have their own way to be asked for, as a task may have a part of one; say cpus"},
		{"a=-1", `a: "-1" is not a number of units; say a whole number from 0 to 1024`},
		{"a=1025", `a: "1025" is not a number`},
		{"GPU=2", "[{gpu 2}]"},
		{"a=1,A=2", "a: it is there twice"},
	} {
		got, err := ParseRequests(c.text)
		said := fmt.Sprint(got)
		if err != nil {
			said = err.Error()
		}
		if !strings.HasPrefix(said, c.want) {
			t.Errorf("%q: %s; want %s", c.text, said, c.want)
		}
	}
}

func TestParseCPUs(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{"1": 1000, "0.5": 500, "2.25": 2250, "1024": 1024000, ".001": 1,
		"0": 0, "-1": 0, "": 0, "x": 0, "NaN": 0, "Inf": 0, "1e3": 0, "0x10": 0, "0.0001": 0, "1025": 0} {
		got, err := ParseCPUs(text)
		if got != want || (err == nil) != (want > 0) {
			t.Errorf("%q: %d, %v; want %d", text, got, err, want)
		}
		if want > 0 {
			if again, err := ParseCPUs(CPUsText(got)); again != got || err != nil {
				t.Errorf("%q became %s", text, CPUsText(got))
			}
		}
	}
}
