package journal

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"hash/crc32"
	"strconv"
	"strings"
	"time"
)

// The journal of a run: one file, to which lines are appended and nothing else is
// ever done; behind them, until the run ends, it has zeros (see tape). A line is whole or
// it does not count: it begins with a checksum of the rest, since a power cut may leave
// zeros, or a part, or the last lines without those before them.
//
//	crc32c (8 hex digits), space, kind, tab, what the kind has, newline
//
//	R  the run, as JSON: the first line
//	T  how many jobs there are, when all inputs have been read
//	J  a job that has ended: see Job
//	E  the end of a run that was not cut off, as JSON
//	A  the run goes on, as JSON: it was resumed

// Run is what is noted of a run when it begins.
type Run struct {
	Format  int       `json:"format"`
	ID      int       `json:"id"`
	Program string    `json:"program"` // as it was called: "tutti map"
	Words   []string  `json:"words"`   // behind that, as they were typed
	Args    []string  `json:"args"`    // the same with what profiles and the like add
	Folder  string    `json:"folder"`
	Env     []string  `json:"env,omitempty"` // the variables that were chosen to be part of what a job is
	Begin   time.Time `json:"begin"`
	PID     int       `json:"pid"`
	// Executable is the program that jobs start, where that is one for all.
	Executable string `json:"executable,omitempty"`
	// Stdin says what became of standard input: StdinNone, StdinKept, StdinData, or
	// the path of the file that it was.
	Stdin string `json:"stdin,omitempty"`
	// RerunOf is the run whose jobs, or failed jobs, this one runs again.
	RerunOf int `json:"rerun_of,omitempty"`
	// OnlyFailed says that of RerunOf only what had failed is run.
	OnlyFailed bool `json:"only_failed,omitempty"`
	// Template is what its jobs have in common but for their inputs: see Past.
	Template string `json:"template,omitempty"`
}

// What Run.Stdin may be beside a path.
const (
	StdinNone = ""     // nothing was read from it
	StdinKept = "kept" // the inputs in it are in the file beside the journal
	StdinData = "data" // jobs read it, and it is gone
)

// runFormat is the version of the files.
const runFormat = 1

// RunEnd is what is noted at the end of a run.
type RunEnd struct {
	End  time.Time `json:"end"`
	Code int       `json:"code"`          // exit code
	Why  string    `json:"why,omitempty"` // what ended it early: a signal, --halt
	// Guess is what was said at its begin of how long it would take; nil: nothing.
	Guess *RunGuess `json:"guess,omitempty"`
}

// RunGuess is a forecast of a run's end, and what came of it. All are seconds.
type RunGuess struct {
	Left   float64 `json:"left"`   // said
	Within float64 `json:"within"` // the error that was said with it
	Took   float64 `json:"took"`   // from then on
}

// again is what is noted when a run is resumed.
type again struct {
	Begin time.Time `json:"begin"`
	PID   int       `json:"pid"`
}

// Identity is what jobs of a run have in common: where they run, and the variables
// that were chosen to be part of what they are. Make one with NewIdentity.
type Identity struct{ of [sha256.Size]byte }

// NewIdentity returns the identity of a run's jobs. env is sorted.
func NewIdentity(folder string, env []string) Identity {
	var b []byte
	for _, part := range append([]string{folder}, env...) {
		b = binary.AppendUvarint(b, uint64(len(part)))
		b = append(b, part...)
	}
	return Identity{sha256.Sum256(b)}
}

// Key is what a job is: its command, where it runs, and the chosen variables; its
// number only where the command reads that (see Done).
type Key [16]byte

// Key returns what a job is. folder is where it runs, "" that of the run.
func (id Identity) Key(seq int64, folder, command string) Key {
	b := make([]byte, 0, len(id.of)+len(folder)+len(command)+32)
	b = append(b, id.of[:]...)
	b = binary.AppendUvarint(b, uint64(len(folder)))
	b = append(b, folder...)
	if !strings.Contains(command, numberVariable) {
		seq = 0
	}
	b = binary.AppendVarint(b, seq)
	sum := sha256.Sum256(append(b, command...))
	return Key(sum[:16])
}

// Job is a job that has ended.
type Job struct {
	Entry
	Key     Key
	Attempt int64         // of all attempts the one that counted, from 1
	CPU     time.Duration // of the command and all that it waited for
	Memory  int64         // bytes: the most that one of its processes held; 0: not known
	Size    int64         // bytes of the files that its inputs name; 0: not known
	Guess   time.Duration // what it was expected to take; below 0: nothing was
	How     string        // "": by itself; else a word: timeout, lost, …
}

// checksum is of the Castagnoli kind. The table is made when it is first needed: a worker
// process, which starts as quickly as it can, has no journal.
func checksum(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

// appendLine appends a line of a kind.
func appendLine(b []byte, kind byte, payload []byte) []byte {
	at := len(b)
	b = append(b, "00000000 "...)
	b = append(b, kind, '\t')
	b = append(b, payload...)
	sum := checksum(b[at+9:])
	hex.Encode(b[at:], []byte{byte(sum >> 24), byte(sum >> 16), byte(sum >> 8), byte(sum)})
	return append(b, '\n')
}

// parseLine takes a line apart, which comes without its newline; false when it is
// not whole.
func parseLine(line []byte) (kind byte, payload []byte, ok bool) {
	if len(line) < 11 || line[8] != ' ' || line[10] != '\t' {
		return 0, nil, false
	}
	var sum [4]byte
	if _, err := hex.Decode(sum[:], line[:8]); err != nil {
		return 0, nil, false
	}
	want := uint32(sum[0])<<24 | uint32(sum[1])<<16 | uint32(sum[2])<<8 | uint32(sum[3])
	return line[9], line[11:], checksum(line[9:]) == want
}

func appendJSON(b []byte, kind byte, v any) ([]byte, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return b, err
	}
	return appendLine(b, kind, text), nil
}

