// Package journal is the job log: one line for each command that ran, written so
// that a run cut off at any instant can be resumed without running anything
// twice.
//
// The file is GNU parallel's --joblog, byte for byte, and either program reads
// the other's: a header, then nine columns separated by tabs.
//
//	Seq  Host  Starttime  JobRuntime  Send  Receive  Exitval  Signal  Command
//
// The command is the last column and may contain tabs. A newline in it is
// written as a NUL byte, as GNU does; no command can contain a NUL, so this can
// be undone. Times are seconds with three decimals.
//
// What is resumed is decided by the commands and not by the sequence numbers
// (see Done): GNU skips the numbers it finds, and so silently skips the wrong
// jobs where inputs were changed or reordered since.
package journal

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

const header = "Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand\n"

// lineBytesMax bounds a line, and so the memory that reading a broken log takes:
// the longest command line, each byte quoted.
const lineBytesMax = 16 << 20

// Entry is one finished command.
type Entry struct {
	Seq     int64         // its number in the run, from 1
	Host    string        // empty or ":" for this machine
	Start   time.Time     // kept to the millisecond
	Runtime time.Duration // kept to the millisecond
	Send    int64         // bytes sent to another host: 0 here
	Receive int64         // bytes of output
	Exit    int           // exit status
	Signal  int           // the signal that killed it, or 0
	Command string        // its text; any bytes but NUL
}

// OK tells whether the command succeeded.
func (e Entry) OK() bool { return e.Exit == 0 && e.Signal == 0 }

// appendTo appends e's line to b.
func (e Entry) appendTo(b []byte) ([]byte, error) {
	if strings.Contains(e.Command, "\x00") {
		return b, fmt.Errorf("job %d: the command contains a NUL byte", e.Seq)
	}
	if strings.ContainsAny(e.Host, "\t\n") || e.Seq < 1 || e.Start.Unix() < 0 {
		return b, fmt.Errorf("job %d: not an entry: host %q, start %v", e.Seq, e.Host, e.Start)
	}
	if e.Host == "" {
		e.Host = ":"
	}
	was := len(b)
	ms := e.Start.UnixMilli()
	b = fmt.Appendf(b, "%d\t%s\t%d.%03d\t%10.3f\t%d\t%d\t%d\t%d\t", e.Seq, e.Host, ms/1000, ms%1000, e.Runtime.Seconds(),
		e.Send, e.Receive, e.Exit, e.Signal)
	b = append(b, strings.ReplaceAll(e.Command, "\n", "\x00")...)
	b = append(b, '\n')
	if len(b)-was > lineBytesMax {
		return b[:was], fmt.Errorf("job %d: its line is longer than %d bytes", e.Seq, lineBytesMax)
	}
	return b, nil
}

// ParseEntry reads a line without its newline. The error says which column is wrong.
func ParseEntry(line []byte) (Entry, error) {
	fields := bytes.SplitN(line, []byte("\t"), 9)
	if len(fields) != 9 {
		return Entry{}, fmt.Errorf("%d columns of 9", len(fields))
	}
	var first error
	column := func(i int, what string, parse func(string) (int64, error)) int64 {
		v, err := parse(string(fields[i]))
		if err != nil && first == nil {
			first = fmt.Errorf("%s %.40q is not a number of the kind", what, fields[i])
		}
		return v
	}
	e := Entry{
		Seq:     column(0, "Seq", parseCount),
		Host:    string(fields[1]),
		Start:   time.UnixMilli(column(2, "Starttime", parseMillis)),
		Runtime: time.Duration(column(3, "JobRuntime", parseMillis)) * time.Millisecond,
		Send:    column(4, "Send", parseInt),
		Receive: column(5, "Receive", parseInt),
		Exit:    int(column(6, "Exitval", parseInt32)),
		Signal:  int(column(7, "Signal", parseInt32)),
		Command: string(bytes.ReplaceAll(fields[8], []byte{0}, []byte("\n"))),
	}
	if first == nil && e.Host == "" {
		first = errors.New("no host")
	}
	return e, first
}

var errNumber = errors.New("not a number")

func parseInt(s string) (int64, error) { return strconv.ParseInt(s, 10, 64) }

func parseInt32(s string) (int64, error) { return strconv.ParseInt(s, 10, 32) }

func parseCount(s string) (int64, error) {
	n, err := parseInt(s)
	if err == nil && n < 1 {
		err = errNumber
	}
	return n, err
}

// parseMillis reads seconds with decimals as whole milliseconds. The clock may
// have been set back while a job ran, so a runtime may be below 0.
func parseMillis(s string) (int64, error) {
	whole, decimals, _ := strings.Cut(strings.TrimLeft(s, " "), ".")
	n, err := parseInt(whole)
	if err != nil || n > math.MaxInt64/int64(time.Second)-1 || n < -math.MaxInt64/int64(time.Second)+1 {
		return 0, errNumber
	}
	if strings.Trim(decimals, "0123456789") != "" {
		return 0, errNumber
	}
	ms, err := parseInt((decimals + "000")[:3])
	if strings.HasPrefix(whole, "-") {
		ms = -ms
	}
	return n*1000 + ms, err
}
