package results

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// pieces is an output that comes in pieces of one byte.
type pieces string

func (p pieces) WriteTo(w io.Writer) (n int64, err error) {
	for i := range len(p) {
		if _, err := io.WriteString(w, string(p[i:i+1])); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// row is a job with its outputs.
type row struct {
	job            Job
	stdout, stderr string
}

var began = time.UnixMilli(1608344711743)

func job(seq int64, command string, args ...string) Job {
	return Job{Seq: seq, Start: began, Runtime: 12345678 * time.Nanosecond, Receive: 2, Command: command, Args: args}
}

// tableOf gives a table of rows; each output is written whole and byte by byte.
func tableOf(t *testing.T, o Options, rows ...row) string {
	t.Helper()
	var whole, bytewise bytes.Buffer
	for _, b := range []*bytes.Buffer{&whole, &bytewise} {
		o.Stdout = b
		s := mustOpen(t, o)
		for _, r := range rows {
			stdout, stderr := text(r.stdout), text(r.stderr)
			if b == &bytewise {
				stdout, stderr = pieces(r.stdout), pieces(r.stderr)
			}
			if name, err := s.Write(&r.job, stdout, stderr); err != nil || name != "" {
				t.Fatalf("%q, %v", name, err)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if whole.String() != bytewise.String() {
		t.Errorf("in one piece %q, in many %q", whole.String(), bytewise.String())
	}
	return whole.String()
}

func TestTable(t *testing.T) {
	t.Parallel()
	const (
		head  = "Seq,Host,Starttime,JobRuntime,Send,Receive,Exitval,Signal,Command,"
		start = "1,:,1608344711.743,0.012,0,2,0,0,"
		obj   = `{ "Seq": 1, "Host": ":", "Starttime": 1608344711.743, "JobRuntime": 0.012, "Send": 0, "Receive": 2, "Exitval": 0, "Signal": 0, "Command": `
	)
	for _, c := range []struct {
		name  string
		names []string
		rows  []row
		want  string
	}{
		{"-.csv", nil, nil, ""},
		{"-.csv", nil, []row{{job(1, "echo a", "a"), "a\n", ""}}, head + "V1,Stdout,Stderr\n" + start + "\"echo a\",a,\"a\n\",\n"},
		{"-.tsv", nil, []row{{job(1, "echo", "a,b", "c"), "x", "e\t"}},
			strings.ReplaceAll(head+"V1,V2,Stdout,Stderr\n"+start+"echo,a~b,c,x,", ",", "\t") + "\"e\t\"\n"},
		{"-.csv", nil, []row{{job(1, "", `q"r`, "", "a\x00", ";'"), `""`, "\xa0\x85"}},
			head + "V1,V2,V3,V4,Stdout,Stderr\n" + start + `,"q""r",,"a` + "\x00\"" + `,;',"""""",` + "\xa0\x85\n"},
		{"-.csv", []string{"zoo", "in fo"}, []row{{job(1, "x", "a", "b"), "", ""}, {job(2, "x", "c"), "o", ""}},
			head + "zoo,\"in fo\",Stdout,Stderr\n" + start + "x,a,b,,\n2" + start[1:] + "x,c,,o,\n"},
		{"-.csv", nil, []row{{job(1, "x"), strings.Repeat("y", 100), ""}}, head + "Stdout,Stderr\n" + start + "x," + strings.Repeat("y", 100) + ",\n"},
		{"-.json", nil, []row{{job(1, "echo a", "a"), "a\n", ""}}, obj + `"echo a", "V": [ "a" ], "Stdout": "a\u000a", "Stderr": "" }` + "\n"},
		{"-.json", nil, []row{{job(1, "x", "a", `"\`), "\xff\x00\x7fé\xc3\t€\xe2\x82", "\xed\xb3\xbf"}},
			obj + `"x", "V": [ "a","\"\\" ], "Stdout": "\udcff\u0000` + "\x7fé" + `\udcc3\u0009€\udce2\udc82", "Stderr": "\udced\udcb3\udcbf" }` + "\n"},
		{"-.json", nil, []row{{job(1, "x"), "", ""}}, obj + `"x", "V": [  ], "Stdout": "", "Stderr": "" }` + "\n"},
	} {
		c.want = strings.ReplaceAll(c.want, "~", ",")
		if got := tableOf(t, Options{Name: c.name, Names: c.names}, c.rows...); got != c.want {
			t.Errorf("%s: %q\nwant %q", c.name, got, c.want)
		}
	}
}

func TestTableFails(t *testing.T) {
	t.Parallel()
	r := job(4, "x", "a")
	r.Exit, r.Signal, r.Send, r.Runtime = 3, 9, 5, -1
	got := tableOf(t, Options{Name: "-.csv"}, row{r, "", ""})
	if want := "\n4,:,1608344711.743,0.000,5,2,3,9,x,a,,\n"; !strings.HasSuffix(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// A large field without white space is quoted, and nothing of it is lost.
func TestTableLargeField(t *testing.T) {
	t.Parallel()
	for _, size := range []int{quotingHeld - 1, quotingHeld, quotingHeld + 1, 3 * quotingHeld} {
		out := strings.Repeat("x", size) + `"y`
		got := tableOf(t, Options{Name: "-.csv"}, row{job(1, "x"), out, out})
		all, err := csv.NewReader(strings.NewReader(got)).ReadAll()
		if err != nil || all[1][9] != out || all[1][10] != out {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

func TestTableWarns(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"-.csv": "job 2 has more values than -.csv has columns for", "-.json": ""} {
		s := mustOpen(t, Options{Name: name, Stdout: io.Discard})
		for _, j := range []Job{job(1, "x", "a"), job(2, "x", "a", "b")} {
			mustWrite(t, s, &j, "", "")
		}
		if got := s.Warning(); !strings.HasPrefix(got, want) || (want == "") != (got == "") {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestIsTable(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{"a.csv": true, "a.TSV": true, ".json": true, "-.csv": true, "csv": false, "a.csv/": false, "out": false, "": false} {
		if IsTable(name) != want {
			t.Errorf("%q: %v", name, !want)
		}
	}
	if !IsStdout("-.json") || IsStdout("-.CSV") || IsStdout("a.csv") {
		t.Error("standard output")
	}
}

// What one run wrote another reads, whatever its bytes are; a row that is not
// whole is cut off, at whatever byte it ends.
func TestTableResumes(t *testing.T) {
	t.Parallel()
	odd := "\xff\"\\u00e9, \"Stdout\": \"\n,\t\r"
	rows := []row{
		{job(1, odd, "a", odd), odd, odd},
		{job(2, "x", "", "b"), "", ""},
		{job(3, "x", "c", ""), "3", ""},
	}
	fresh := row{job(4, "x", "d", "e"), "4", ""}
	for _, ext := range []string{"csv", "tsv", "json"} {
		full := tableOf(t, Options{Name: "-." + ext}, rows...)
		var ends []int
		for n := range rows {
			ends = append(ends, len(tableOf(t, Options{Name: "-." + ext}, rows[:n+1]...)))
		}
		path := filepath.Join(t.TempDir(), "t."+ext)
		for size := range len(full) + 1 {
			if err := os.WriteFile(path, []byte(full[:size]), 0o600); err != nil {
				t.Fatal(err)
			}
			s := mustOpen(t, Options{Name: path, Resume: true})
			done := 0
			for i := range rows {
				if s.Done(&rows[i].job) {
					done++
				}
			}
			if want := wholeRows(ends, size); done != want {
				t.Fatalf("%s, %d bytes: %d rows are done, want %d", ext, size, done, want)
			}
			other := rows[1].job
			other.Args = []string{"", "c"}
			if s.Done(&other) || s.Done(&fresh.job) {
				t.Fatalf("%s, %d bytes: another job is done", ext, size)
			}
			for _, r := range append(rows[done:len(rows):len(rows)], fresh) {
				mustWrite(t, s, &r.job, r.stdout, r.stderr)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			want := tableOf(t, Options{Name: "-." + ext}, append(rows[:3:3], fresh)...)
			if got, _ := os.ReadFile(path); string(got) != want {
				t.Fatalf("%s, %d bytes: %q\nwant %q", ext, size, got, want)
			}
		}
	}
}

// wholeRows counts the rows that end within the first size bytes.
func wholeRows(ends []int, size int) (n int) {
	for _, end := range ends {
		if end <= size {
			n++
		}
	}
	return n
}

// A file that is something else is left alone.
func TestTableIsNotThatFile(t *testing.T) {
	t.Parallel()
	for name, data := range map[string]string{
		"list.csv":  "name,age\nx,1\n",
		"short.csv": "Se,x",
		"last.csv":  "Seq,Host,Starttime,JobRuntime,Send,Receive,Exitval,Signal,Command,V1\n",
		"row.csv":   "Seq,Host,Starttime,JobRuntime,Send,Receive,Exitval,Signal,Command,Stdout,Stderr\nx,:,\n",
		"quote.csv": "Seq,Host,Starttime,JobRuntime,Send,Receive,Exitval,Signal,Command,Stdout,Stderr\n1,\"a\"b\n",
		"a.json":    `{"a":1}`,
		"b.json":    "{\"a\":1}\n",
		"c.json":    `{ "Seq": 0, "V": [  ], "Stdout": ""}` + "\n",
		"bin.json":  "\x00\x01",
	} {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Open(Options{Name: path, Resume: true})
		if !errors.Is(err, errNotTable) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", name, err)
		}
		if got, _ := os.ReadFile(path); string(got) != data {
			t.Errorf("%s: changed to %q", name, got)
		}
	}
}

func TestTableBegins(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "t.csv")
	if err := os.WriteFile(path, []byte("anything"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := mustOpen(t, Options{Name: path})
	j := job(1, "x", "a")
	if s.Done(&j) {
		t.Error("done")
	}
	if got, _ := os.ReadFile(path); len(got) > 0 {
		t.Errorf("an old table is left: %q", got)
	}
	mustWrite(t, s, &j, "o", "")
	if got, _ := os.ReadFile(path); !strings.HasSuffix(string(got), ",x,a,o,\n") {
		t.Errorf("not written when Write returns: %q", got)
	}
	if _, err := Open(Options{Name: path + "/t.csv"}); err == nil {
		t.Error("a file in a file")
	}
}

// A row whose output cannot be read is not left in the table.
func TestTableCutsBrokenRow(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "t.csv")
	s := mustOpen(t, Options{Name: path})
	j := job(1, "x", "a")
	mustWrite(t, s, &j, "o", "")
	before, _ := os.ReadFile(path)
	big := text(strings.Repeat("big ", 100_000))
	if _, err := s.Write(&j, big, broken{}); !errors.Is(err, errBroken) {
		t.Errorf("error %v", err)
	}
	if got, _ := os.ReadFile(path); !bytes.Equal(got, before) {
		t.Errorf("%d bytes, want %d", len(got), len(before))
	}
}

// FuzzTable writes a job into each kind of table and reads it with this package's
// reader and with Go's.
func FuzzTable(f *testing.F) {
	f.Add("echo", "a", "b", "out\n", "")
	f.Add("\xff", `"`, `, "Stdout": `, "\xe2\x82", "\xed\xa0\x80\\udcff")
	f.Fuzz(func(t *testing.T, command, a, b, stdout, stderr string) {
		a, b = strings.ReplaceAll(a, "\x00", "0"), strings.ReplaceAll(b, "\x00", "0")
		r := row{job(3, command, a, b), stdout, stderr}
		for _, ext := range []string{".csv", ".tsv", ".json"} {
			got := tableOf(t, Options{Name: "-" + ext}, r)
			path := filepath.Join(t.TempDir(), "t"+ext)
			if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
				t.Fatal(err)
			}
			s := mustOpen(t, Options{Name: path, Resume: true})
			if !s.Done(&r.job) {
				t.Fatalf("not found again in %q", got)
			}
			if after, _ := os.ReadFile(path); string(after) != got {
				t.Fatalf("cut to %q", after)
			}
			if s.Close(); ext == ".csv" && !strings.Contains(got, "\r") { // Go's reader drops \r before \n
				all, err := csv.NewReader(strings.NewReader(got)).ReadAll()
				if want := []string{command, a, b, stdout, stderr}; err != nil || !slices.Equal(all[1][8:], want) {
					t.Fatalf("%q read as %q, %v", got, all, err)
				}
			}
			if ext == ".json" && !json.Valid([]byte(got)) {
				t.Fatalf("not JSON: %q", got)
			}
		}
	})
}

// FuzzScan gives the readers anything: they find a table or say that there is none.
func FuzzScan(f *testing.F) {
	f.Add([]byte("Seq,Host,Starttime,JobRuntime,Send,Receive,Exitval,Signal,Command,V1,Stdout,Stderr\n1,:,0,0,0,0,0,0,\"a\",b,,\n"), false)
	f.Add([]byte(`{ "Seq": 1, "V": [ "\udcff\u00e9\"" ], "Stdout": "" }`+"\n{ "), true)
	f.Fuzz(func(t *testing.T, data []byte, json bool) {
		name := map[bool]string{false: "t.csv", true: "t.json"}[json]
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := Open(Options{Name: path, Resume: true})
		after, _ := os.ReadFile(path)
		if err != nil {
			if !bytes.Equal(after, data) {
				t.Fatalf("%v, and yet changed", err)
			}
			return
		}
		if !bytes.HasPrefix(data, after) {
			t.Fatalf("%q became %q", data, after)
		}
		j := job(1, "x", "a")
		mustWrite(t, s, &j, "o", "")
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if s = mustOpen(t, Options{Name: path, Resume: true}); s.Close() != nil {
			t.Fatal("not closed")
		}
	})
}
