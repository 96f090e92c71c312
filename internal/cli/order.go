package cli

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"time"

	"github.com/tutti-run/tutti/internal/history"
)

// mayReorder reports whether the longest jobs may be started first where nobody asked
// for an order. One at a time they would only come in another one than people expect.
func (p *plan) mayReorder() bool {
	return !p.Given("order") && !p.Shuffle && !p.Interactive && (p.jobs > 1 || p.jobsFile != "")
}

// template is what the jobs of a run have in common but for their inputs, as a short
// name: runs with the same may be expected to have jobs that take as long.
func (p *plan) template() string {
	var b []byte
	for _, part := range append([]string{p.Persistent, p.Replace}, p.words...) {
		b = append(strconv.AppendQuote(b, part), ' ')
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16])
}

// guessNs is how long a job is expected to take, in ns; below 0 if nothing is.
func (j *job) guessNs() int64 {
	if j.guess.Basis == history.ByNothing {
		return -1
	}
	return int64(j.guess.Seconds * 1e9)
}

// seconds is a duration, within what that holds.
func seconds(s float64) time.Duration {
	const most = 100 * 365 * 24 * time.Hour
	return time.Duration(min(s, most.Seconds()) * float64(time.Second))
}
