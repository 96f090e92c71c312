package tune

import "github.com/tutti-run/tutti/internal/core"

// Usage is what a command used, as the kernel counts it (getrusage).
type Usage struct {
	User, System core.Span
	Faults       int64 // pages that had to be read from a disk
	Switches     int64 // voluntary: it waited for something
	Blocks       int64 // of 512 bytes, read and written
}

// Done is a command that has ended.
type Done struct {
	Start, End core.Time
	OK         bool
	Usage      Usage
}

// Host is the machine's counters at a moment: times since it was started.
type Host struct {
	Busy core.Span // CPU time that all programs together used
	// Stalled is for how long some program had to wait for the resource (pressure
	// stall information); Known says whether the kernel tells.
	CPU, IO, Memory core.Span
	Known           bool
}

// Trial is what was measured with one number of workers at a time.
type Trial struct {
	Workers int
	Round   int     // from 0
	Seconds float64 // how long it was
	Done    float64 // commands; one that reaches over an end counts in part
	Failed  int     // of those that ended in it
	// What they used, by the same parts.
	User, System, Faults, Switches, Blocks float64
	// What the machine's counters went up by, in seconds.
	Busy, CPUStall, IOStall, MemoryStall float64
	StallKnown                           bool
}

// Meter adds up what happens in trials. It is used by one goroutine, or under a lock.
type Meter struct {
	trials []timed
}

// timed is a trial and where it lies; open: it has not ended yet.
type timed struct {
	Trial
	from, to core.Time
	open     bool
	host     Host
}

// Begin begins a trial at now. None may be open.
func (m *Meter) Begin(workers, round int, now core.Time, host Host) {
	m.trials = append(m.trials, timed{Trial: Trial{Workers: workers, Round: round}, from: now, open: true, host: host})
}

// End ends the open trial.
func (m *Meter) End(now core.Time, host Host) {
	t := &m.trials[len(m.trials)-1]
	t.to, t.open = now, false
	t.Seconds = seconds(core.Span(now - t.from))
	t.Busy = seconds(host.Busy - t.host.Busy)
	t.StallKnown = host.Known && t.host.Known
	t.CPUStall, t.IOStall, t.MemoryStall = seconds(host.CPU-t.host.CPU), seconds(host.IO-t.host.IO), seconds(host.Memory-t.host.Memory)
}

// Ended counts a command in each trial that it ran in. It is told of all commands, in
// any order, before or after the ends of the trials.
func (m *Meter) Ended(d Done) {
	whole := float64(max(d.End-d.Start, 1))
	for i := len(m.trials) - 1; i >= 0; i-- {
		t := &m.trials[i]
		if !t.open && t.to <= d.Start {
			return // so are all before it
		}
		upto := d.End
		if !t.open {
			upto = min(upto, t.to)
		}
		part := float64(upto-max(d.Start, t.from)) / whole
		if part <= 0 {
			continue
		}
		t.Done += part
		t.User += part * seconds(d.Usage.User)
		t.System += part * seconds(d.Usage.System)
		t.Faults += part * float64(d.Usage.Faults)
		t.Switches += part * float64(d.Usage.Switches)
		t.Blocks += part * float64(d.Usage.Blocks)
		if !d.OK && upto == d.End {
			t.Failed++
		}
	}
}

// Trials are those that have ended, in their order.
func (m *Meter) Trials() []Trial {
	var all []Trial
	for _, t := range m.trials {
		if !t.open {
			all = append(all, t.Trial)
		}
	}
	return all
}

func seconds(d core.Span) float64 { return float64(d) / float64(core.Second) }
