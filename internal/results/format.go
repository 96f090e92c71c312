package results

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math"
	"strconv"
	"time"
	"unicode/utf8"
)

// format is how a table writes and reads its rows.
type format interface {
	// header begins a table with that many values in a row.
	header(w *bufio.Writer, names []string, columns int)
	// begin writes a row as far as the job's standard output.
	begin(w *bufio.Writer, j *Job, columns int)
	// field is what takes an output, piece by piece, and puts it into a row. Its
	// close is called when it is complete.
	field(w *bufio.Writer) field
	between(w *bufio.Writer)
	end(w *bufio.Writer)
	// scan calls row for each whole row that r holds, with its number and values,
	// of these as many as the header tells of. It returns where the last row ends,
	// and that many. What cannot be a table, or its begin, is an error: it is
	// somebody's file, and nothing may be cut off it.
	scan(r *bufio.Reader, row func(seq int64, args []string)) (end int64, columns int, err error)
}

// anyColumns is for a format whose rows tell of their values themselves.
const anyColumns = math.MaxInt

// field takes bytes of a row. Errors stay in the bufio.Writer that it writes to.
type field interface {
	io.Writer
	close()
}

// host is the machine, by its name in GNU parallel.
const host = ":"

// seconds is a time as in GNU parallel's tables.
func seconds(ms int64) string { return fmt.Sprintf("%d.%03d", ms/1000, ms%1000) }

// numbers is the columns between the number of a job and its command.
func numbers(j *Job) [6]string {
	return [6]string{
		seconds(j.Start.UnixMilli()), seconds(max(j.Runtime, 0).Truncate(time.Millisecond).Milliseconds()),
		strconv.FormatInt(j.Send, 10), strconv.FormatInt(j.Receive, 10), strconv.Itoa(j.Exit), strconv.Itoa(j.Signal),
	}
}

// separated is .csv and .tsv. A field is quoted where it has a quote, a separator,
// white space or a NUL, as with GNU parallel.
type separated struct{ by byte }

// fixedColumns are those before the values; two for the outputs follow them.
var fixedColumns = []string{"Seq", "Host", "Starttime", "JobRuntime", "Send", "Receive", "Exitval", "Signal", "Command"}

func (s separated) header(w *bufio.Writer, names []string, columns int) {
	for _, name := range fixedColumns {
		s.put(w, name)
	}
	for i := range columns {
		name := "V" + strconv.Itoa(i+1)
		if i < len(names) {
			name = names[i]
		}
		s.put(w, name)
	}
	s.put(w, "Stdout")
	_, _ = w.WriteString("Stderr\n")
}

// put writes a field and the separator behind it. What fails stays in w.
func (s separated) put(w *bufio.Writer, text string) {
	f := s.field(w)
	_, _ = f.Write([]byte(text))
	f.close()
	s.between(w)
}

func (s separated) begin(w *bufio.Writer, j *Job, columns int) {
	s.put(w, strconv.FormatInt(j.Seq, 10))
	s.put(w, host)
	for _, n := range numbers(j) {
		s.put(w, n)
	}
	s.put(w, j.Command)
	for _, v := range j.Args {
		s.put(w, v)
	}
	for range columns - len(j.Args) {
		s.between(w)
	}
}

func (s separated) between(w *bufio.Writer) { _ = w.WriteByte(s.by) }

func (s separated) end(w *bufio.Writer) { _ = w.WriteByte('\n') }

func (s separated) field(w *bufio.Writer) field { return &quoting{w: w, by: s.by} }

// quotingHeld is how much of a field is held back for as long as it needs no
// quotes. A longer one is quoted in any case, which means the same.
const quotingHeld = 64 << 10

type quoting struct {
	w      *bufio.Writer
	by     byte
	held   []byte
	quoted bool
}

func (q *quoting) needs(p []byte) bool {
	return bytes.ContainsAny(p, "\" \t\n\v\f\r\x00") || bytes.IndexByte(p, q.by) >= 0
}

