package tune

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/tutti-run/tutti/internal/usl"
)

// Report is what the trials come to.
type Report struct {
	CPUs   int     `json:"cpus"` // that this process may use
	Rounds int     `json:"rounds"`
	Levels []Level `json:"levels"`
	Best   Best    `json:"best"`
	Law    *Law    `json:"law,omitempty"`
	// NoLaw is why no law was fitted; "" if one was.
	NoLaw  string   `json:"no_law,omitempty"`
	Limits []Limit  `json:"limits"`
	More   []More   `json:"more_cpus,omitempty"`
	Failed int      `json:"failed"` // commands
	Notes  []string `json:"notes,omitempty"`
}

// Level is what one number of workers did, the median over the rounds.
type Level struct {
	Workers    int     `json:"workers"`
	Throughput float64 `json:"throughput"` // commands a second
	Low        float64 `json:"low"`        // the worst round's
	High       float64 `json:"high"`
	Speedup    float64 `json:"speedup,omitempty"` // against one worker
	Efficiency float64 `json:"efficiency,omitempty"`
	CPUs       float64 `json:"cpus"`       // that the commands kept busy
	CPUSeconds float64 `json:"cpu_s"`      // of a command
	System     float64 `json:"system"`     // part of it in the kernel
	Switches   float64 `json:"switches"`   // voluntary, of a command
	Faults     float64 `json:"faults"`     // major, a second
	Disk       float64 `json:"disk_bytes"` // read and written, a second
	Others     float64 `json:"others"`     // CPUs that all else kept busy: other programs, and tutti itself
	// Part of the time in which some program waited for the resource; -1 unknown.
	CPUStall    float64 `json:"cpu_stall"`
	IOStall     float64 `json:"io_stall"`
	MemoryStall float64 `json:"memory_stall"`
}

// Best is the fewest workers that come within a hair of the most throughput.
type Best struct {
	Workers int `json:"workers"`
	// Confidence is in what part of resampled rounds it is the same number, 0 to 1;
	// -1 where there is one round only and nothing is known.
	Confidence float64 `json:"confidence"`
}

