package workload

import (
	"bytes"
	"compress/gzip"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/tutti-run/tutti/sim"
)

const trace = `; Version: 2.2
; Computer: a made-up one
; Note: first
; Note: second
;
  1     10    3   20    4   15.5  1024    8   60   -1  1   1  2  3  1  1 -1 -1
  3     30   -1    5   -1     -1    -1    2   -1   -1  1   1  2  3  1  1  1  7
  2      0   -1   -1   -1     -1    -1    1   -1   -1  5   1  2  3  1  1 -1 -1

  4     20   -1    0    1     -1    -1   -1   -1   -1  0   1  2  3  1  1 -1 -1
`

func TestRecordHasAllFields(t *testing.T) {
	t.Parallel()
	r, err := ParseRecord("1 2.5 3 4 5 6.5 7 8 9 10 5 12 13 14 15 16 17 18")
	if want := (Record{1, 2.5, 3, 4, 5, 6.5, 7, 8, 9, 10, 5, 12, 13, 14, 15, 16, 17, 18}); err != nil || r != want {
		t.Errorf("%+v, %v", r, err)
	}
	if r, err := ParseRecord(strings.Repeat("-1 ", 18)); err != nil || r.ThinkTime != -1 || r.Processors != -1 {
		t.Errorf("all missing: %+v, %v", r, err)
	}
}

func TestSWF(t *testing.T) {
	t.Parallel()
	w, header, err := ReadSWF(strings.NewReader(trace), "made", false)
	if err != nil {
		t.Fatal(err)
	}
	if header["Computer"] != "a made-up one" || header["Note"] != "first\nsecond" || header["Version"] != "2.2" {
		t.Errorf("header %q", header)
	}
	s := sim.Second
	want := []Job{
		{At: sim.Time(10 * s), Length: 20 * s, Expected: 60 * s, CPUs: 4, Memory: 1 << 20},
		{At: sim.Time(20 * s), CPUs: 1, Failed: true},
		{At: sim.Time(30 * s), Length: 5 * s, CPUs: 2},
	}
	if !reflect.DeepEqual(w.Jobs, want) || w.NoLength != 1 || w.Bad != 0 || len(w.Notes) != 1 || !w.Commands {
		t.Errorf("%+v", w)
	}
}

const jobLog = "Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand\n" +
	"2\t:\t1700000000.500\t     0.250\t0\t0\t0\t0\tgzip b\n" +
	"1\t:\t1700000000.000\t     1.000\t0\t0\t1\t0\tgzip\ta\n"

func TestJobLog(t *testing.T) {
	t.Parallel()
	w, err := Read(strings.NewReader(jobLog), "log", false)
	if err != nil {
		t.Fatal(err)
	}
	want := []Job{{Length: sim.Second / 4, Expected: sim.Second / 4, CPUs: 1}, {Length: sim.Second, Expected: sim.Second, CPUs: 1, Failed: true}}
	if !reflect.DeepEqual(w.Jobs, want) || !w.Commands {
		t.Errorf("%+v", w)
	}
}

// A broken line is an error with its number, or is counted.
func TestBrokenLines(t *testing.T) {
	t.Parallel()
	good := strings.Repeat("1 ", 18) + "\n"
	for text, says := range map[string]string{
		good + good + "1 2 3\n":                                                       "line 3: 3 fields, and a record has 18",
		"; c\n" + strings.Replace(good, "1", "x", 1) + good:                           `line 2: field 1 is "x"`,
		good + strings.Replace(good, "1 1 1", "1 1 NaN", 1):                           `line 2: field 3 is "NaN"`,
		good + strings.Replace(good, "1 1 1", "1 -2 1", 1):                            `line 2: field 2 is "-2"`,
		good + strings.Replace(good, "1 1 1", "1 1e300 1", 1):                         "line 2: field 2 is",
		good + strings.Repeat("1 ", 4) + "9999999 " + strings.Repeat("1 ", 13) + "\n": "line 2: it used 9999999 processors",
		jobLog + "3\t:\n": "line 4: 2 columns of 9",
		jobLog + "3\t:\t1.5\t-3.0\t0\t0\t0\t0\tx\n": "line 4: a time of -3 s: times are 0 or more",
	} {
		_, err := Read(strings.NewReader(text), "f", false)
		if err == nil || !strings.Contains(err.Error(), says) || !strings.HasPrefix(err.Error(), "f: ") || !strings.Contains(err.Error(), "--skip-bad") {
			t.Errorf("%q: %v, want %q", text, err, says)
		}
		if w, err := Read(strings.NewReader(text), "f", true); err != nil || w.Bad != 1 || len(w.Jobs) == 0 {
			t.Errorf("%q, passed over: %+v, %v", text, w, err)
		}
	}
	for text, says := range map[string]string{
		"":            "there are no jobs in it that ran (0 broken lines, 0 of unknown length)",
		"hello\n":     "line 1: 1 fields, and a record has 18; --skip-bad passes over such lines; is it a job log",
		"Seq\tHost\n": "line 1: 2 fields",
		"\x1f\x8b":    "f: ",
	} {
		if _, err := Read(strings.NewReader(text), "f", false); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, want %q", text, err, says)
		}
	}
	wide := strings.Repeat(strings.Repeat("1 ", 4)+"1000000 "+strings.Repeat("1 ", 13)+"\n", 201)
	if _, err := Read(strings.NewReader(wide), "f", true); err == nil || !strings.Contains(err.Error(), "used more than 200000000 CPUs in all") {
		t.Errorf("201 jobs on a million CPUs: %v", err)
	}
	long := strings.NewReader(strings.Repeat("1", lineMax+1))
	if _, err := Read(long, "f", true); err == nil || !strings.Contains(err.Error(), "line 1 is longer") {
		t.Errorf("a line of %d bytes: %v", lineMax+1, err)
	}
}