func (q *quoting) Write(p []byte) (int, error) {
	n := len(p)
	if !q.quoted {
		if len(q.held)+len(p) <= quotingHeld && !q.needs(p) {
			q.held = append(q.held, p...)
			return n, nil
		}
		q.quoted = true
		_ = q.w.WriteByte('"')
		_, _ = q.w.Write(q.held)
	}
	for {
		i := bytes.IndexByte(p, '"') + 1
		if i == 0 {
			_, err := q.w.Write(p)
			return n, err
		}
		_, _ = q.w.Write(p[:i])
		_ = q.w.WriteByte('"')
		p = p[i:]
	}
}

func (q *quoting) close() {
	if q.quoted {
		_ = q.w.WriteByte('"')
		return
	}
	_, _ = q.w.Write(q.held)
}

// lines is .json: a line for each job.
type lines struct{}

func (lines) header(*bufio.Writer, []string, int) {}

func (l lines) begin(w *bufio.Writer, j *Job, _ int) {
	n := numbers(j)
	fmt.Fprintf(w, `{ "Seq": %d, "Host": "%s", "Starttime": %s, "JobRuntime": %s, "Send": %s, "Receive": %s, "Exitval": %s, "Signal": %s, "Command": `,
		j.Seq, host, n[0], n[1], n[2], n[3], n[4], n[5])
	l.put(w, j.Command)
	_, _ = w.WriteString(`, "V": [ `)
	for i, v := range j.Args {
		if i > 0 {
			_ = w.WriteByte(',')
		}
		l.put(w, v)
	}
	_, _ = w.WriteString(` ]` + beforeOutput)
}

// beforeOutput stands between a row's values and its outputs, which may be large.
// It is nowhere else, since within a string a quote has a backslash before it.
const beforeOutput = `, "Stdout": `

func (l lines) put(w *bufio.Writer, text string) {
	f := l.field(w)
	_, _ = f.Write([]byte(text))
	f.close()
}

func (lines) between(w *bufio.Writer) { _, _ = w.WriteString(`, "Stderr": `) }

func (lines) end(w *bufio.Writer) { _, _ = w.WriteString(" }\n") }

func (lines) field(w *bufio.Writer) field {
	_ = w.WriteByte('"')
	return &jsonString{w: w}
}

// jsonString writes a string as GNU parallel does: quotes, backslashes and bytes
// below 32 have escapes, all else is as it is, but for bytes that are not UTF-8.
type jsonString struct {
	w    *bufio.Writer
	part []byte // the begin of a character whose rest is still to come
}

func (s *jsonString) Write(p []byte) (int, error) {
	n := len(p)
	for len(s.part) > 0 && len(p) > 0 {
		s.part = append(s.part, p[0])
		p = p[1:]
		if utf8.FullRune(s.part) {
			s.part = s.text(s.part)
		}
	}
	rest := s.text(p)
	if len(rest) > 0 {
		s.part = append(s.part[:0:0], rest...)
	}
	_, err := s.w.Write(nil)
	return n, err
}

// text writes p up to the begin of a character that is not whole, and returns that.
func (s *jsonString) text(p []byte) []byte {
	plain := 0 // how much of p may be written as it is
	for plain < len(p) {
		c := p[plain]
		size := 1
		if c >= utf8.RuneSelf {
			if !utf8.FullRune(p[plain:]) {
				_, _ = s.w.Write(p[:plain])
				return p[plain:]
			}
			var r rune
			if r, size = utf8.DecodeRune(p[plain:]); r != utf8.RuneError || size > 1 {
				plain += size
				continue
			}
		} else if c >= ' ' && c != '"' && c != '\\' {
			plain++
			continue
		}
		_, _ = s.w.Write(p[:plain])
		s.escape(c)
		p, plain = p[plain+1:], 0
	}
	_, _ = s.w.Write(p)
	return nil
}

func (s *jsonString) escape(c byte) {
	switch {
	case c == '"' || c == '\\':
		_ = s.w.WriteByte('\\')
		_ = s.w.WriteByte(c)
	default:
		prefix := `\u00`
		if c >= utf8.RuneSelf {
			prefix = `\udc`
		}
		const hex = "0123456789abcdef"
		_, _ = s.w.WriteString(prefix)
		_ = s.w.WriteByte(hex[c>>4])
		_ = s.w.WriteByte(hex[c&15])
	}
}

func (s *jsonString) close() {
	for _, c := range s.part {
		s.escape(c)
	}
	_ = s.w.WriteByte('"')
}