// Value is a number with its interval of 95 %.
type Value struct {
	Value float64 `json:"value"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
}

// Law is the Universal Scalability Law, fitted.
type Law struct {
	Gamma    Value   `json:"gamma"`
	Alpha    Value   `json:"alpha"`
	Beta     Value   `json:"beta"`
	RSquared float64 `json:"r_squared"`
	// Peak is the number of workers beyond which throughput falls; 0: it does not.
	Peak   Value     `json:"peak"`
	Model  usl.Model `json:"-"`
	Fitted []int     `json:"fitted"` // the numbers of workers that it was laid through
}

// More is what the law says of a machine with more CPUs, each with a worker: an
// extrapolation.
type More struct {
	CPUs    int   `json:"cpus"`
	Speedup Value `json:"speedup"`
}

const (
	hair   = 0.03 // throughput that fewer workers are worth
	draws  = 1000
	inside = 0.95
	busy   = 0.85 // part of the CPUs from which they count as all busy
	short  = 0.01 // seconds of a command below which its start is a good part of it
)

// Judge says what trials on a machine with so many CPUs come to. There must be some.
func Judge(cpus int, trials []Trial, chance *rand.Rand) Report {
	r := Report{CPUs: cpus, Levels: levels(trials)}
	for _, t := range trials {
		r.Rounds = max(r.Rounds, t.Round+1)
		r.Failed += t.Failed
	}
	r.Best = best(trials, r.Rounds, chance)
	r.fit(trials, chance)
	r.Limits = limits(&r)
	r.notes()
	return r
}

// levels sums up the trials by number of workers.
func levels(trials []Trial) []Level {
	by := map[int][]Trial{}
	var points []usl.Point
	for _, t := range trials {
		by[t.Workers] = append(by[t.Workers], t)
		points = append(points, usl.Point{N: t.Workers, Throughput: t.Done / t.Seconds})
	}
	var all []Level
	for _, from := range usl.Levels(points) {
		l := Level{
			Workers: from.N, Throughput: from.Throughput, Low: from.Low, High: from.High,
			Speedup: from.Speedup, Efficiency: from.Efficiency,
		}
		of := by[from.N]
		over := func(f func(t Trial) float64) float64 {
			var values []float64
			for _, t := range of {
				values = append(values, f(t))
			}
			return median(values)
		}
		l.CPUs = over(func(t Trial) float64 { return (t.User + t.System) / t.Seconds })
		l.CPUSeconds = over(func(t Trial) float64 { return ratio(t.User+t.System, t.Done) })
		l.System = over(func(t Trial) float64 { return ratio(t.System, t.User+t.System) })
		l.Switches = over(func(t Trial) float64 { return ratio(t.Switches, t.Done) })
		l.Faults = over(func(t Trial) float64 { return t.Faults / t.Seconds })
		l.Disk = over(func(t Trial) float64 { return t.Blocks * 512 / t.Seconds })
		l.Others = over(func(t Trial) float64 { return max(t.Busy-t.User-t.System, 0) / t.Seconds })
		stall := func(f func(t Trial) float64) float64 {
			return over(func(t Trial) float64 {
				if !t.StallKnown {
					return -1
				}
				return min(f(t)/t.Seconds, 1)
			})
		}
		l.CPUStall = stall(func(t Trial) float64 { return t.CPUStall })
		l.IOStall = stall(func(t Trial) float64 { return t.IOStall })
		l.MemoryStall = stall(func(t Trial) float64 { return t.MemoryStall })
		all = append(all, l)
	}
	return all
}

// best finds the best number, and how sure it is, from rounds drawn again and again.
func best(trials []Trial, rounds int, chance *rand.Rand) Best {
	byRound := make([]map[int]float64, rounds)
	for i := range byRound {
		byRound[i] = map[int]float64{}
	}
	var numbers []int
	for _, t := range trials {
		byRound[t.Round][t.Workers] = t.Done / t.Seconds
		numbers = append(numbers, t.Workers)
	}
	slices.Sort(numbers)
	numbers = slices.Compact(numbers)
	pick := func(chosen []int) int {
		medians := make([]float64, len(numbers))
		for i, n := range numbers {
			var values []float64
			for _, round := range chosen {
				if x, ok := byRound[round][n]; ok {
					values = append(values, x)
				}
			}
			medians[i] = median(values)
		}
		top := slices.Max(medians)
		return numbers[slices.IndexFunc(medians, func(x float64) bool { return x >= top*(1-hair) })]
	}
	all := make([]int, rounds)
	for i := range all {
		all[i] = i
	}
	b := Best{Workers: pick(all), Confidence: -1}
	if rounds == 1 {
		return b
	}
	same := 0
	for range draws {
		for i := range all {
			all[i] = chance.IntN(rounds)
		}
		if pick(all) == b.Workers {
			same++
		}
	}
	b.Confidence = float64(same) / draws
	return b
}

// fit lays the law through the numbers of workers that it can hold for. Beyond the
// CPUs, where they are all busy, more workers only take turns: that bend is the
// machine's end and not the work's.
func (r *Report) fit(trials []Trial, chance *rand.Rand) {
	fits := map[int]bool{}
	var fitted []int
	for _, l := range r.Levels {
		if l.Workers <= r.CPUs || l.CPUs+l.Others < busy*float64(r.CPUs) {
			fits[l.Workers] = true
			fitted = append(fitted, l.Workers)
		}
	}
	var points []usl.Point
	for _, t := range trials {
		if fits[t.Workers] {
			points = append(points, usl.Point{N: t.Workers, Throughput: t.Done / t.Seconds})
		}
	}
	f, err := usl.New(usl.Universal, points)
	if err != nil {
		r.NoLaw = err.Error()
		if len(fitted) < len(r.Levels) {
			r.NoLaw += fmt.Sprintf(" (numbers beyond the %d CPUs do not count where these are all busy)", r.CPUs)
		}
		return
	}
	made := f.Draws(draws, chance)
	value := func(of func(m usl.Model) float64) Value {
		low, high := made.Interval(inside, of)
		return Value{of(f.Model), low, high}
	}
	r.Law = &Law{
		Gamma: value(func(m usl.Model) float64 { return m.Gamma }), Alpha: value(func(m usl.Model) float64 { return m.Alpha }),
		Beta: value(func(m usl.Model) float64 { return m.Beta }), RSquared: f.RSquared, Model: f.Model, Fitted: fitted,
	}
	r.Law.Peak = value(func(m usl.Model) float64 { return m.Peak() })
	for _, end := range []*float64{&r.Law.Peak.Value, &r.Law.Peak.Low, &r.Law.Peak.High} {
		if math.IsInf(*end, 1) { // JSON has no number for it
			*end = 0
		}
	}
	for _, times := range []int{2, 4, 8} {
		n := times * r.CPUs
		r.More = append(r.More, More{n, value(func(m usl.Model) float64 { return m.Speedup(float64(n)) })})
	}
}

// level is that of n workers.
func (r *Report) level(n int) Level {
	return r.Levels[slices.IndexFunc(r.Levels, func(l Level) bool { return l.Workers == n })]
}

func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	values = slices.Sorted(slices.Values(values))
	return (values[(len(values)-1)/2] + values[len(values)/2]) / 2
}

// ratio is a/b, and 0 of nothing.
func ratio(a, b float64) float64 {
	if b <= 0 {
		return 0
	}
	return a / b
}
