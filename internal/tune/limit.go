package tune

import "fmt"

// Limit is something that keeps more workers from doing more, and how it shows.
type Limit struct {
	What Resource `json:"what"`
	Why  string   `json:"why"`
}

// Resource is what work may run out of.
type Resource string

// The resources.
const (
	CPU             Resource = "CPU"
	MemoryBandwidth Resource = "memory bandwidth"
	Disk            Resource = "disk"
	Memory          Resource = "memory"
	Locks           Resource = "locks"
	Others          Resource = "other programs"
	Nothing         Resource = "nothing"
)

// What counts as evidence. The pressure is of the whole machine, so a little of it is
// no news.
const (
	dearer      = 1.15 // times the CPU time of a command, with as many workers as CPUs
	stalled     = 0.20 // of the time some program waits for a disk
	starved     = 0.10 // likewise for memory
	crowded     = 0.15 // part of the CPUs that others keep busy
	wellScaled  = 0.90 // efficiency
	freeAtLeast = 0.30 // part of the CPUs that nobody uses, from which they do not limit
)

// limits says what limits the work at the best number of workers or beyond it, the
// most certain first. There is at least one.
func limits(r *Report) []Limit {
	var found []Limit
	add := func(what Resource, format string, args ...any) {
		found = append(found, Limit{what, fmt.Sprintf(format, args...)})
	}
	last := r.Levels[len(r.Levels)-1]
	best := r.level(r.Best.Workers)
	cpus := float64(r.CPUs)
	full := last.CPUs >= busy*cpus
	if full {
		add(CPU, "with %s the commands keep %.2g of %d CPUs busy; workers beyond the CPUs only take turns", workers(last.Workers), last.CPUs, r.CPUs)
	}
	if one, most, ok := r.dearness(); ok && ratio(most.CPUSeconds, one.CPUSeconds) >= dearer {
		add(MemoryBandwidth, "a command takes %.2g times as much CPU time beside others (%s) as alone: CPUs wait for memory or caches that they share, or two of them are one core", most.CPUSeconds/one.CPUSeconds, workers(most.Workers))
	}
	if last.IOStall >= stalled {
		add(Disk, "with %s some program waited for a disk in %.0f %% of the time, at %s read and written a second", workers(last.Workers), last.IOStall*100, size(last.Disk))
	}
	if last.MemoryStall >= starved {
		add(Memory, "with %s some program waited for memory in %.0f %% of the time, with %.3g pages a second read back from a disk", workers(last.Workers), last.MemoryStall*100, last.Faults)
	}
	scales := best.Workers == last.Workers && (best.Efficiency >= wellScaled || best.Speedup == 0)
	if !full && !scales && last.Others >= crowded*cpus && last.CPUs+last.Others >= busy*cpus {
		add(Others, "other programs keep %.2g of %d CPUs busy", last.Others, r.CPUs)
	}
	if len(found) > 0 {
		return found
	}
	switch free := 1 - (last.CPUs+last.Others)/cpus; {
	case scales:
		add(Nothing, "the most workers that were tried did the most, and the commands do not keep all CPUs busy: try more with --workers")
	case free >= freeAtLeast:
		add(Locks, "with %s %.0f %% of the CPUs have nothing to do and no disk is waited for, yet throughput does not rise: commands wait for each other or for something else that all use (a command waits %.3g times): a lock, a server, the network, a timer", workers(last.Workers), free*100, last.Switches)
	default:
		add(CPU, "with %s little of the CPUs is left: %.2g of %d are busy", workers(last.Workers), last.CPUs+last.Others, r.CPUs)
	}
	return found
}

// dearness gives the levels between which the CPU time of a command is compared: one
// worker, and the most that have a CPU each.
func (r *Report) dearness() (one, most Level, ok bool) {
	for _, l := range r.Levels {
		if l.Workers == 1 {
			one = l
		}
		if l.Workers <= r.CPUs {
			most = l
		}
	}
	return one, most, one.Workers == 1 && most.Workers > 1 && one.CPUSeconds > 0
}

// notes says what one should know before one believes the rest.
func (r *Report) notes() {
	note := func(format string, args ...any) { r.Notes = append(r.Notes, fmt.Sprintf(format, args...)) }
	if r.Failed > 0 {
		note("%d commands failed; how fast a command fails says little of how fast it works", r.Failed)
	}
	others := 0.0
	for _, l := range r.Levels {
		others = max(others, l.Others)
	}
	if others >= crowded*float64(r.CPUs) {
		note("other programs kept up to %.2g CPUs busy meanwhile; measure again when the machine is quiet", others)
	}
	if last := r.Levels[len(r.Levels)-1]; r.Best.Workers == last.Workers && len(r.Levels) > 1 && r.Limits[0].What != CPU {
		note("the best number is the highest that was tried; more may be better: --workers %d", 2*last.Workers)
	}
	if r.Rounds == 1 {
		note("there was time for one round only, so nothing tells noise from truth: give a longer --for")
	}
	if first := r.Levels[0]; first.Throughput*short > float64(first.Workers) {
		note("a command takes less than %.0f ms, of which its start is a good part: that is what was measured; take larger inputs, or several to a command", short*1000)
	}
	if r.Levels[0].Workers != 1 {
		note("one worker was not tried, so there is no speed-up to tell")
	}
}

func workers(n int) string {
	if n == 1 {
		return "1 worker"
	}
	return fmt.Sprintf("%d workers", n)
}

// size is bytes as people read them.
func size(bytes float64) string {
	for _, u := range []string{"B", "kB", "MB"} {
		if bytes < 1000 {
			return fmt.Sprintf("%.3g %s", bytes, u)
		}
		bytes /= 1000
	}
	return fmt.Sprintf("%.3g GB", bytes)
}
