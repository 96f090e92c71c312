package cli

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

func TestCutter(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 100<<10)
	for _, c := range []struct {
		text string
		cut  cutting
		want []string
		err  error
	}{
		{"", cutLines, nil, io.EOF},
		{"\n", cutLines, []string{""}, io.EOF},
		{"a\n\nb", cutLines, []string{"a", "", "b"}, io.EOF},
		{"a\x00b\r\n", cutLines, []string{"a\x00b\r"}, io.EOF},
		{"a\nb\x00\x00c", cutNull, []string{"a\nb", "", "c"}, io.EOF},
		{"", cutNone, []string{""}, io.EOF},
		{"a\n\x00", cutNone, []string{"a\n\x00"}, io.EOF},
		{long + "\n" + long, cutLines, []string{long, long}, io.EOF},
		{"a\n" + long + "x", cutLines, []string{"a"}, errTooLong},
		{long + "x\nb", cutLines, nil, errTooLong},
		{long, cutNone, []string{long}, io.EOF},
		{long + "x", cutNone, nil, errTooLong},
	} {
		for _, r := range []io.Reader{strings.NewReader(c.text), iotest.HalfReader(strings.NewReader(c.text))} {
			cut := newCutter(r, c.cut, len(long))
			var got []string
			var err error
			for {
				var msg []byte
				if msg, err = cut.next(); err != nil {
					break
				}
				got = append(got, string(msg))
			}
			if !slices.Equal(got, c.want) || err != c.err {
				t.Errorf("%.20q: %.20q, %v, want %.20q, %v", c.text, got, err, c.want, c.err)
			}
		}
	}
	bad := errors.New("bad")
	if _, err := newCutter(iotest.ErrReader(bad), cutLines, 10).next(); err != bad {
		t.Error(err)
	}
}
