package cli

import (
	"slices"
	"strings"
	"testing"
)

// However answers are cut into pieces, they come out whole and in order.
func FuzzSplitter(f *testing.F) {
	f.Add("a\x01bc\x01\x01", uint8(1))
	f.Add("", uint8(0))
	f.Add("long answer with \xff bytes\x01", uint8(3))
	f.Fuzz(func(t *testing.T, text string, size uint8) {
		want := strings.Split(text, "\x01")
		for _, how := range []framing{framingLine, framingNul, framingLength} {
			var wire []byte
			var sent []string
			for _, w := range want {
				if how.flaw(w) == "" {
					wire = how.put(wire, w)
					sent = append(sent, w)
				}
			}
			s := splitter{framing: how}
			var got []string
			for piece := range slices.Chunk(wire, int(size)+1) {
				s.took(piece)
				for {
					a, ok := s.next()
					if !ok {
						break
					}
					text := string(a)
					if end, ends := how.end(); ends {
						text = strings.TrimSuffix(text, string([]byte{end}))
					}
					got = append(got, text)
				}
			}
			if !slices.Equal(got, sent) || s.rest() != 0 {
				t.Errorf("%s: %q came out as %q, %d bytes are left", how, sent, got, s.rest())
			}
		}
	})
}

func TestFramingFlaws(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		how   framing
		input string
		says  string // "" nothing
	}{
		{framingLine, "a\x00b", ""}, {framingLine, "a\nb", "newline"}, {framingNul, "a\nb", ""}, {framingNul, "a\x00b", "NUL"}, {framingLength, "a\n\x00b", ""},
	} {
		if got := c.how.flaw(c.input); (got == "") != (c.says == "") || !strings.Contains(got, c.says) {
			t.Errorf("%s %q: %q", c.how, c.input, got)
		}
	}
}

func TestAnswerTooLong(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		how  framing
		buf  string
		want bool
	}{
		{framingLine, "short", false}, {framingLine, strings.Repeat("x", answerMax+1), true}, {framingLength, "\x00", false},
		{framingLength, "\x00\x00\x00\x09", false}, {framingLength, "\xff\xff\xff\xff", true},
	} {
		s := splitter{framing: c.how, buf: []byte(c.buf)}
		if s.tooLong() != c.want {
			t.Errorf("%s, %d bytes: %v", c.how, len(c.buf), !c.want)
		}
	}
}
