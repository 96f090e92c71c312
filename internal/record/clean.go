package record

import "bytes"

// Clean takes the separators out of a block (--remove-rec-sep), in place, and
// returns what is left. Without Spec.Remove it returns block as it is. What only
// looks like a separator once others are gone stays, which it does not in GNU
// parallel.
func (c *Cutter) Clean(block []byte) []byte {
	switch {
	case !c.spec.Remove || c.group != nil || c.sep.anywhere():
		return block
	case c.sep.re != nil:
		return c.sep.cleanRegexp(block)
	}
	return c.sep.cleanLiteral(block)
}

func (s *separator) cleanLiteral(block []byte) []byte {
	body, tail := block, block[len(block):]
	if len(s.start) > 0 && len(s.end) > 0 { // else they are found like those in between
		block = bytes.TrimPrefix(block, s.start)
		if body = bytes.TrimSuffix(block, s.end); len(body) == len(block) {
			// Like theirs, the last end may have a newline behind it, which stays.
			if line, ok := bytes.CutSuffix(block, newline); ok && bytes.HasSuffix(line, s.end) {
				body, tail = line[:len(line)-len(s.end)], block[len(line):]
			}
		}
	}
	out, rest := block[:0], body
	for {
		i := bytes.Index(rest, s.both)
		if i < 0 {
			break
		}
		out = append(out, rest[:i]...)
		rest = rest[i+len(s.both):]
	}
	return append(append(out, rest...), tail...)
}

func (s *separator) cleanRegexp(block []byte) []byte {
	body, tail := block, block[len(block):]
	if s.begins && s.ends {
		if m := s.first.FindIndex(block); m != nil {
			block = block[m[1]:]
		}
		body = block
		if m := s.final.FindSubmatchIndex(block); m != nil {
			body, tail = block[:m[2]], block[m[3]:]
		}
	}
	// All are found before anything is moved: the search looks at what it left.
	out, done := block[:0], 0
	for _, m := range s.re.FindAllIndex(body, -1) {
		out = append(out, body[done:m[0]]...)
		done = m[1]
	}
	return append(append(out, body[done:]...), tail...)
}
