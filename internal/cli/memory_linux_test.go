package cli

import (
	"io"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// A hundred times the inputs take no more memory; what a run of the garbage
// collector makes of it is allowed for.
func TestDryRunMemory(t *testing.T) {
	t.Parallel()
	few, many := dryRunPeak(t, 10_000), dryRunPeak(t, 1_000_000)
	if float64(many) > 1.3*float64(few) {
		t.Errorf("10 thousand inputs take %d KB, a million %d KB", few, many)
	}
}

// dryRunPeak is the peak of the memory of tutti map --dry-run in KB.
func dryRunPeak(t *testing.T, inputs int) int64 {
	t.Helper()
	r, w := io.Pipe()
	go func() {
		var b strings.Builder
		for i := range inputs {
			b.WriteString(strconv.Itoa(i) + "\n")
			if b.Len() > 32<<10 {
				_, _ = io.WriteString(w, b.String())
				b.Reset()
			}
		}
		_, _ = io.WriteString(w, b.String())
		_ = w.Close()
	}()
	cmd := exec.Command("tutti", "map", "--dry-run", "echo {} {.}")
	cmd.Stdin = r
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	return cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss
}
