package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// describeMachine names what the figures hold for.
func describeMachine() string {
	model := "unknown CPU"
	info, _ := os.ReadFile("/proc/cpuinfo") // some machines have no model to name
	for line := range strings.Lines(string(info)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
			model = strings.TrimSpace(value)
			break
		}
	}
	kernel := "unknown kernel"
	var name unix.Utsname
	if unix.Uname(&name) == nil {
		kernel = unix.ByteSliceToString(name.Release[:])
	}
	return fmt.Sprintf("%d CPUs, %s, Linux %s %s, %s", runtime.NumCPU(), model, kernel, runtime.GOARCH, runtime.Version())
}
