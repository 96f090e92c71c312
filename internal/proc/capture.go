package proc

import "io"

// capture keeps the first bytes of one stream in memory and spools the rest.
type capture struct {
	out  Output
	max  int
	sink *sink
}

// sink is where the streams of one command spool to. It remembers the first error
// and discards everything after it.
type sink struct {
	spool Spool
	err   error
}

// add takes the next bytes of the stream. It never fails: an error is the sink's.
func (c *capture) add(p []byte) {
	if room := c.max - len(c.out.Head); room > 0 {
		n := min(room, len(p))
		c.out.Head = append(c.out.Head, p[:n]...)
		p = p[n:]
	}
	if len(p) == 0 {
		return
	}
	ref, ok := c.sink.write(p)
	if !ok {
		return
	}
	// One spool serves two streams, yet most output comes from one of them: joining
	// neighbours keeps the list at a few entries where it would grow with the output.
	if n := len(c.out.Rest); n > 0 && c.out.Rest[n-1].Off+c.out.Rest[n-1].Len == ref.Off {
		c.out.Rest[n-1].Len += ref.Len
		return
	}
	c.out.Rest = append(c.out.Rest, ref)
}

func (s *sink) write(p []byte) (ref Extent, ok bool) {
	if s.err != nil {
		return Extent{}, false
	}
	if s.spool == nil {
		s.err = ErrNoSpool
		return Extent{}, false
	}
	ref, s.err = s.spool.Write(p)
	if s.err == nil && ref.Len != int64(len(p)) {
		s.err = io.ErrShortWrite
	}
	return ref, s.err == nil
}
