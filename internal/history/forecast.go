package history

import (
	"container/heap"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/montanaflynn/stats"
)

// Running is a task that runs.
type Running struct {
	Guess Guess
	Age   float64 // seconds
}

// Scene is a run as it stands.
type Scene struct {
	Slots   int       // how many may run at once, at least 1
	Running []Running // those that do
	// What waits, in the order of the starts: those that are next, the work of many, the
	// last ones; and how many more there are of which nothing is known.
	First   []Guess
	Between Work
	Last    []Guess
	More    int64
	// Busy is how many slots were in use on the mean; 0: not known. Where that is fewer
	// than there are, starts are held back, and will go on to be.
	Busy float64
}

// Forecast is when a run will be over.
type Forecast struct {
	Seconds float64 // from now
	Within  float64 // seconds more or less, as two times out of three
	Known   bool
}

// waits reports whether any task does.
func (s *Scene) waits() bool {
	return len(s.First)+len(s.Last) > 0 || s.More > 0 || s.Between != Work{}
}

// Work is that of many tasks that wait: by the basis of their guesses and how large these
// are.
type Work [bases][decades]sums

// sums are those of guesses and of their squares.
type sums struct {
	count           int64
	seconds, square float64
}

// add puts so many tasks of a guess in; below 0 takes them out.
func (w *Work) add(g Guess, tasks int64) {
	s := &w[g.Basis][decade(g.Seconds)]
	if s.count += tasks; s.count == 0 {
		*s = sums{} // and no rest of rounding
		return
	}
	s.seconds += float64(tasks) * g.Seconds
	s.square += float64(tasks) * g.Seconds * g.Seconds
}

// plays is how often the rest of a run is played through. The error of what their spread
// says is then an eighth of it.
const plays = 32

// Forecast plays the rest of a run through in virtual time, several times: each task
// takes its guess times a ratio of time and guess as it was seen before, and all of them
// a factor that stands for what is not known of this run yet. The mean of the ends is
// the forecast, their deviation its error. Chance comes from r alone.
//
// It is not known where nothing has ended yet, and where only tasks are left that have
// outlived by far whatever was seen.
func (m *Model) Forecast(s Scene, r *rand.Rand) Forecast {
	if len(s.Running) == 0 && !s.waits() {
		return Forecast{Known: true}
	}
	if m.count == 0 {
		return Forecast{}
	}
	p := player{model: m, scene: s, rand: r}
	if !s.waits() && p.outlived() {
		return Forecast{}
	}
	p.settle()
	ends := make([]float64, plays)
	for i := range ends {
		ends[i] = p.play()
	}
	mean, _ := stats.Mean(ends) // there are some
	deviation, _ := stats.StandardDeviationSample(ends)
	return Forecast{Seconds: mean, Within: deviation, Known: true}
}

// player plays the rest of a run through.
type player struct {
	model    *Model
	scene    Scene
	rand     *rand.Rand
	samplers [bases][decades]*sampler // made when they are needed
	factor   [bases]float64           // of this play
}

// sampler is that of the ratios of a guess.
func (p *player) sampler(b Basis, decade int) *sampler {
	at := &p.samplers[b][decade]
	if *at == nil {
		*at = p.model.trials[b].cells[decade].sampler()
	}
	return *at
}

// now is a guess that was made before anything was known, as it is made now.
func (p *player) now(g Guess) Guess {
	if g.Basis == ByNothing {
		return Guess{p.model.all, ByAll}
	}
	return g
}

// outlived reports whether one that runs is twice as old as any that was guessed so.
func (p *player) outlived() bool {
	for _, t := range p.scene.Running {
		g := p.now(t.Guess)
		if t.Age > 2*p.sampler(g.Basis, decade(g.Seconds)).most()*g.Seconds {
			return true
		}
	}
	return false
}

// settle has those of whom nothing is known take as long as all.
func (p *player) settle() {
	of := func(all []Guess) []Guess {
		all = slices.Clone(all)
		for i := range all {
			all[i] = p.now(all[i])
		}
		return all
	}
	s := &p.scene
	s.First, s.Last = of(s.First), of(s.Last)
	for i := range s.Between[ByNothing] {
		s.More += s.Between[ByNothing][i].count
	}
	s.Between[ByNothing] = [decades]sums{}
	s.Between.add(p.now(Guess{}), s.More)
}

// play plays it once and returns how long it took.
func (p *player) play() float64 {
	s := &p.scene
	for b := range p.factor {
		doubt := p.model.trials[b].doubt(p.model.earlier >= trialsLeast)
		p.factor[b] = math.Exp(p.rand.NormFloat64()*doubt - doubt*doubt/2) // its mean is 1
	}
	free := make(slots, 0, max(s.Slots, len(s.Running)))
	all := 0.0
	for _, t := range s.Running {
		rest := p.rest(t)
		all += rest
		free = append(free, rest)
	}
	for len(free) < s.Slots { // with -j0 there are more than will ever be used
		free = append(free, 0)
	}
	heap.Init(&free)
	lay := func(tasks []Guess) {
		for _, g := range tasks {
			took := p.took(g)
			all += took
			free[0] += took
			heap.Fix(&free, 0)
		}
	}
	lay(s.First)
	between := p.betweenTook()
	all += between
	free.fill(between)
	lay(s.Last)
	end := slices.Max(free)
	if s.Busy > 0 && s.waits() {
		end = max(end, all/s.Busy)
	}
	return end
}

// took is how long a task takes, this time.
func (p *player) took(g Guess) float64 {
	return g.Seconds * p.factor[g.Basis] * p.sampler(g.Basis, decade(g.Seconds)).draw(p.rand)
}

// betweenTook is likewise how long all tasks between take together: a normal law, since
// they are many.
func (p *player) betweenTook() (sum float64) {
	for b := range p.scene.Between {
		for d, w := range p.scene.Between[b] {
			if w.count > 0 {
				s := p.sampler(Basis(b), d)
				sum += p.factor[b] * max(w.seconds*s.mean+p.rand.NormFloat64()*s.spread*math.Sqrt(w.square), 0)
			}
		}
	}
	return sum
}

// drawsMax bounds the draws for a task that is older than most.
const drawsMax = 16

// rest is how long one that runs will still take: a ratio is drawn of those that do not
// say that it is over. One that has outlived them all is drawn from what was not seen
// yet.
func (p *player) rest(t Running) float64 {
	g := p.now(t.Guess)
	for range drawsMax {
		if took := p.took(g); took >= t.Age {
			return took - t.Age
		}
	}
	return p.sampler(g.Basis, decade(g.Seconds)).beyond(t.Age, p.rand) - t.Age
}

// slots are the times at which the slots are free, the first one first.
type slots []float64

// fill lays work that can be divided at will upon the slots that are free soonest.
func (s slots) fill(work float64) {
	slices.Sort(s) // which is a heap, too
	sum := 0.0
	for i, at := range s {
		sum += at
		level := (work + sum) / float64(i+1)
		if i+1 == len(s) || level <= s[i+1] {
			for j := range s[:i+1] {
				s[j] = level
			}
			return
		}
	}
}

// The methods that container/heap asks for.
func (s slots) Len() int           { return len(s) }
func (s slots) Less(i, j int) bool { return s[i] < s[j] }
func (s slots) Swap(i, j int)      { s[i], s[j] = s[j], s[i] }
func (s *slots) Push(x any)        { *s = append(*s, x.(float64)) }
func (s *slots) Pop() any {
	last := (*s)[len(*s)-1]
	*s = (*s)[:len(*s)-1]
	return last
}
