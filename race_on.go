//go:build race

package tutti

const raceEnabled = true