// A job's line begins with what resuming asks for, so that reading a million of them
// need not look at the rest.
//
//	key (32 hex digits), tab, + or - (it failed), seq, attempt, exit, signal,
//	start and runtime in ms, bytes of output, used, how it ended, command
//
// used is the CPU time in ms and, behind commas, what older journals lack: the memory
// in KiB, the size of the input, the guess in ms.

// appendTo appends a job's line.
func (j *Job) appendTo(b []byte) []byte {
	p := hex.AppendEncode(nil, j.Key[:])
	outcome := byte('-')
	if j.OK() {
		outcome = '+'
	}
	p = append(p, '\t', outcome)
	for _, n := range []int64{j.Seq, j.Attempt, int64(j.Exit), int64(j.Signal), j.Start.UnixMilli(),
		j.Runtime.Milliseconds(), j.Receive} {
		p = append(p, '\t')
		p = strconv.AppendInt(p, n, 10)
	}
	p = append(p, '\t')
	p = strconv.AppendInt(p, j.CPU.Milliseconds(), 10)
	guess := int64(-1)
	if j.Guess >= 0 {
		guess = j.Guess.Milliseconds()
	}
	for _, n := range []int64{j.Memory >> 10, j.Size, guess} {
		p = append(p, ',')
		p = strconv.AppendInt(p, n, 10)
	}
	p = append(p, '\t')
	p = append(p, j.How...)
	p = append(p, '\t')
	p = append(p, strings.ReplaceAll(j.Command, "\n", "\x00")...)
	return appendLine(b, 'J', p)
}

// parseKey reads the first columns of a job's line.
func parseKey(payload []byte) (k Key, seq int64, failed, ok bool) {
	c := columns{rest: payload}
	k, seq, failed = c.key()
	return k, seq, failed, !c.wrong
}

// parseJob reads a job's line.
func parseJob(payload []byte) (j Job, ok bool) {
	j, command, ok := parseFacts(payload)
	j.Command = string(bytes.ReplaceAll(command, []byte{0}, []byte("\n")))
	return j, ok
}

// parseFacts reads a job's line but for the command, which it gives as it stands there:
// of tens of thousands of jobs nobody may want to know it, and the rest takes no memory.
func parseFacts(payload []byte) (j Job, command []byte, ok bool) {
	c := columns{rest: payload}
	j.Key, j.Seq, _ = c.key() // that it failed is in exit and signal too
	j.Attempt = c.number('\t')
	j.Exit, j.Signal = int(c.number('\t')), int(c.number('\t'))
	j.Start = time.UnixMilli(c.number('\t'))
	j.Runtime = time.Duration(c.number('\t')) * time.Millisecond
	j.Receive = c.number('\t')
	used := columns{rest: c.next('\t')}
	j.How, j.Host = string(c.next('\t')), ":"
	j.CPU = time.Duration(used.number(',')) * time.Millisecond
	guess := int64(-1) // what is not there is not known
	for _, n := range []*int64{&j.Memory, &j.Size, &guess} {
		if !used.over {
			*n = used.number(',')
		}
	}
	j.Memory <<= 10
	j.Guess = time.Duration(guess) * time.Millisecond
	return j, c.rest, !c.over && !c.wrong && !used.wrong
}

// columns takes a line apart.
type columns struct {
	rest  []byte
	over  bool // the last column was taken
	wrong bool // there was none left to take, or a number that is none
}

// key takes the first columns of a job's line: what the job is, its number, and whether it
// failed.
func (c *columns) key() (k Key, seq int64, failed bool) {
	const outcome, number = 2*len(k) + 1, 2*len(k) + 3 // where these columns begin
	if len(c.rest) < number || c.rest[outcome-1] != '\t' || c.rest[number-1] != '\t' {
		c.wrong = true
		return k, 0, false
	}
	_, err := hex.Decode(k[:], c.rest[:outcome-1])
	c.wrong = err != nil
	failed = c.rest[outcome] == '-'
	c.rest = c.rest[number:]
	return k, c.number('\t'), failed
}

// next takes the column that ends with such a byte, or is the last one.
func (c *columns) next(end byte) []byte {
	n := bytes.IndexByte(c.rest, end)
	if n < 0 {
		n = len(c.rest)
	}
	return c.take(n)
}

// take takes the next n bytes as a column, and what ends it.
func (c *columns) take(n int) []byte {
	c.wrong = c.wrong || c.over
	column := c.rest[:n]
	if c.over = n == len(c.rest); c.over {
		c.rest = nil
	} else {
		c.rest = c.rest[n+1:]
	}
	return column
}

// number takes a column of digits, with a minus before them or none.
func (c *columns) number(end byte) (n int64) {
	const digitsMost = 18 // as many always fit
	at, sign := 0, int64(1)
	if len(c.rest) > 0 && c.rest[0] == '-' {
		at, sign = 1, -1
	}
	begin := at
	for at < len(c.rest) && '0' <= c.rest[at] && c.rest[at] <= '9' {
		n = 10*n + int64(c.rest[at]-'0')
		at++
	}
	c.wrong = c.wrong || at == begin || at-begin > digitsMost || at < len(c.rest) && c.rest[at] != end
	c.take(at)
	return sign * n
}
