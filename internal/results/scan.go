package results

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Tables are read back for --resume. Outputs in them may be of any size, and are
// passed over; what is kept of a row is bounded.
const keptMax = 64 << 20

var errNotTable = errors.New("it is not a table of results: name another file, or move this one away")

// scan reads rows of text/csv.
func (s separated) scan(r *bufio.Reader, row func(seq int64, args []string)) (end int64, columns int, err error) {
	names := append(slices.Clone(fixedColumns), "")
	begin := strings.Join(names, string(s.by))
	if head, _ := r.Peek(len(begin)); !strings.HasPrefix(begin, string(head)) {
		return 0, 0, errNotTable
	}
	f := fields{r: r, by: s.by}
	head, err := f.row(func(int) bool { return true })
	if errors.Is(err, io.EOF) {
		return 0, 0, nil
	}
	if err != nil {
		return 0, 0, err
	}
	columns = len(head) - len(fixedColumns) - 2
	if columns < 0 || head[len(head)-2] != "Stdout" || head[len(head)-1] != "Stderr" {
		return 0, 0, errNotTable
	}
	first := len(fixedColumns)
	for {
		end = f.read
		got, err := f.row(func(i int) bool { return i == 0 || i >= first && i < first+columns })
		if errors.Is(err, io.EOF) {
			return end, columns, nil
		}
		if err != nil {
			return 0, 0, err
		}
		seq, err := strconv.ParseInt(got[0], 10, 64)
		if err != nil || seq < 1 {
			return 0, 0, fmt.Errorf("%w (a row begins with %.20q)", errNotTable, got[0])
		}
		if len(got) >= first+columns+2 { // GNU's rows with fewer values do not tell which are
			row(seq, got[first:first+columns])
		}
	}
}

// fields splits a stream.
type fields struct {
	r    *bufio.Reader
	by   byte
	read int64 // bytes so far
}

// row gives the fields of the next row; those that keep does not want are empty.
// io.EOF says that there is no whole row any more.
func (f *fields) row(keep func(field int) bool) ([]string, error) {
	var all []string
	for size := 0; ; {
		text, last, err := f.field(keep(len(all)), keptMax-size)
		if err != nil {
			return nil, err
		}
		all = append(all, text)
		size += len(text) + 16
		if size > keptMax {
			return nil, errNotTable
		}
		if last {
			return all, nil
		}
	}
}

// field gives the next field, and whether it is the last of its row.
func (f *fields) field(keep bool, most int) (text string, last bool, err error) {
	var b strings.Builder
	quoted, within := false, false // within quotes
	for n := 0; ; n++ {
		c, err := f.r.ReadByte()
		if err != nil {
			return "", false, err
		}
		f.read++
		switch {
		case c == '"' && n == 0:
			quoted, within = true, true
			continue
		case c == '"' && within:
			if next, _ := f.r.Peek(1); len(next) == 0 || next[0] != '"' {
				within = false
				continue
			}
			_, _ = f.r.ReadByte() // was seen
			f.read++
		case within:
		case c == f.by || c == '\n':
			return b.String(), c == '\n', nil
		case quoted || c == '"':
			return "", false, fmt.Errorf("%w (a quote out of place at byte %d)", errNotTable, f.read)
		}
		if keep {
			if b.Len() >= most {
				return "", false, errNotTable
			}
			b.WriteByte(c)
		}
	}
}

// lineBegin is how every row of a .json table begins.
const lineBegin = `{ "Seq": `

// scan reads lines of JSON as far as their outputs.
func (l lines) scan(r *bufio.Reader, row func(seq int64, args []string)) (end int64, columns int, err error) {
	for read := int64(0); ; end = read {
		head, size, whole, err := readLine(r)
		if err != nil {
			return 0, 0, err
		}
		read += size
		if !whole {
			if n := min(len(head), len(lineBegin)); string(head[:n]) != lineBegin[:n] {
				return 0, 0, errNotTable
			}
			return end, anyColumns, nil
		}
		var got struct {
			Seq int64
			V   []json.RawMessage
		}
		at := bytes.Index(head, []byte(beforeOutput))
		if at < 0 || json.Unmarshal(append(head[:at:at], '}'), &got) != nil || got.Seq < 1 {
			return 0, 0, fmt.Errorf("%w (the line at byte %d)", errNotTable, end)
		}
		args := make([]string, len(got.V))
		for i, v := range got.V {
			args[i] = unquoteJSON(string(v))
		}
		row(got.Seq, args)
	}
}

// readLine reads a line and returns its begin up to where the outputs come, and its
// size. It is whole if it ends with a newline.
func readLine(r *bufio.Reader) (head []byte, size int64, whole bool, err error) {
	seen := false // the head is complete
	for {
		piece, err := r.ReadSlice('\n')
		size += int64(len(piece))
		if !seen {
			from := max(len(head)-len(beforeOutput), 0)
			head = append(head, piece...)
			if at := bytes.Index(head[from:], []byte(beforeOutput)); at >= 0 {
				head, seen = head[:from+at+len(beforeOutput)], true
			}
		}
		switch {
		case err == nil:
			return head, size, true, nil
		case errors.Is(err, io.EOF):
			return head, size, false, nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, 0, false, err
		case len(head) > keptMax:
			return nil, 0, false, errNotTable
		}
	}
}

// unquoteJSON reads a string that jsonString wrote. Where it is not such a one, the
// text is no value of anybody's, and the job runs again.
func unquoteJSON(text string) string {
	text = strings.TrimSuffix(strings.TrimPrefix(text, `"`), `"`)
	var b strings.Builder
	for text != "" {
		plain, rest, found := strings.Cut(text, `\`)
		b.WriteString(plain)
		if !found {
			break
		}
		text = rest
		if len(text) >= 5 && text[0] == 'u' {
			n, err := strconv.ParseUint(text[1:5], 16, 16)
			switch {
			case err != nil:
				b.WriteRune(utf8.RuneError)
			case n >= 0xdc80 && n <= 0xdcff || n < utf8.RuneSelf:
				b.WriteByte(byte(n))
			default:
				b.WriteRune(rune(n))
			}
			text = text[5:]
		} else if text != "" {
			b.WriteByte(text[0])
			text = text[1:]
		}
	}
	return b.String()
}
