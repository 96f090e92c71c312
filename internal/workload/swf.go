package workload

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/tutti-run/tutti/sim"
)

// Record is a line of the Standard Workload Format, version 2.2, of the Parallel
// Workloads Archive: S. J. Chapin and others, Benchmarks and Standards for the
// Evaluation of Parallel Job Schedulers, JSSPP 1999. A value that is missing is −1.
type Record struct {
	Job             int64   // 1: its number
	Submit          float64 // 2: s since the start of the log
	Wait            float64 // 3: s until it began
	Run             float64 // 4: s from its start to its end
	Processors      int64   // 5: that it was given
	CPUTime         float64 // 6: s on each processor, on average
	Memory          int64   // 7: KiB on each processor, on average
	WantsProcessors int64   // 8
	WantsTime       float64 // 9: s that its user asked for
	WantsMemory     int64   // 10: KiB on each processor
	Status          int64   // 11: 1 completed, 0 failed, 5 cancelled, 2 to 4 parts of a job
	User            int64   // 12
	Group           int64   // 13
	Executable      int64   // 14
	Queue           int64   // 15
	Partition       int64   // 16
	Preceding       int64   // 17: the job that it waited for
	ThinkTime       float64 // 18: s from the end of that to its own submission
}

// swfFailed is the status of a job that failed.
const swfFailed = 0

// swfFields is how many a record has.
const swfFields = 18

// Header is what the comments of a trace say of it: "; Computer: Intel iPSC/860".
type Header map[string]string

// parseHeader adds a comment line to the header. What is said twice is joined.
func (h Header) parse(line string) {
	name, value, ok := strings.Cut(strings.TrimLeft(line, "; \t"), ":")
	if name, value = strings.TrimSpace(name), strings.TrimSpace(value); !ok || name == "" || strings.ContainsAny(name, " \t") {
		return
	}
	if was := h[name]; was != "" {
		value = was + "\n" + value
	}
	h[name] = value
}

// ParseRecord reads a line of a trace. The error says which field is wrong.
func ParseRecord(line string) (r Record, err error) {
	f := strings.Fields(line)
	if len(f) != swfFields {
		return r, fmt.Errorf("%d fields, and a record has %d", len(f), swfFields)
	}
	whole := func(i int) int64 {
		v, parse := strconv.ParseInt(f[i-1], 10, 64)
		if err == nil && (parse != nil || v < -1) {
			err = fmt.Errorf("field %d is %.40q: it is a whole number from 0 on, or -1 where it is missing", i, f[i-1])
		}
		return v
	}
	seconds := func(i int) float64 {
		v, parse := strconv.ParseFloat(f[i-1], 64)
		if err == nil && (parse != nil || !(v >= 0 || v == -1) || v > float64(LengthMax)/1e9) {
			err = fmt.Errorf("field %d is %.40q: it is seconds from 0 on, or -1 where they are missing", i, f[i-1])
		}
		return v
	}
	r = Record{
		Job: whole(1), Submit: seconds(2), Wait: seconds(3), Run: seconds(4), Processors: whole(5), CPUTime: seconds(6),
		Memory: whole(7), WantsProcessors: whole(8), WantsTime: seconds(9), WantsMemory: whole(10), Status: whole(11),
		User: whole(12), Group: whole(13), Executable: whole(14), Queue: whole(15), Partition: whole(16),
		Preceding: whole(17), ThinkTime: seconds(18),
	}
	return r, err
}

// job makes a job of a record; false where nobody knows how long it ran, or when it
// was submitted.
func (r *Record) job() (j Job, ok bool, err error) {
	if r.Run < 0 || r.Submit < 0 {
		return j, false, nil
	}
	at, err := span(r.Submit)
	if err != nil {
		return j, false, err
	}
	if j.Length, err = span(r.Run); err != nil {
		return j, false, err
	}
	if r.WantsTime > 0 {
		if j.Expected, err = span(r.WantsTime); err != nil {
			return j, false, err
		}
	}
	cpus := r.Processors
	if cpus <= 0 {
		cpus = r.WantsProcessors
	}
	if cpus > CPUsMax {
		return j, false, fmt.Errorf("it used %d processors: at most %d are possible", cpus, CPUsMax)
	}
	memory := max(r.Memory, 0)
	if memory > memoryMax>>10 {
		return j, false, fmt.Errorf("it used %d KiB of memory on each processor: at most %d are possible", memory, memoryMax>>10)
	}
	j.At, j.CPUs, j.Memory, j.Failed = sim.Time(at), int(max(cpus, 1)), memory<<10, r.Status == swfFailed
	return j, true, nil
}

// memoryMax bounds what a job needs on a CPU: 64 TiB.
const memoryMax = 1 << 46

// ReadSWF reads a trace. Broken lines are an error, or with skipBad are counted.
func ReadSWF(in io.Reader, name string, skipBad bool) (*Workload, Header, error) {
	w, header := &Workload{Name: name, Commands: true}, Header{}
	preceded := 0
	err := lines(in, skipBad, &w.Bad, func(line []byte) error {
		text := string(bytes.TrimSpace(line))
		if text == "" {
			return nil
		}
		if text[0] == ';' {
			header.parse(text)
			return nil
		}
		r, err := ParseRecord(text)
		if err != nil {
			return &badLine{err}
		}
		j, ok, err := r.job()
		switch {
		case err != nil:
			return &badLine{err}
		case !ok:
			w.NoLength++
			return nil
		}
		if r.Preceding > 0 {
			preceded++
		}
		return w.add(j)
	})
	if _, broken := errors.AsType[*badLine](err); broken && len(w.Jobs)+w.NoLength == 0 {
		err = fmt.Errorf("%w; is it a job log, or a trace in the Standard Workload Format, at all?", err)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", name, err)
	}
	slices.SortStableFunc(w.Jobs, func(a, b Job) int { return cmp.Compare(a.At, b.At) })
	if preceded > 0 {
		w.Notes = append(w.Notes, fmt.Sprintf("%d jobs waited for another's end: they are submitted when the trace says, whatever that other does here", preceded))
	}
	return w, header, nil
}

// badLine is what is wrong with a line, which may be passed over.
type badLine struct{ err error }

func (b *badLine) Error() string { return b.err.Error() }

// lines calls f with each line. Its errors get the line's number; those of kind
// badLine are counted if skip says so.
func lines(in io.Reader, skip bool, bad *int, f func(line []byte) error) error {
	s := bufio.NewScanner(in)
	s.Buffer(make([]byte, 64<<10), lineMax)
	n := 0
	for s.Scan() {
		n++
		err := f(s.Bytes())
		_, broken := errors.AsType[*badLine](err)
		switch {
		case broken && skip:
			*bad++
		case broken:
			return fmt.Errorf("line %d: %w; --skip-bad passes over such lines", n, err)
		case err != nil:
			return err
		}
	}
	if errors.Is(s.Err(), bufio.ErrTooLong) {
		return fmt.Errorf("line %d is longer than %d bytes: is this the right file?", n+1, lineMax)
	}
	return s.Err()
}
