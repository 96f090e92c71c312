package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// fewInputs is what the memory for very many inputs is compared with.
const fewInputs = 10_000

// memoryRounds is enough for a figure that hardly varies and takes long.
const memoryRounds = 3

// growth compares the master's peak memory for few inputs and for many; peak gives
// it in KiB.
func growth(ctx context.Context, many int64, peak func(ctx context.Context, inputs int64) (int64, error)) (figure, error) {
	few, err := peak(ctx, fewInputs)
	if err != nil {
		return figure{}, err
	}
	lots, err := peak(ctx, many)
	if err != nil {
		return figure{}, err
	}
	return figure{
		value: float64(lots) / float64(few),
		note:  fmt.Sprintf("%.1f MiB for %s, %.1f MiB for %s", float64(few)/1024, formatFigure(fewInputs), float64(lots)/1024, formatFigure(float64(many))),
	}, nil
}

// peakMemory returns the most memory that the process ever had resident, in KiB.
// wait4's ru_maxrss would not do: it begins with that of the process that forked.
func peakMemory(pid string) (int64, error) {
	status, err := os.ReadFile("/proc/" + pid + "/status")
	if err != nil {
		return 0, err
	}
	_, after, found := strings.Cut(string(status), "\nVmHWM:")
	var kib int64
	if _, err := fmt.Sscan(after, &kib); err != nil || !found {
		return 0, fmt.Errorf("process %s has no VmHWM: it has ended", pid)
	}
	return kib, nil
}

// memoryReport is what the child "memory" prints.
type memoryReport struct {
	outcome
	PeakKiB int64 `json:"peakKiB"`
}

// peakOfFunctions has a fresh process map a no-op over the inputs and say what its
// memory was.
func peakOfFunctions(ctx context.Context, inputs int64) (int64, error) {
	out, _, err := program{path: "/proc/self/exe", args: []string{"-child", "memory", strconv.FormatInt(inputs, 10)}}.run(ctx)
	if err != nil {
		return 0, err
	}
	var r memoryReport
	if err := json.Unmarshal(out, &r); err != nil {
		return 0, err
	}
	return r.PeakKiB, r.check(inputs, sumOfAddOne(inputs))
}

// peakOfDryRun streams inputs into a command line that prints one line for each and
// starts nothing, and returns the peak memory of its process. The input is kept open
// until the output has come to rest, so that the process is there to be looked at.
func peakOfDryRun(ctx context.Context, path string, args []string, inputs int64) (int64, error) {
	runtime.LockOSThread() // see program.run
	defer runtime.UnlockOSThread()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return 0, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return 0, err
	}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	fed := make(chan error, 1)
	go func() { fed <- feed(stdin, inputs) }()
	var lines atomic.Int64
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		countLines(stdout, &lines)
	}()
	peak := watchPeak(strconv.Itoa(cmd.Process.Pid), &lines, fed, stdin, drained)
	if err := cmd.Wait(); err != nil {
		return 0, fmt.Errorf("%s: %w: %s", path, err, oneLine(complaint.String()))
	}
	if lines.Load() != inputs {
		return 0, fmt.Errorf("%s printed %d lines for %d inputs", path, lines.Load(), inputs)
	}
	return peak, nil
}

// watchPeak looks at the process's memory until its output ends. It closes the input
// once all is fed and no line came for restTicks looks.
func watchPeak(pid string, lines *atomic.Int64, fed <-chan error, stdin io.Closer, drained <-chan struct{}) (peak int64) {
	const lookEvery, restTicks = 10 * time.Millisecond, 20
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	allFed, rest, before := false, 0, int64(-1)
	for {
		select {
		case <-drained:
			return peak
		case <-fed: // an error shows in the number of lines
			allFed = true
		case <-ticker.C:
			if now, err := peakMemory(pid); err == nil {
				peak = max(peak, now)
			}
			rest++
			if now := lines.Load(); now != before {
				before, rest = now, 0
			}
			if allFed && rest == restTicks {
				stdin.Close()
			}
		}
	}
}

func feed(w io.Writer, inputs int64) error {
	out := bufio.NewWriterSize(w, 1<<16)
	var line []byte
	for i := range inputs {
		line = append(strconv.AppendInt(line[:0], i, 10), '\n')
		if _, err := out.Write(line); err != nil {
			return err
		}
	}
	return out.Flush()
}

func countLines(r io.Reader, lines *atomic.Int64) {
	buffer := make([]byte, 1<<16)
	for {
		n, err := r.Read(buffer)
		lines.Add(int64(bytes.Count(buffer[:n], []byte{'\n'})))
		if err != nil {
			return
		}
	}
}
