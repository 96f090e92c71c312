package core

import (
	"fmt"
	"strconv"
)

// MaxTries is what --retries 0, which GNU parallel calls infinite, means.
const MaxTries = 1 << 31

// ParseRetries reads the value of --retries: how often in all a command is tried
// while it fails. 0 means MaxTries.
func ParseRetries(s string) (tries int64, err error) {
	n, err := strconv.ParseInt(s, 10, 64)
	switch {
	case !digits(s) || err != nil || n > MaxTries:
		return 0, fmt.Errorf("--retries %q: must be a whole number from 0 to %d: how often in all a failing job is tried; 0 tries without end", s, MaxTries)
	case n == 0:
		return MaxTries, nil
	}
	return n, nil
}

// CommandEnd says how one attempt of a command ended.
type CommandEnd uint8

// The ends of an attempt.
const (
	// CommandOK: exit status 0.
	CommandOK CommandEnd = iota
	// CommandFailed: another exit status, death by a signal, or no start at all.
	CommandFailed
	// CommandTimedOut: ended by its timeout.
	CommandTimedOut
	// CommandLost: the worker that ran it died; what it did is unknown.
	CommandLost
	// CommandStopped: ended because the run is ending (halt rule, Ctrl-C).
	CommandStopped
)

// TryAgain reports whether a command is to be run once more after attempt number
// attempt (from 1) ended so. tries is how often in all it may be run: 1 without
// --retries, and then never again whatever happened, since a command may have
// done its work before it failed. The caller starts the next attempt only when
// the process tree of this one is empty.
func TryAgain(attempt, tries int64, end CommandEnd) bool {
	switch end {
	case CommandOK, CommandStopped:
		return false
	}
	return attempt < tries
}
