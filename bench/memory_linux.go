package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
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

// peakOfRun streams inputs into a command line that prints one line for each, and
// returns the peak memory of its processes. The input is kept open until the output
// has come to rest, so that the processes are there to be looked at.
func peakOfRun(ctx context.Context, p program, inputs int64) (int64, error) {
	runtime.LockOSThread() // see program.run
	defer runtime.UnlockOSThread()
	cmd, release, err := p.prepare(ctx)
	if err != nil {
		return 0, err
	}
	defer release()
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
	peak := watchPeak(cmd.Process.Pid, &lines, fed, stdin, drained)
	if err := cmd.Wait(); err != nil {
		return 0, p.failure(err, &complaint)
	}
	if lines.Load() != inputs {
		return 0, fmt.Errorf("%s printed %d lines for %d inputs", p.path, lines.Load(), inputs)
	}
	if peak == 0 {
		return 0, fmt.Errorf("%s was gone before its memory was looked at", p.path)
	}
	return peak, nil
}

// watchPeak looks at the memory of the tool's processes until its output ends. It
// closes the input once all is fed and no line came for restTicks looks.
func watchPeak(pid int, lines *atomic.Int64, fed <-chan error, stdin io.Closer, drained <-chan struct{}) (peak int64) {
	const lookEvery, restTicks = 10 * time.Millisecond, 20
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	tool := newToolTree(pid)
	allFed, rest, before := false, 0, int64(-1)
	for {
		select {
		case <-drained:
			return peak
		case <-fed: // an error shows in the number of lines
			allFed = true
		case <-ticker.C:
			peak = max(peak, tool.look())
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

// toolTree is a tool's process and those below it that execute the same file: its
// workers, and not the jobs.
type toolTree struct {
	root int
	seen map[int]int // in how many looks, one after the other, a process was there
}

// settled is in how many looks a process must have been there to count. Between fork
// and exec a job looks like the tool, and shows the tool's memory as its own; on a
// busy machine that lasts for tens of looks.
const settled = 100

func newToolTree(pid int) *toolTree { return &toolTree{root: pid, seen: map[int]int{}} }

// look returns the sum of the peaks of the tool's processes, in KiB; 0 when they have
// ended.
func (t *toolTree) look() (kib int64) {
	file, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", t.root))
	if err != nil {
		return 0
	}
	there := map[int]int{}
	for queue := []int{t.root}; len(queue) > 0; queue = queue[1:] {
		pid := queue[0]
		if same, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid)); err != nil || same != file {
			continue
		}
		there[pid] = t.seen[pid] + 1
		if pid == t.root || there[pid] >= settled {
			if peak, err := peakMemory(strconv.Itoa(pid)); err == nil {
				kib += peak
			}
		}
		queue = append(queue, childrenOf(pid)...)
	}
	t.seen = there
	return kib
}

// childrenOf lists the children of all threads of a process; none when it has ended.
func childrenOf(pid int) (pids []int) {
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid)) // the pattern is sound
	for _, list := range lists {
		data, err := os.ReadFile(list)
		if err != nil {
			continue
		}
		for word := range strings.FieldsSeq(string(data)) {
			if child, err := strconv.Atoi(word); err == nil {
				pids = append(pids, child)
			}
		}
	}
	return pids
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
