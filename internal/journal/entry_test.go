package journal

import (
	"strings"
	"testing"
	"time"
)

func TestEntryLine(t *testing.T) {
	t.Parallel()
	start := time.UnixMilli(1795438359470)
	for _, tt := range []struct {
		e    Entry
		want string
	}{
		{
			Entry{Seq: 1, Start: start, Runtime: 4 * time.Millisecond, Receive: 4, Exit: 1, Command: "printf 'a\tb'; exit 1"},
			"1\t:\t1795438359.470\t     0.004\t0\t4\t1\t0\tprintf 'a\tb'; exit 1\n",
		},
		{
			Entry{Seq: 12, Host: "n1", Start: time.Unix(3, 0), Runtime: 123456789 * time.Millisecond, Send: 7, Exit: -1, Signal: 15, Command: "a\n\nb\xff"},
			"12\tn1\t3.000\t123456.789\t7\t0\t-1\t15\ta\x00\x00b\xff\n",
		},
		{Entry{Seq: 1, Start: time.Unix(0, 0), Runtime: -1500 * time.Millisecond}, "1\t:\t0.000\t    -1.500\t0\t0\t0\t0\t\n"},
	} {
		got, err := tt.e.appendTo(nil)
		if err != nil || string(got) != tt.want {
			t.Errorf("%+v: %q, %v; want %q", tt.e, got, err, tt.want)
			continue
		}
		back, err := ParseEntry([]byte(strings.TrimSuffix(tt.want, "\n")))
		if tt.e.Host == "" {
			tt.e.Host = ":"
		}
		if err != nil || !sameEntry(back, tt.e) {
			t.Errorf("%q: %+v, %v; want %+v", tt.want, back, err, tt.e)
		}
	}
}

func sameEntry(a, b Entry) bool {
	sameStart := a.Start.Equal(b.Start)
	a.Start, b.Start = time.Time{}, time.Time{}
	return sameStart && a == b
}

func TestEntryThatNoLineCanHold(t *testing.T) {
	t.Parallel()
	start := time.Unix(1, 0)
	for _, e := range []Entry{
		{Seq: 1, Start: start, Command: "a\x00"},
		{Seq: 1, Start: start, Host: "a\tb"},
		{Seq: 0, Start: start},
		{Seq: 1},
		{Seq: 1, Start: start, Command: strings.Repeat("x", lineBytesMax)},
	} {
		if b, err := e.appendTo([]byte("kept")); err == nil || string(b) != "kept" {
			t.Errorf("%.100v: %d bytes, %v", e, len(b), err)
		}
	}
}

func TestParseEntryErrors(t *testing.T) {
	t.Parallel()
	good := []string{"1", ":", "1.5", "     0.004", "0", "4", "1", "0", "cmd"}
	if _, err := ParseEntry([]byte(strings.Join(good, "\t"))); err != nil {
		t.Fatal(err)
	}
	for column, bad := range map[int][]string{
		0: {"", "0", "-1", "x", "1.0", "99999999999999999999"},
		1: {""},
		2: {"", "x", "1e3", "0x1", "1.x", "1.-5", "NaN", "Inf", "9223372036854775807", "9999999999.000"},
		3: {"", "   ", "x", "1.5.6"},
		4: {"", "x"}, 5: {"", "1.5"}, 6: {"", "x", "4294967296"}, 7: {"", " 1"},
	} {
		for _, v := range bad {
			fields := append([]string(nil), good...)
			fields[column] = v
			if e, err := ParseEntry([]byte(strings.Join(fields, "\t"))); err == nil {
				t.Errorf("column %d %q: %+v", column, v, e)
			}
		}
	}
	if _, err := ParseEntry([]byte("1\t:\t1")); err == nil {
		t.Error("3 columns are an entry")
	}
}
