package cli

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"strings"
)

// framing says where inputs of --persistent end, and the answers to them.
type framing string

// The framings, as --framing has them.
const (
	framingLine   framing = "line"   // at a newline
	framingNul    framing = "nul"    // at a NUL
	framingLength framing = "length" // as four bytes before it say, the highest first
)

// lengthBytes is how long a length is.
const lengthBytes = 4

// answerMax bounds an answer: it is kept whole in memory.
const answerMax = 64 << 20

// end is the byte at which inputs and answers end; false with a length.
func (f framing) end() (byte, bool) {
	switch f {
	case framingNul:
		return 0, true
	case framingLength:
		return 0, false
	}
	return '\n', true
}

// flaw says why an input cannot be told apart from others; "" if it can.
func (f framing) flaw(input string) string {
	end, ends := f.end()
	switch {
	case !ends && int64(len(input)) > math.MaxUint32:
		return fmt.Sprintf("the input has %d bytes, more than a length can say", len(input))
	case !ends || strings.IndexByte(input, end) < 0:
		return ""
	case end == 0:
		return "the input holds a NUL, where with --framing nul it would end; say --framing length"
	}
	return "the input holds a newline, where it would end; say --framing nul, or length"
}

// put appends an input as the program is to read it.
func (f framing) put(to []byte, input string) []byte {
	end, ends := f.end()
	if !ends {
		return append(binary.BigEndian.AppendUint32(to, uint32(len(input))), input...)
	}
	return append(append(to, input...), end)
}

// splitter cuts what a program writes into answers.
type splitter struct {
	framing
	buf    []byte
	looked int // bytes of buf in which there is no end
}

// took notes what was read.
func (s *splitter) took(b []byte) { s.buf = append(s.buf, b...) }

// next gives the next answer, with the byte that ends it; false where it is not whole
// yet. It is good until took is called.
func (s *splitter) next() (answer []byte, ok bool) {
	n := 0 // bytes of the answer, from the begin of buf
	end, ends := s.end()
	from := 0
	switch {
	case ends:
		at := bytes.IndexByte(s.buf[s.looked:], end)
		if at < 0 {
			s.looked = len(s.buf)
			return nil, false
		}
		n = s.looked + at + 1
	case len(s.buf) < lengthBytes:
		return nil, false
	default:
		from, n = lengthBytes, lengthBytes+int(binary.BigEndian.Uint32(s.buf))
		if len(s.buf) < n {
			return nil, false
		}
	}
	answer = s.buf[from:n]
	s.buf, s.looked = s.buf[n:], 0
	return answer, true
}

// rest is how much of an answer is there that is not whole.
func (s *splitter) rest() int { return len(s.buf) }

// tooLong reports whether what is not whole is longer, or is going to be, than any
// answer may be.
func (s *splitter) tooLong() bool {
	if _, ends := s.end(); !ends && len(s.buf) >= lengthBytes {
		return binary.BigEndian.Uint32(s.buf) > answerMax
	}
	return len(s.buf) > answerMax
}
