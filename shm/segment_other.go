//go:build !linux

package shm

// Create returns [ErrUnsupported] on this system.
func Create(size, committed int64) (*Segment, error) { return nil, ErrUnsupported }

// Attach returns [ErrUnsupported] on this system.
func Attach(fd int) (*Segment, error) { return nil, ErrUnsupported }

func (s *Segment) commit(off, n int64) error  { return ErrUnsupported }
func (s *Segment) release(off, n int64) error { return ErrUnsupported }
func (s *Segment) populate(off, n int64)      {}

// Close drops the segment's memory. Closing twice does nothing.
func (s *Segment) Close() error {
	s.base, s.heap = nil, nil
	return nil
}

// CloseFD does nothing on this system.
func (s *Segment) CloseFD() error { return nil }
