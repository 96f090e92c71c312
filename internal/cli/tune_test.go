package cli

import (
	"encoding/xml"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tutti-run/tutti/internal/core"
	"github.com/tutti-run/tutti/internal/tune"
)

func TestBusyOf(t *testing.T) {
	t.Parallel()
	const stat = `cpu  100 200 300 9000 800 10 20 30 40 50
cpu0 10 20 30 900 80 1 2 3 4 5
cpu1 1 1 1 1 1 1 1 1 1 1
cpu12 1000 0 0 5 5 0 0 0 0 0
intr 5 6 7
`
	all := func(int) bool { return true }
	for _, c := range []struct {
		text   string
		counts func(int) bool
		want   core.Span
	}{
		{stat, func(cpu int) bool { return cpu == 0 }, 66 * tickOf},
		{stat, all, (66 + 6 + 1000) * tickOf},
		{stat, func(int) bool { return false }, 0},
		{"", all, 0},
		{"cpu0 1 2", all, 3 * tickOf},
		{"cpux 1 2\n\ncpu0 y 2\n", all, 2 * tickOf},
	} {
		if got := busyOf(c.text, c.counts); got != c.want {
			t.Errorf("busy for %d, want %d: %q", got, c.want, c.text)
		}
	}
}

func TestStalledOf(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]core.Span{
		"some avg10=0.00 avg60=0.00 avg300=0.00 total=1234\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=99\n": 1_234_000,
		"full avg10=0.00 total=99\n": 0,
		"some avg10=1.00":            0,
		"":                           0,
	} {
		if got := stalledOf(text); got != want {
			t.Errorf("stalled for %d, want %d: %q", got, want, text)
		}
	}
}

func TestCycled(t *testing.T) {
	t.Parallel()
	take := func(n int, jobs ...*job) (seqs []int64) {
		for j := range cycled(slices.Values(jobs)) {
			if seqs = append(seqs, j.seq); len(seqs) == n {
				break
			}
		}
		return seqs
	}
	for _, c := range []struct {
		got, want []int64
	}{
		{take(5, &job{seq: 1}, &job{seq: 2}), []int64{1, 2, 3, 4, 5}},
		{take(4, &job{seq: 1}, &job{seq: 2, absent: true}, &job{seq: 3}), []int64{1, 3, 4, 5}},
		{take(4, &job{seq: 1}, &job{seq: 0, fault: io.EOF}), []int64{1, 0}},
		{take(4), nil},
	} {
		if !slices.Equal(c.got, c.want) {
			t.Errorf("jobs %v, want %v", c.got, c.want)
		}
	}
}

// tunedReport is of work with a serial part of 10 % on 8 CPUs that wait.
func tunedReport(numbers ...int) *tune.Report {
	var trials []tune.Trial
	for round := range 3 {
		for _, n := range numbers {
			x := float64(n) / (1 + 0.1*float64(n-1)) * (1 + 0.01*float64(round-1))
			trials = append(trials, tune.Trial{Workers: n, Round: round, Seconds: 2, Done: 200 * x, User: x, Switches: 400 * x, StallKnown: true})
		}
	}
	r := tune.Judge(8, trials, rand.New(rand.NewPCG(1, 1)))
	return &r
}

func TestTuneText(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		numbers []int
		want    []string
	}{
		{[]int{1, 2, 4, 8, 16}, []string{
			"Best: 16 workers, -j 16, with 640 commands a second, 6.40 times as many as one worker. Confidence 100 %, of 3 rounds.\n",
			"workers  commands/s  lowest  highest  speed-up  efficiency",
			"      8         471     466      475      4.71        59 %       2.35          0.005",
			"Limit: locks. With 16 workers 60 % of the CPUs have nothing to do",
			"Law: serial part 10 % (9.",
			"against one: 6.4 times with 16",
			"This machine has 8: that is an extrapolation.",
		}},
		{[]int{1, 2}, []string{"speed-up  efficiency", "What more CPUs would bring is not known."}},
		{[]int{2, 3, 4}, []string{"with 308 commands a second. Confidence", "        -           -"}},
	} {
		text := tuneText(tunedReport(c.numbers...))
		for _, want := range c.want {
			if !strings.Contains(text, want) {
				t.Errorf("the report does not say %q:\n%s", want, text)
			}
		}
	}
}

// Both kinds of drawing come of each report: with and without a law or a speed-up.
func TestDrawTune(t *testing.T) {
	t.Parallel()
	for _, numbers := range [][]int{{1, 2, 4, 8, 16}, {1, 2}, {2, 3, 4, 5}} {
		for _, name := range []string{"c.svg", "c.html"} {
			file := filepath.Join(t.TempDir(), name)
			if err := drawTune(file, "sort <in >out", tunedReport(numbers...)); err != nil {
				t.Fatal(err)
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			wants := []string{"sort &lt;in &gt;out", "measured"}
			if slices.Contains(numbers, 8) { // else that is beyond the chart
				wants = append(wants, "8 CPUs", "Universal Scalability Law")
			}
			for _, want := range wants {
				if !strings.Contains(string(text), want) {
					t.Errorf("%s of %v does not have %q", name, numbers, want)
				}
			}
			if name == "c.svg" {
				if err := xml.Unmarshal(text, new(any)); err != nil {
					t.Error(err)
				}
			}
		}
	}
	if err := drawTune(filepath.Join(t.TempDir(), "no", "c.svg"), "x", tunedReport(1, 2)); err == nil || !strings.HasPrefix(err.Error(), "--chart: ") {
		t.Errorf("a chart in no folder: %v", err)
	}
}
