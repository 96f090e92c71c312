//go:build !race

package tutti_test

const raceDetector = false
