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
// ever done. A line is whole or it does not count: it begins with a checksum of the
// rest, since a power cut may leave zeros, or a part, or the last lines without
// those before them.
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
const jobColumns = 12

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
	if len(payload) < 36 || payload[32] != '\t' || payload[34] != '\t' {
		return k, 0, false, false
	}
	if _, err := hex.Decode(k[:], payload[:32]); err != nil {
		return k, 0, false, false
	}
	for _, c := range payload[35:] {
		if c == '\t' {
			break
		}
		seq = seq*10 + int64(c-'0')
	}
	return k, seq, payload[33] == '-', true
}

// parseJob reads a job's line.
func parseJob(payload []byte) (j Job, ok bool) {
	f := bytes.SplitN(payload, []byte("\t"), jobColumns)
	if len(f) != jobColumns {
		return j, false
	}
	if j.Key, _, _, ok = parseKey(payload); !ok {
		return j, false
	}
	var n [7]int64
	for i := range n {
		var err error
		if n[i], err = strconv.ParseInt(string(f[2+i]), 10, 64); err != nil {
			return j, false
		}
	}
	if !j.parseUsed(string(f[9])) {
		return j, false
	}
	j.Seq, j.Attempt, j.Exit, j.Signal = n[0], n[1], int(n[2]), int(n[3])
	j.Start, j.Runtime = time.UnixMilli(n[4]), time.Duration(n[5])*time.Millisecond
	j.Receive = n[6]
	j.How, j.Host = string(f[10]), ":"
	j.Command = string(bytes.ReplaceAll(f[11], []byte{0}, []byte("\n")))
	return j, true
}

// parseUsed reads the column of what a job used.
func (j *Job) parseUsed(column string) bool {
	n := [4]int64{3: -1} // what is not there is not known
	for i := range n {
		var one string
		var more bool
		one, column, more = strings.Cut(column, ",")
		var err error
		if n[i], err = strconv.ParseInt(one, 10, 64); err != nil {
			return false
		}
		if !more {
			break
		}
	}
	j.CPU, j.Memory, j.Size = time.Duration(n[0])*time.Millisecond, n[1]<<10, n[2]
	j.Guess = time.Duration(n[3]) * time.Millisecond
	return true
}
