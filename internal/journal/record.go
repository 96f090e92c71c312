package journal

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"
)

// Record is the journal of a run, as it stands in its file.
type Record struct {
	Run
	Total   int64     // jobs; -1 while not all inputs had been read
	Ends    []RunEnd  // how it ended, each time that it was not cut off
	Resumed int       // times
	Latest  time.Time // when it began, or was last resumed
	Open    bool      // it was begun, or resumed, and no end is noted
	OK      int64     // jobs that succeeded
	Failed  int64     // jobs that failed, and did not succeed since
	Damaged int64     // lines that are not whole and have whole ones behind them

	whole int64 // bytes up to the end of the last whole line
}

// ErrNotJournal says that a file is no journal of a run, or one of another version.
var ErrNotJournal = errors.New("not the journal of a run that this version of tutti knows")

// readRun reads a journal, brings its jobs together in c, and calls job, if it is not
// nil, with the line of each.
func readRun(r io.Reader, c *collector, job func(payload []byte)) (*Record, error) {
	l := lineReader{r: bufio.NewReaderSize(r, 256<<10)}
	rec := &Record{Total: -1}
	bad := int64(0)
	for {
		line, err := l.next()
		if errors.Is(err, io.EOF) {
			break // what stands behind the last newline is torn
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", l.n, err)
		}
		kind, payload, ok := parseLine(line)
		if !ok {
			bad++
			continue
		}
		if rec.whole == 0 && (kind != 'R' || json.Unmarshal(payload, &rec.Run) != nil || rec.Format != runFormat) {
			return nil, ErrNotJournal
		}
		rec.Damaged += bad
		bad, rec.whole = 0, l.offset
		if kind != 'J' {
			rec.note(kind, payload)
			continue
		}
		if k, seq, failed, ok := parseKey(payload); ok {
			if c.addKey(key(k), seq, !failed); !failed {
				rec.OK++
			}
		}
		if job != nil {
			job(payload)
		}
	}
	if rec.whole == 0 {
		return nil, ErrNotJournal
	}
	rec.Failed = int64(len(c.failed))
	return rec, nil
}

// note takes in what a line says of the run.
func (r *Record) note(kind byte, payload []byte) {
	switch kind {
	case 'R':
		r.Open, r.Latest = true, r.Begin
	case 'T':
		if n, err := strconv.ParseInt(string(payload), 10, 64); err == nil {
			r.Total = n
		}
	case 'E':
		var e RunEnd
		if json.Unmarshal(payload, &e) == nil {
			r.Ends, r.Open = append(r.Ends, e), false
		}
	case 'A':
		var a again
		if json.Unmarshal(payload, &a) == nil {
			r.Resumed++
			r.Open, r.Latest, r.PID = true, a.Begin, a.PID
		}
	}
}

// onlyFailed is what failed and did not succeed since: Had tells which jobs are to be
// run again.
func (c *collector) onlyFailed() *Done {
	only := collector{failed: c.failed}
	return only.done(Options{})
}

// Had tells whether a job that is this is in d, and takes it out; see Has.
func (d *Done) Had(k Key) bool {
	return d != nil && d.left > 0 && d.takeOut(key(k))
}