func TestCompressed(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(trace)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	whole := b.String()
	if w, err := Read(strings.NewReader(whole), "f", false); err != nil || len(w.Jobs) != 3 {
		t.Errorf("%+v, %v", w, err)
	}
	if w, err := Read(strings.NewReader(whole[:len(whole)-9]), "f", false); err == nil {
		t.Errorf("half a file gave %d jobs", len(w.Jobs))
	}
}

// Real traces are read as they are, where there are some.
func TestRealTraces(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../../shared/data/*.swf.gz")
	if err != nil || len(files) == 0 {
		t.Skip("there are no traces in ../shared/data")
	}
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		w, err := Read(f, filepath.Base(name), false)
		f.Close()
		if err != nil {
			t.Error(err)
			continue
		}
		if len(w.Jobs) < 1000 || w.Bad > 0 {
			t.Errorf("%s: %d jobs, %d bad lines", name, len(w.Jobs), w.Bad)
		}
	}
}

// What is drawn has the mean that was asked for.
func TestDrawnMeans(t *testing.T) {
	t.Parallel()
	ms := float64(sim.Millisecond)
	for text, mean := range map[string]float64{
		"const:3ms": 3 * ms, "exp:10ms": 10 * ms, "uniform:5ms:15ms": 10 * ms,
		"pareto:10ms:2.5": 10 * ms, "bimodal:1ms:100ms:0.1": 10.9 * ms,
	} {
		l, err := ParseLengths(text)
		if err != nil {
			t.Fatal(err)
		}
		const n = 200_000
		w, err := Draw(n, l, 2*sim.Millisecond, rand.New(rand.NewPCG(1, 2)))
		if err != nil {
			t.Fatal(err)
		}
		sum := 0.0
		for i, j := range w.Jobs {
			sum += float64(j.Length)
			if i > 0 && j.At < w.Jobs[i-1].At {
				t.Fatalf("%s: job %d is submitted before the one before it", text, i)
			}
		}
		if got := sum / n; math.Abs(got-mean) > 0.02*mean {
			t.Errorf("%s: a mean of %.0f ns, want %.0f", text, got, mean)
		}
		if every := float64(w.Jobs[n-1].At) / n; math.Abs(every-2*ms) > 0.02*ms {
			t.Errorf("%s: one each %.0f ns", text, every)
		}
	}
}

func TestImpossibleDistributions(t *testing.T) {
	t.Parallel()
	for text, says := range map[string]string{
		"parreto:1ms:2":         "did you mean pareto?",
		"":                      `no distribution is called ""`,
		"exp":                   `say it as in exp:10ms`,
		"exp:1ms:2ms":           `say it as in exp:10ms`,
		"exp:5":                 `"5" is no length of time`,
		"exp:-5ms":              "-5ms is below 0",
		"const:999999h":         "longer than",
		"pareto:1ms:1":          "of shape 1: above 1",
		"pareto:1ms:NaN":        "of shape NaN",
		"bimodal:1ms:2ms:1.5":   "a part of 1.5",
		"bimodal:2ms:1ms:0.5":   "the second length is below the first",
		"bimodal:1ms:2ms:often": `"often" is no number`,
	} {
		if _, err := ParseLengths(text); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, want %q", text, err, says)
		}
	}
	if _, err := Draw(0, Lengths{}, 0, nil); err == nil || !strings.Contains(err.Error(), "0 tasks") {
		t.Error(err)
	}
	if _, err := Draw(100, Lengths{kind: "const"}, LengthMax, rand.New(rand.NewPCG(1, 2))); err == nil || !strings.Contains(err.Error(), "take longer than") {
		t.Error(err)
	}
}

// No file makes the readers panic, and what they accept the simulator can take.
func FuzzRead(f *testing.F) {
	f.Add([]byte(trace), false)
	f.Add([]byte(jobLog), true)
	f.Add([]byte(jobLog+"3\t:\t1.5\t-3.0\t0\t0\t0\t0\tx\n"), true)
	f.Add([]byte(strings.Repeat("-1 ", 18)), false)
	f.Fuzz(func(t *testing.T, text []byte, skip bool) {
		w, err := Read(bytes.NewReader(text), "f", skip)
		if err != nil {
			return
		}
		last := sim.Time(0)
		for _, j := range w.Jobs {
			if j.At < last || j.Length < 0 || j.Length > LengthMax || j.Expected < 0 || j.CPUs < 1 || j.CPUs > CPUsMax || j.Memory < 0 {
				t.Fatalf("%+v after %d", j, last)
			}
			last = j.At
		}
		if !skip && w.Bad > 0 {
			t.Fatalf("%d bad lines passed over", w.Bad)
		}
	})
}

// No distribution that is accepted draws what is no length.
func FuzzParseLengths(f *testing.F) {
	for _, s := range []string{"const:1ms", "exp:10ms", "uniform:1ms:2ms", "pareto:10ms:1.5", "bimodal:1ms:100ms:0.1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		l, err := ParseLengths(s)
		if err != nil {
			return
		}
		chance := rand.New(rand.NewPCG(1, 1))
		for range 20 {
			if d := l.Draw(chance); d < 0 || d > LengthMax {
				t.Fatalf("%q drew %d", s, d)
			}
		}
	})
}
