package tutti

import "github.com/tutti-run/tutti/internal/engine"

// Stats are the figures of a pool since it was opened. Durations are sampled:
// every task that was submitted alone is timed, and one of each lot of a Map.
type Stats = engine.Stats

// WorkerStats are the figures of one worker.
type WorkerStats = engine.WorkerStats

// Percentiles of sampled durations, in nanoseconds, right to within a quarter.
type Percentiles = engine.Percentiles

// Stats reads the pool's figures, which the workers keep in shared memory at no
// cost to speak of; reading them disturbs nobody.
// They are all zero once the pool is closed.
func (p *Pool) Stats() Stats {
	if !p.look() {
		return Stats{}
	}
	defer p.leave()
	if p.sub.Err() != nil {
		return Stats{}
	}
	return p.sub.Stats()
}
