package whatif

import (
	"cmp"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/tutti-run/tutti/internal/core"
	"github.com/tutti-run/tutti/internal/workload"
	"github.com/tutti-run/tutti/sched"
	"github.com/tutti-run/tutti/sim"
)

// of is a study of tasks of so many seconds, all there at the start, on CPUs on which
// nothing costs anything.
func of(seconds ...float64) *Study {
	w := &workload.Workload{}
	for _, s := range seconds {
		length := sim.Span(s * second)
		w.Jobs = append(w.Jobs, workload.Job{Length: length, Expected: length, CPUs: 1})
	}
	return &Study{Work: w}
}

func drawn(t testing.TB, n int, lengths string, every sim.Span) *workload.Workload {
	t.Helper()
	l, err := workload.ParseLengths(lengths)
	if err != nil {
		t.Fatal(err)
	}
	w, err := workload.Draw(n, l, every, rand.New(rand.NewPCG(1, 1)))
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func run(t testing.TB, s *Study, policy string, cpus int) Run {
	t.Helper()
	r, err := s.Run(policy, cpus)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func near(a, b float64) bool { return math.Abs(a-b) <= 1e-6*max(1, math.Abs(b)) }

// Figures of a run that can be worked out by hand.
func TestFiguresByHand(t *testing.T) {
	t.Parallel()
	r := run(t, of(1, 1, 4, 2), "aged-priority", 2) // CPU 1: 1, 4; CPU 2: 1, 2
	if !near(r.Makespan, 5) || !near(r.Bound, 4) || !near(r.Utilisation, 0.8) || r.Done != 4 || r.Sound != 0 || r.Steals != 0 {
		t.Errorf("%+v", r)
	}
	if w := r.Wait; !near(w.Mean, 0.5) || !near(w.P50, 0) || !near(w.P95, 1) || !near(w.P99, 1) || !near(w.Most, 1) {
		t.Errorf("waits %+v", w)
	}
	if s := r.Slowdown; !near(s.Mean, (1+1+1.25+1.5)/4) || !near(s.Most, 1.5) || !near(s.P50, 1) {
		t.Errorf("slowdowns %+v", s)
	}
	if sum := 4.75; !near(r.Fairness, sum*sum/(4*(1+1+1.25*1.25+1.5*1.5))) || !near(r.Balance, 64.0/(2*(25+9))) {
		t.Errorf("fairness %v, balance %v", r.Fairness, r.Balance)
	}
	if r := run(t, of(1, 1, 4, 2), "longest-first", 2); !near(r.Makespan, 4) {
		t.Errorf("longest first took %v", r.Makespan)
	}
}

func TestBound(t *testing.T) {
	t.Parallel()
	full, half := sim.CPU{Speed: sched.FullSpeed}, sim.CPU{Speed: sched.FullSpeed / 2}
	for _, c := range []struct {
		cpus  []sim.CPU
		tasks [][2]float64 // at, length
		want  float64
	}{
		{[]sim.CPU{full, full}, [][2]float64{{0, 1}, {0, 1}, {0, 1}}, 1.5},
		{[]sim.CPU{full, half}, [][2]float64{{0, 3}}, 3},
		{[]sim.CPU{full, half}, [][2]float64{{0, 2}, {0, 2}, {0, 2}}, 4},
		{[]sim.CPU{full, full}, [][2]float64{{0, 1}, {10, 2}, {10, 2}, {10, 2}}, 13},
		{[]sim.CPU{full, full}, [][2]float64{{0, 12}, {10, 1}}, 12},
		{[]sim.CPU{half}, [][2]float64{{1, 1}}, 3},
		{[]sim.CPU{half}, nil, 0},
	} {
		b := newBound(c.cpus)
		for _, task := range c.tasks {
			b.add(sim.Task{At: sim.Time(task[0] * second), Length: sim.Span(task[1] * second)})
		}
		if got := b.makespan() / second; !near(got, c.want) {
			t.Errorf("%v on %v: %v, want %v", c.tasks, c.cpus, got, c.want)
		}
	}
}

// No run of any policy is shorter than the bound, with faults or without, and none is
// shorter than it would have been with nothing to pay.
func TestNoRunBeatsTheBound(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		rnd := rand.New(rand.NewPCG(seed, 9))
		s := &Study{
			Work: drawn(t, 200, []string{"exp:10ms", "pareto:10ms:1.2", "bimodal:1ms:50ms:0.2"}[rnd.IntN(3)], sim.Span(rnd.IntN(3))*sim.Millisecond),
			Seed: seed, Machine: Machine{Costs: UsualCosts}, Unknown: rnd.IntN(2) == 0, Attempts: 50,
		}
		if rnd.IntN(2) == 0 {
			s.Stragglers, s.StragglersBy, s.Faults.DeathsPerHour = 0.02, 5, 2000
		}
		cpus := 1 + rnd.IntN(9)
		for _, policy := range sched.Names(nil) {
			r := run(t, s, policy, cpus)
			if r.Makespan < r.Bound-1e-9 || r.Left > 0 || r.Done != 200 {
				t.Fatalf("seed %d, %s on %d CPUs: %+v", seed, policy, cpus, r)
			}
			if again := run(t, s, policy, cpus); !reflect.DeepEqual(again, r) {
				t.Fatalf("seed %d, %s on %d CPUs: two runs differ:\n%+v\n%+v", seed, policy, cpus, r, again)
			}
		}
	}
}

func TestSpreadAndJain(t *testing.T) {
	t.Parallel()
	var values []float64
	for i := range 100 {
		values = append(values, float64(100-i))
	}
	if got, want := spread(values), (Spread{50.5, 50, 95, 99, 100}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got := spread([]float64{7}); got != (Spread{7, 7, 7, 7, 7}) || spread(nil) != (Spread{}) {
		t.Errorf("of one %+v, of none %+v", got, spread(nil))
	}
	for _, c := range []struct {
		values []float64
		want   float64
	}{{[]float64{3, 3, 3}, 1}, {[]float64{1, 0, 0, 0}, 0.25}, {nil, 1}, {[]float64{0, 0}, 1}} {
		if got := jain(c.values); !near(got, c.want) {
			t.Errorf("of %v: %v, want %v", c.values, got, c.want)
		}
	}
}

// A job on several CPUs is so many tasks; a straggler keeps what was expected of it.
func TestTasksOfJobs(t *testing.T) {
	t.Parallel()
	s := of(1, 2)
	s.Work.Jobs[1].CPUs, s.Work.Jobs[1].Memory = 3, 5
	s.Stragglers, s.StragglersBy, s.Due = 1, 4, 2
	var got []sim.Task
	next := s.tasks()
	for {
		task, ok := next()
		if !ok {
			break
		}
		got = append(got, task)
	}
	sec := sim.Second
	wide := sim.Task{Length: 8 * sec, Expected: 2 * sec, Deadline: sim.Time(4*sec) + 1, Memory: 5}
	if want := []sim.Task{{Length: 4 * sec, Expected: sec, Deadline: sim.Time(2*sec) + 1}, wide, wide, wide}; !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
	s.Stragglers, s.Unknown = 0, true
	if task, _ := s.tasks()(); task.Expected != 0 || task.Length != sec {
		t.Errorf("of unknown length: %+v", task)
	}
	if _, ok := (&Study{Work: &workload.Workload{}}).tasks()(); ok {
		t.Error("a task came of nothing")
	}
	if r := run(t, s, "aged-priority", 4); r.Memory != 15 || r.Done != 4 {
		t.Errorf("%+v", r)
	}
}

// Failures cost time, and a task of poison is given up after its attempts.
func TestWhatFailuresCost(t *testing.T) {
	t.Parallel()
	s := of(1, 1, 1, 1)
	s.Faults.Deaths = []sim.Death{{Worker: 1, At: sim.Time(sim.Second / 2)}}
	s.Machine.Costs.Notice, s.Machine.Costs.Start = sim.Second/4, sim.Second/4
	r := run(t, s, "aged-priority", 2)
	if r.Deaths != 1 || r.Done != 4 || !near(r.Lost, 0.5) || !near(r.Sound, 2) || !(r.Makespan >= 3) {
		t.Errorf("%+v", r)
	}
	s.Faults, s.Poison, s.Attempts = sim.Faults{}, 1, 2
	if r := run(t, s, "aged-priority", 2); r.Done != 0 || r.Failed+r.Left != 4 || r.Deaths < 4 {
		t.Errorf("all poison: %+v", r)
	}
}

// A halt rule counts tasks of all the workload, jobs on several CPUs as many; what it
// leaves is told apart, and times of a part of the work are compared with nothing.
func TestHalts(t *testing.T) {
	t.Parallel()
	s := of(1, 1, 4, 2, 1, 1)
	s.Work.Jobs[1].Failed, s.Work.Jobs[5].CPUs = true, 5 // ten tasks
	s.Work.Jobs[5].At = sim.Time(3 * sim.Second)
	rule := func(text string) {
		var err error
		if s.Halt, err = core.ParseHalt(text); err != nil {
			t.Fatal(err)
		}
	}
	rule("now,fail=10%") // met at 1 s by the first that fails, when another has just begun
	r := run(t, s, "aged-priority", 2)
	if r.Done != 1 || r.Failed != 1 || r.Killed != 1 || r.Left != 7 || r.NotBegun != 7 || !r.Halted || !near(r.HaltedAt, 1) || !near(r.Makespan, 1) || r.Bound != 0 {
		t.Errorf("%+v", r)
	}
	rule("now,done=30%")
	if r := run(t, s, "aged-priority", 2); r.Done != 2 || r.Failed != 1 || r.Killed != 1 || r.Left != 6 || !near(r.HaltedAt, 3) || !near(r.Lost, 1+2) || !r.Cut() {
		t.Errorf("%+v", r)
	}
	s.Tries, s.Retry = 2, sim.RetryDelay{First: 100 * sim.Second, Most: 100 * sim.Second}
	rule("soon,success=20%")
	if r := run(t, s, "aged-priority", 2); r.Done != 3 || r.Failed != 0 || r.Left != 7 || r.NotBegun != 6 || !near(r.HaltedAt, 3) {
		t.Errorf("one is to be tried again: %+v", r)
	}
	s.Tries = 1
	runs := []Run{run(t, s, "locality", 1), run(t, s, "locality", 2)}
	if SpeedUp(runs); Whole(runs) || runs[1].Speedup != 0 || Laws(runs) != nil {
		t.Errorf("%+v", runs)
	}
	rule("soon,done=100%")
	if r := run(t, s, "locality", 2); !r.Halted || r.Cut() || r.Bound == 0 || !Whole([]Run{r}) {
		t.Errorf("halted when all was done: %+v", r)
	}
}

// Of attempts that fail by chance a task has as many as are drawn, none too many.
func TestFailing(t *testing.T) {
	t.Parallel()
	s := &Study{Work: drawn(t, 10_000, "const:1ms", 0), Fails: 0.1, Tries: 2, Machine: Machine{Costs: UsualCosts}}
	r := run(t, s, "", 4)
	if r.Done+r.Failed != 10_000 || r.Failed < 60 || r.Failed > 140 || !(r.Lost > 0.9 && r.Lost < 1.3) || !(r.Sound < r.Makespan) || !s.Faulty() {
		t.Errorf("a hundredth should fail: %+v", r)
	}
	s.Fails, s.Tries = 1, 3
	if r := run(t, s, "", 4); r.Failed != 10_000 || r.Done != 0 || !near(r.Lost, 30.0009) {
		t.Errorf("all fail: %+v", r)
	}
}

// With nothing in common between tasks the laws find nothing serial; with a submitter
// that all wait for they do.
func TestSpeedUpAndLaws(t *testing.T) {
	t.Parallel()
	s := &Study{Work: drawn(t, 4000, "const:1ms", 0), Machine: Machine{Costs: UsualCosts}}
	serial := &Study{Work: s.Work, Machine: s.Machine}
	serial.Machine.Costs.Submit = 100 * sim.Microsecond // a tenth of a task
	for _, c := range []struct {
		s         *Study
		low, high float64
	}{{s, 0, 0.01}, {serial, 0.02, 0.2}} {
		var runs []Run
		for _, n := range []int{1, 2, 4, 8, 16, 32} {
			runs = append(runs, run(t, c.s, "work-stealing", n))
		}
		SpeedUp(runs)
		laws := Laws(runs)
		if len(laws) != 1 || laws[0].Serial < c.low || laws[0].Serial > c.high || runs[0].Speedup != 1 || !(runs[1].Speedup > 1.8) {
			t.Errorf("%+v of %+v", laws, runs)
		}
	}
	if laws := Laws([]Run{run(t, s, "locality", 2)}); laws != nil {
		t.Errorf("laws of one number of CPUs: %+v", laws)
	}
}

// The rows of the picture have what the workers did, in order, and no more than can be
// seen of it.
func TestGantt(t *testing.T) {
	t.Parallel()
	s := of(1, 1, 4, 2)
	rows, err := s.Gantt("aged-priority", 2, 64, 100, 5)
	slices.SortFunc(rows, func(a, b []Span) int { return cmp.Compare(a[len(a)-1].To, b[len(b)-1].To) })
	if want := [][]Span{{{0, 1, Worked}, {1, 3, Worked}}, {{0, 1, Worked}, {1, 5, Worked}}}; err != nil || !reflect.DeepEqual(rows, want) {
		t.Fatalf("%v, %v, want %v", rows, err, want)
	}
	if rows, err = s.Gantt("aged-priority", 1, 64, 4, 8); err != nil || !reflect.DeepEqual(rows, [][]Span{{{0, 8, Worked}}}) {
		t.Errorf("in a picture of four points: %v, %v", rows, err)
	}
	many := &Study{Work: drawn(t, 20_000, "exp:1ms", 0)}
	makespan := run(t, many, "work-stealing", 3).Makespan
	rows, err = many.Gantt("work-stealing", 3, 2, 50, makespan)
	if err != nil || len(rows) != 2 {
		t.Fatal(len(rows), err)
	}
	for _, row := range rows {
		if len(row) == 0 || len(row) > 100 {
			t.Errorf("%d spans", len(row))
		}
		for i, span := range row {
			if span.To < span.From || i > 0 && span.From < row[i-1].To {
				t.Fatalf("span %d of %v", i, row)
			}
		}
	}
}

func TestParseMachine(t *testing.T) {
	t.Parallel()
	m, err := ParseMachine([]byte(`{"name": "big", "nodes": 2, "cores": 4, "threads": 2, "shared_core": 1.5, "costs": {"wake_ns": 7, "transfer_ns": [1,2,3,4,5]}}`), "f", UsualCosts)
	if err != nil || m.Name != "big" || !reflect.DeepEqual(m.CPUs, sim.Grid(2, 1, 4, 2)) || m.Costs.Wake != 7 || m.SharedCore != 1.5 || m.Costs.Transfer != [5]sim.Span{1, 2, 3, 4, 5} || m.Costs.Start != UsualCosts.Start {
		t.Errorf("%+v, %v", m, err)
	}
	m, err = ParseMachine([]byte(`{"cpus": [{"count": 2}, {"speed": 0.5, "cache": 1, "core": 9}, {"speed": 0.5, "cache": 1, "core": 9}]}`), "f", UsualCosts)
	if err != nil || len(m.CPUs) != 4 || m.CPUs[0].Core == m.CPUs[1].Core || m.CPUs[2].Core != m.CPUs[3].Core || m.CPUs[2].Speed != sched.FullSpeed/2 {
		t.Errorf("%+v, %v", m, err)
	}
	if costs, err := ParseCosts([]byte(`{"process_ns": 9}`), UsualCosts); err != nil || costs.Process != 9 || costs.Wake != UsualCosts.Wake {
		t.Errorf("%+v, %v", costs, err)
	}
	for text, says := range map[string]string{
		`{}`:                                    "it has no CPUs",
		`{"nodes": 0}`:                          "it has no CPUs",
		`{"nodes": -1}`:                         "each is 1 or more",
		`{"nodes": 100000, "cores": 100000}`:    "are 65536 CPUs at most",
		`{"cpus": [{"speed": 2}]}`:              "entry 1 of \"cpus\"",
		`{"cpus": [{"count": -1}]}`:             "there are 1 to 65536",
		`{"cpus": [{"core": -1}]}`:              "a core's number is 0 or more",
		`{"cpus": [{}], "cores": 2}`:            "leave one of the two out",
		`{"corse": 2}`:                          "corse",
		`{"cores": 2} {}`:                       "something follows",
		`{"cores": 1, "shared_core": 0.5}`:      "0.5 times as long on a shared core",
		`hello`:                                 "machine f: it is not as it should be",
		`{"cores":1,"costs":{"process_ns":-1}}`: "starting a process takes -1 ns",
	} {
		if _, err := ParseMachine([]byte(text), "f", UsualCosts); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %q", text, err, says)
		}
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]int{
		"8": {8}, "1,4,2,4": {1, 2, 4}, "1-10": {1, 2, 3, 4, 5, 6, 7, 8, 10}, "60-64,1": {1, 60, 64}, "5-5": {5},
	} {
		if got, err := ParseCPUs(text); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("--cpus %s: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "0", "-1", "x", "4-2", "1,", "65537", "1-99999999999"} {
		if got, err := ParseCPUs(text); err == nil || !strings.Contains(err.Error(), "counted from 1") {
			t.Errorf("--cpus %q: %v, %v", text, got, err)
		}
	}
	if names, err := ParsePolicies("all"); err != nil || len(names) != 12 {
		t.Error(names, err)
	}
	for text, says := range map[string]string{"round-robbin": "did you mean round-robin?", "locality,locality": "named twice"} {
		if _, err := ParsePolicies(text); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", text, err)
		}
	}
	if d, err := ParseDeath("3@1.5s"); err != nil || d != (sim.Death{Worker: 3, At: 1_500_000_000}) {
		t.Error(d, err)
	}
	if s, err := ParseSlow("2x1.5@1s-2s"); err != nil || s != (sim.Slow{Worker: 2, Factor: 1.5, From: 1e9, To: 2e9}) {
		t.Error(s, err)
	}
	if s, err := ParseSlow("2x4"); err != nil || s.From != 0 || s.To != math.MaxInt64 {
		t.Error(s, err)
	}
	for _, text := range []string{"", "3", "x@1s", "0@1s", "3@soon", "3@-1s"} {
		if _, err := ParseDeath(text); err == nil || !strings.HasPrefix(err.Error(), "--kill "+text+": ") {
			t.Errorf("--kill %q: %v", text, err)
		}
	}
	for _, text := range []string{"", "3", "0x4", "3x0.5", "3xNaN", "3x4@", "3x4@1s", "3x4@2s-1s", "3x4@1s-x"} {
		if _, err := ParseSlow(text); err == nil || !strings.HasPrefix(err.Error(), "--slow "+text+": ") {
			t.Errorf("--slow %q: %v", text, err)
		}
	}
	if part, by, err := ParseStragglers("2%x10"); err != nil || part != 0.02 || by != 10 {
		t.Error(part, by, err)
	}
	for _, text := range []string{"", "1%", "200%x2", "0.1x0", "NaNx2"} {
		if _, _, err := ParseStragglers(text); err == nil {
			t.Errorf("--stragglers %q", text)
		}
	}
}

// Moving cache lines takes time and is counted; so does a master that assigns, who is
// the ceiling: with short tasks more CPUs bring nothing.
func TestLinesAndAssignments(t *testing.T) {
	t.Parallel()
	s := &Study{Work: drawn(t, 2000, "const:2us", 0), Machine: Machine{Costs: UsualCosts}}
	plain := run(t, s, "work-stealing", 16)
	s.Coherence = true
	lined := run(t, s, "work-stealing", 16)
	if plain.Lines != nil || !(lined.Makespan > plain.Makespan) || lined.Lines == nil {
		t.Fatalf("%+v and %+v", plain, lined)
	}
	l, moved := lined.Lines, 0
	for _, n := range l.Transfers {
		moved += n
	}
	if l.Invalid == 0 || moved != l.Invalid || l.Modified == 0 || !(l.Seconds > l.Waited) {
		t.Errorf("%+v", l)
	}
	s.Coherence, s.AMP = false, true
	ceiling := 2000 * float64(UsualCosts.Assignment) / second
	for _, cpus := range []int{16, 64} {
		if r := run(t, s, "earliest-deadline", cpus); r.Makespan < ceiling {
			t.Errorf("%d CPUs: %v, though the master needs %v", cpus, r.Makespan, ceiling)
		}
	}
}

func TestImpossibleStudies(t *testing.T) {
	t.Parallel()
	for says, edit := range map[string]func(*Study){
		"0 to 1 are possible":         func(s *Study) { s.Poison = 2 },
		"NaN that straggle":           func(s *Study) { s.Stragglers = math.NaN() },
		"stragglers that take 0":      func(s *Study) { s.Stragglers = 0.5 },
		"a part of 1.5 of the":        func(s *Study) { s.Fails = 1.5 },
		"1 to 1000 are possible":      func(s *Study) { s.Tries = 1001 },
		"due after -1":                func(s *Study) { s.Due = -1 },
		"-1 attempts":                 func(s *Study) { s.Attempts = -1 },
		"starting a process takes -1": func(s *Study) { s.Machine.Costs.Process = -1 },
		"an assignment takes 0":       func(s *Study) { s.Machine.Costs.Assignment = 0 },
	} {
		s := of(1)
		s.Machine.Costs = UsualCosts
		edit(s)
		if err := s.Check(); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want %q", err, says)
		}
	}
	s := of(1)
	s.Machine = Machine{Name: "small", CPUs: sim.Grid(1, 1, 2, 1)}
	for cpus, says := range map[int]string{3: "machine small has 2 CPUs and 3 were asked for", 0: "a machine with 0 CPUs"} {
		if _, err := s.Run("", cpus); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want %q", err, says)
		}
	}
	if _, err := s.Run("wrong", 1); err == nil {
		t.Error("a policy that is not there ran")
	}
}
