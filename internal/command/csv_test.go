package command

import (
	"encoding/csv"
	"slices"
	"strings"
	"testing"
)

func TestSplitCSV(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		record, separator string
		want              []string
		err               string
	}{
		{"", ",", []string{""}, ""},
		{"a", ",", []string{"a"}, ""},
		{"a,,b,", ",", []string{"a", "", "b", ""}, ""},
		{`"a","b ""c""",""`, ",", []string{"a", `b "c"`, ""}, ""},
		{"\"x\ny\",\"p,q\"", ",", []string{"x\ny", "p,q"}, ""},
		{" a , b ", ",", []string{" a ", " b "}, ""},
		{"a,b\r", ",", []string{"a", "b"}, ""},
		{"a,\"b\"\r", ",", []string{"a", "b"}, ""},
		{"a\r,b", ",", []string{"a\r", "b"}, ""},
		{"\xff;\x01", ";", []string{"\xff", "\x01"}, ""},
		{"a::b", "::", []string{"a", "b"}, ""},
		{`a"b`, ",", nil, "column 1: a quote within"},
		{`x,"ab`, ",", nil, "column 2: a quote is not closed"},
		{`"a"b`, ",", nil, "between a closing quote"},
		{`"a" ,b`, ",", nil, "between a closing quote"},
	} {
		got, err := splitCSV(tt.record, tt.separator)
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%q: error %v, want %q", tt.record, err, tt.err)
			}
			continue
		}
		if err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("%q: %q, %v, want %q", tt.record, got, err, tt.want)
		}
	}
}

// FuzzSplitCSV writes fields with the standard library and reads them back.
func FuzzSplitCSV(f *testing.F) {
	f.Add("a", "b\"c", "d\ne")
	f.Add("", "\"", ",")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		_, _ = splitCSV(a, ",")
		fields := []string{a, b, c}
		var text strings.Builder
		w := csv.NewWriter(&text)
		if err := w.Write(fields); err != nil {
			t.Skip(err)
		}
		w.Flush()
		record := strings.TrimSuffix(text.String(), "\n")
		if csvIsOpen(record) {
			t.Fatalf("%q is open", record)
		}
		got, err := splitCSV(record, ",")
		if err != nil || !slices.Equal(got, fields) {
			t.Errorf("%q: %q, %v, want %q", record, got, err, fields)
		}
	})
}
