package sim

import (
	"fmt"

	"github.com/tutti-run/tutti/internal/core"
)

// Command is a command to come, as the door of commands has them: unlike a [Task] it
// can be suspended.
type Command struct {
	At       Time  // when it asks for a job slot
	Length   Span  // CPU time that it needs
	Priority int64 // the higher the more urgent
	Deadline Time  // 0 for none
}

// Rotating is a machine of equal CPUs, a job slot each, on which commands take turns.
// core.Rotation decides, as it does for --quantum and --preempt. With Preempt and no
// Quantum it is the preemptive scheduler of fixed or, with deadlines for priorities,
// of dynamic priorities, in which a command may go on on any CPU.
type Rotating struct {
	CPUs    int
	Most    int  // that many are started at most, suspended ones included; 0 for no bound
	Quantum Span // 0: each keeps its slot for as long as nobody more urgent comes
	Preempt bool // who is more urgent takes a slot at once
	Switch  Span // lost each time that a command goes on

	// Ended is told of each command that ends, by its place in the order of asking;
	// nil for nobody.
	Ended func(command int, at Time)
}

// RotatingResult is what a run of commands came to.
type RotatingResult struct {
	Makespan Span    // until the last one ended
	Late     int     // ended after their deadlines
	Held     int     // times that a command was suspended
	Response float64 // sum in ns, from asking to the end
	Events   int
	Hash     uint64 // of all events
}

// rotation is a run under way.
type rotation struct {
	*Rotating
	rules    core.Rotation
	agenda   agenda
	now      Time
	alarm    Time // the next Timer; not after now: none is on its way
	commands []Command
	state    []commandState
	res      RotatingResult
}

type commandState struct {
	left  Span   // of its length, when it was last suspended
	end   Time   // while it runs
	epoch uint32 // counts the times that it was suspended: an End of before is void
}

// Run simulates commands, ordered by At, until all have ended. An error says what of
// the machine or of a command is impossible. The same commands give the same trace.
func (r Rotating) Run(commands []Command) (RotatingResult, error) {
	if err := r.check(commands); err != nil {
		return RotatingResult{}, fmt.Errorf("sim: %w", err)
	}
	most := r.Most
	if most == 0 {
		most = max(r.CPUs, len(commands))
	}
	w := &rotation{
		Rotating: &r, commands: commands, state: make([]commandState, len(commands)),
		rules: core.Rotation{Slots: r.CPUs, Most: most, Quantum: r.Quantum, Preempt: r.Preempt},
	}
	w.res.Hash = hashStart
	for i, c := range commands {
		w.state[i].left = c.Length
	}
	w.ask(0)
	for e, ok := w.agenda.pop(); ok; e, ok = w.agenda.pop() {
		if w.now = e.At; w.now > Time(2*longest) {
			return w.res, fmt.Errorf("sim: the run takes more than %d years: are its times in ns?", 2*longest/(365*24*Hour))
		}
		w.handle(e)
		// All that happens in a moment is told before it is decided what follows.
		if next := w.agenda.heap; len(next) == 0 || next[0].At > w.now {
			w.decide()
		}
	}
	return w.res, nil
}

func (r *Rotating) check(commands []Command) error {
	switch {
	case r.CPUs < 1 || r.CPUs > CPUsMax:
		return fmt.Errorf("the machine has %d CPUs: 1 to %d are possible", r.CPUs, CPUsMax)
	case r.Most != 0 && r.Most < r.CPUs:
		return fmt.Errorf("at most %d commands are started, and there are %d CPUs: as many are needed at least", r.Most, r.CPUs)
	case min(r.Quantum, r.Switch) < 0 || max(r.Quantum, r.Switch) > Hour:
		return fmt.Errorf("a quantum of %d ns and a switch of %d ns: each is from 0 to an hour", r.Quantum, r.Switch)
	}
	last := Time(0)
	for i, c := range commands {
		t := Task{At: c.At, Length: c.Length, Deadline: c.Deadline}
		if err := t.check(i, 0, last); err != nil {
			return err
		}
		last = c.At
	}
	return nil
}

func (w *rotation) handle(e Event) {
	if e.Kind == End && w.state[e.Task].epoch != e.Epoch {
		return // it was suspended before
	}
	w.res.Events++
	w.res.Hash = hash(w.res.Hash, &e)
	switch e.Kind {
	case Arrive:
		w.rules.Ask(uint64(e.Task), w.commands[e.Task].Priority)
		w.ask(e.Task + 1)
	case End:
		c := &w.commands[e.Task]
		w.rules.Ended(uint64(e.Task))
		w.res.Makespan = Span(w.now)
		w.res.Response += float64(w.now - c.At)
		if c.Deadline > 0 && w.now > c.Deadline {
			w.res.Late++
		}
		if w.Ended != nil {
			w.Ended(e.Task, w.now)
		}
	}
}

// ask has a command, if there is one, ask for a slot when its time comes.
func (w *rotation) ask(command int) {
	if command < len(w.commands) {
		w.agenda.push(Event{At: w.commands[command].At, Kind: Arrive, Task: command})
	}
}

// decide asks the rules what is to be done now, and does it.
func (w *rotation) decide() {
	moves, again := w.rules.Step(w.now)
	for _, m := range moves {
		s := &w.state[m.ID]
		cost := Span(0)
		switch m.Kind {
		case core.MoveHold:
			s.left = Span(s.end - w.now)
			s.epoch++
			w.res.Held++
			continue
		case core.MoveGoOn:
			cost = w.Switch
		}
		s.end = w.now + Time(cost+s.left)
		w.agenda.push(Event{At: s.end, Kind: End, Epoch: s.epoch, Task: int(m.ID)})
	}
	if at := w.now + Time(again); again > 0 && (w.alarm <= w.now || at < w.alarm) {
		w.alarm = at
		w.agenda.push(Event{At: at, Kind: Timer, Task: -1})
	}
}
