package cli

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// peakFile names the file that tutti, run by a test, writes its peak to.
const peakFile = "TUTTI_TEST_PEAK"

// notePeak writes the most memory that this process, or one below it, had at a
// time. The rusage that a parent gets would not do: over fork and exec a process
// inherits the peak of who started it, here of all the tests in one process.
func notePeak() {
	path := os.Getenv(peakFile)
	if path == "" {
		return
	}
	peak, err := ownPeak()
	var below syscall.Rusage
	if err == nil {
		err = syscall.Getrusage(syscall.RUSAGE_CHILDREN, &below)
	}
	if err == nil {
		err = os.WriteFile(path, []byte(strconv.FormatInt(max(peak, below.Maxrss), 10)), 0o666)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "note the peak of memory:", err)
		os.Exit(1)
	}
}

// ownPeak is the peak of this process since it was executed, in KB.
func ownPeak() (int64, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	_, after, found := strings.Cut(string(status), "VmHWM:")
	fields := strings.Fields(after)
	if !found || len(fields) == 0 {
		return 0, fmt.Errorf("no VmHWM in %s", status)
	}
	return strconv.ParseInt(fields[0], 10, 64)
}

// readPeak is what notePeak wrote, in KB.
func readPeak(t *testing.T, path string) int64 {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	peak, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return peak
}

// The peak that is measured is tutti's own, however large the process that starts
// it is.
func TestPeakIsOwn(t *testing.T) {
	t.Parallel()
	ballast := make([]byte, 64<<20)
	for i := range ballast {
		ballast[i] = byte(i)
	}
	if peak := dryRunPeak(t, 10); peak > 48<<10 {
		t.Errorf("%d KB for ten inputs, with %d KB in the process that measures", peak, len(ballast)>>10)
	}
}

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
	peak := filepath.Join(t.TempDir(), "peak")
	cmd := exec.Command("tutti", "map", "--dry-run", "echo {} {.}")
	cmd.Stdin = r
	cmd.Env = append(os.Environ(), peakFile+"="+peak)
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	return readPeak(t, peak)
}
