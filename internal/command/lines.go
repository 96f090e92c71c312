package command

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

// Bounds on a value. A line may be much longer than an argument can be: a
// replacement string may leave little of it.
const (
	LineBytesMax   = 256 << 20
	JoinedBytesMax = 1 << 20 // of several lines: CSV in quotes, and -L
)

// lines reads values from a file, every byte but the terminator.
type lines struct {
	name       string
	r          *bufio.Reader
	closer     io.Closer
	terminator string
	n          int64 // lines read
	returns    int64 // how many of the first end in a carriage return
	most       int   // bytes of one
	warn       func(text string)
	regular    bool // a file on disk, which can be opened again
	ended      bool
}

func openLines(spec InputSpec, name string) (*lines, error) {
	l := &lines{name: name, terminator: spec.terminator(), warn: spec.Warn, most: cmp.Or(spec.lineMax, LineBytesMax)}
	if name == "-" {
		l.name = "standard input"
		var r io.Reader = bytes.NewReader(nil)
		if spec.Stdin != nil {
			r = spec.Stdin
		}
		l.r = bufio.NewReaderSize(r, 64<<10)
		return l, nil
	}
	f, err := spec.open(name)
	if err != nil {
		return nil, err
	}
	l.r, l.closer = bufio.NewReaderSize(f, 64<<10), f
	if file, ok := f.(*os.File); ok {
		info, err := file.Stat()
		l.regular = err == nil && info.Mode().IsRegular()
	}
	return l, nil
}

// place names the line read last, for errors.
func (l *lines) place() string { return fmt.Sprintf("%s, line %d", l.name, l.n) }

// close ends the reading; the file behind it is closed once.
func (l *lines) close() error {
	l.ended = true
	if l.closer == nil {
		return nil
	}
	c := l.closer
	l.closer = nil
	return c.Close()
}

// next reads one value; ok is false at the end.
func (l *lines) next() (v string, ok bool, err error) {
	if l.ended {
		return "", false, nil
	}
	l.n++
	line, err := l.read()
	switch {
	case err == nil:
		line = line[:len(line)-len(l.terminator)]
	case errors.Is(err, io.EOF):
		l.ended = true
		if len(line) == 0 {
			return "", false, nil
		}
	default:
		return "", false, fmt.Errorf("%s: %w", l.place(), err)
	}
	if bytes.IndexByte(line, 0) >= 0 {
		return "", false, fmt.Errorf("%s: a NUL byte, which no argument can hold; is -0 missing?", l.place())
	}
	if l.n <= returnsMax && l.warn != nil && l.terminator == "\n" {
		l.countReturns(line)
	}
	return string(line), true, nil
}

// returnsMax is how many values must end in a carriage return to be warned of.
const returnsMax = 3

// countReturns warns of lines as Windows ends them: the carriage return is a
// byte of the value, and seen by nobody.
func (l *lines) countReturns(line []byte) {
	if bytes.HasSuffix(line, []byte("\r")) {
		l.returns++
	}
	if l.returns == returnsMax {
		l.warn(fmt.Sprintf("%s: the first %d values end in a carriage return, which the commands get as part of them; -d '\\r\\n' takes it off", l.name, returnsMax))
	}
}

// read gives the bytes up to and with the terminator, valid until the next call.
func (l *lines) read() ([]byte, error) {
	last := l.terminator[len(l.terminator)-1]
	line, err := l.r.ReadSlice(last)
	if err == nil && len(l.terminator) == 1 || errors.Is(err, io.EOF) {
		return line, err
	}
	long := bytes.Clone(line)
	for {
		if len(long) > l.most+len(l.terminator) {
			return nil, fmt.Errorf("longer than %d bytes", l.most)
		}
		if err == nil && bytes.HasSuffix(long, []byte(l.terminator)) {
			return long, nil
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return long, err
		}
		line, err = l.r.ReadSlice(last)
		long = append(long, line...)
	}
}

// ParseDelimiter reads the value of -d: any bytes, with the escapes of Unescape.
func ParseDelimiter(s string) (string, error) {
	if s == "" {
		return "", errors.New("parse delimiter: it is empty; use -0 for values that end in a NUL byte, or -d with a character")
	}
	return Unescape(s), nil
}

// Unescape reads the escapes of C and printf (\n \t \0 \054 \x2c \\). A backslash
// before anything else stands for itself.
func Unescape(s string) string {
	var b strings.Builder
	for s != "" {
		if s[0] != '\\' || len(s) == 1 {
			b.WriteByte(s[0])
			s = s[1:]
			continue
		}
		v, n := escaped(s)
		if n == 0 {
			v, n = s[0], 1
		}
		b.WriteByte(v)
		s = s[n:]
	}
	return b.String()
}

// escaped reads the escape that s begins with: its byte and its length, which
// is 0 where it is none.
func escaped(s string) (v byte, n int) {
	if i := strings.IndexByte(`abefnrtv\`, s[1]); i >= 0 {
		return "\a\b\x1b\f\n\r\t\v\\"[i], 2
	}
	base, digits, from, most := 8, "01234567", 1, 3
	if s[1] == 'x' {
		base, digits, from, most = 16, "0123456789abcdefABCDEF", 2, 2
	}
	n = from
	for n < len(s) && n < from+most && strings.IndexByte(digits, s[n]) >= 0 {
		n++
	}
	u, err := strconv.ParseUint(s[from:n], base, 8)
	if err != nil {
		return 0, 0
	}
	return byte(u), n
}
