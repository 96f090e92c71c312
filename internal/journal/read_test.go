package journal

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

// sampleLog is a log of n entries, some with awkward commands.
func sampleLog(tb testing.TB, n int) (text string, entries []Entry) {
	tb.Helper()
	commands := []string{"gzip a", "printf 'a\tb\n'", "", "x\xff\r", "gzip 'Seq\tHost'"}
	b := []byte(header)
	for i := range n {
		e := Entry{
			Seq: int64(i + 1), Host: ":", Start: time.UnixMilli(1795438359470 + int64(i)),
			Runtime: time.Duration(i) * time.Second, Exit: i % 2, Command: commands[i%len(commands)],
		}
		var err error
		if b, err = e.appendTo(b); err != nil {
			tb.Fatal(err)
		}
		entries = append(entries, e)
	}
	return string(b), entries
}

func readAll(r io.Reader) (entries []Entry, err error) {
	for e, err := range Read(r) {
		if err != nil {
			return entries, err
		}
		entries = append(entries, e)
	}
	return entries, nil
}

func TestReadErrors(t *testing.T) {
	t.Parallel()
	good, _ := sampleLog(t, 2)
	for _, tt := range []struct{ name, text, want string }{
		{"empty", "", ""},
		{"whole", good, ""},
		{"garbage", good + "x\n", "line 4: 1 columns"},
		{"garbage between", strings.Replace(good, "2\t:", "zwei\t:", 1), "line 3: Seq"},
		{"an empty line", good + "\n", "line 4:"},
		{"a second header", good + header, "line 4: Seq"},
		{"no header", strings.TrimPrefix(good, header), "not a job log"},
		{"another file", "hello", "not a job log"},
		{"another file, longer", "hello\nworld\n", "not a job log"},
		{"torn", good + "3\t:", "line 4 is torn"},
		{"a line without end", good + strings.Repeat("x", lineBytesMax+1), "line 4: longer than"},
	} {
		_, err := readAll(strings.NewReader(tt.text))
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

func TestReadGivesLongLines(t *testing.T) {
	t.Parallel()
	want := Entry{Seq: 1, Host: ":", Start: time.Unix(1, 0), Command: strings.Repeat("x\n", 200<<10)}
	b, err := want.appendTo([]byte(header))
	if err != nil {
		t.Fatal(err)
	}
	got, err := readAll(strings.NewReader(string(b)))
	if err != nil || len(got) != 1 || !sameEntry(got[0], want) {
		t.Errorf("%d entries, %v", len(got), err)
	}
}

// FuzzRead requires that what is read can be written and read again, and that
// what stands before a torn end is a log.
func FuzzRead(f *testing.F) {
	good, _ := sampleLog(f, 5)
	f.Add(good)
	f.Add(good[:len(good)-3])
	f.Add(header + "1\t:\t1795438359.470\t     0.000\t0\t4\t1\t0\tx\x00y\n")
	f.Add(header + "1\t:\t-1.5\t-0.5\t0\t4\t-1\t0\t\n")
	f.Fuzz(func(t *testing.T, text string) {
		entries, err := readAll(strings.NewReader(text))
		var torn *TornError
		if errors.As(err, &torn) {
			if torn.Offset+torn.Bytes != int64(len(text)) {
				t.Fatalf("%+v of %d bytes", torn, len(text))
			}
			before, err := readAll(strings.NewReader(text[:torn.Offset]))
			if err != nil || len(before) != len(entries) {
				t.Fatalf("%d entries before the torn line, %v; want %d", len(before), err, len(entries))
			}
		}
		for _, e := range entries {
			b, err := e.appendTo(nil)
			if err != nil {
				if e.Start.Unix() >= 0 {
					t.Fatalf("%+v: %v", e, err)
				}
				continue
			}
			back, err := ParseEntry(b[:len(b)-1])
			if err != nil || !sameEntry(back, e) {
				t.Fatalf("%+v became %+v, %v", e, back, err)
			}
		}
	})
}
