package shm

import (
	"errors"
	"fmt"
	"math"
	"unsafe"

	"golang.org/x/sys/unix"
)

// commitChunk bounds one fallocate, in bytes. A signal (Go's own pre-emption
// sends them) makes the kernel undo the whole call, so that a large one might
// never come to its end; and a chunk is short enough to be waited for.
const commitChunk = 16 << 20

// Create makes a segment of size bytes, of which the first committed bytes
// have memory behind them. It has no name: it vanishes with the last process
// that holds it. Its size is sealed, so that no process can make another's
// access a SIGBUS by shrinking it. Mapping costs no memory; size may well
// exceed the machine's.
func Create(size, committed int64) (*Segment, error) {
	if size <= 0 || size > math.MaxInt || committed < 0 || committed > size {
		return nil, fmt.Errorf("create segment: cannot commit %d of %d bytes", committed, size)
	}
	fd, err := newMemfd(size)
	if err != nil {
		return nil, fmt.Errorf("create segment of %d bytes: %w", size, err)
	}
	s, err := mapSegment(fd, size)
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("create segment: %w", err)
	}
	if err := s.Commit(0, committed); err != nil {
		return nil, errors.Join(fmt.Errorf("create segment: %w", err), s.Close())
	}
	return s, nil
}

func newMemfd(size int64) (int, error) {
	// The kernel would send SIGXFSZ, which ends a Go program.
	var lim unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &lim); err == nil && lim.Cur < uint64(size) {
		return -1, fmt.Errorf("the file size limit is %d bytes; raise it with ulimit -f unlimited", lim.Cur)
	}
	const flags = unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	// Since Linux 6.3 an administrator may forbid executable memfds; older
	// kernels do not know the flag.
	fd, err := unix.MemfdCreate("tutti", flags|unix.MFD_NOEXEC_SEAL)
	if err == unix.EINVAL {
		fd, err = unix.MemfdCreate("tutti", flags)
	}
	if err != nil {
		return -1, fmt.Errorf("memfd_create: %w", err)
	}
	if err := unix.Ftruncate(fd, size); err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("ftruncate: %w", err)
	}
	const seals = unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_SEAL
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals); err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("seal: %w", err)
	}
	return fd, nil
}

// Attach maps the segment that another process created and whose descriptor
// came here. It refuses what is not a memfd sealed against shrinking and
// growing. On success the descriptor belongs to the segment, is closed with it
// and will not be inherited further (FD_CLOEXEC); on an error it remains the
// caller's, untouched.
func Attach(fd int) (*Segment, error) {
	if fd < 0 {
		return nil, fmt.Errorf("attach segment: descriptor %d: %w", fd, unix.EBADF)
	}
	seals, err := unix.FcntlInt(uintptr(fd), unix.F_GET_SEALS, 0)
	if err != nil {
		return nil, fmt.Errorf("attach segment: descriptor %d is no memfd: %w", fd, err)
	}
	const want = unix.F_SEAL_SHRINK | unix.F_SEAL_GROW
	if seals&want != want {
		return nil, fmt.Errorf("attach segment: descriptor %d is not sealed against resizing (seals %#x)", fd, seals)
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, fmt.Errorf("attach segment: descriptor %d: %w", fd, err)
	}
	if st.Size <= 0 || st.Size > math.MaxInt {
		return nil, fmt.Errorf("attach segment: descriptor %d has %d bytes", fd, st.Size)
	}
	s, err := mapSegment(fd, st.Size)
	if err != nil {
		return nil, fmt.Errorf("attach segment: %w", err)
	}
	unix.CloseOnExec(fd)
	return s, nil
}

func mapSegment(fd int, size int64) (*Segment, error) {
	base, err := unix.MmapPtr(fd, 0, nil, uintptr(size),
		unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_NORESERVE)
	if err != nil {
		if err == unix.ENOMEM {
			return nil, fmt.Errorf("map %d bytes: %w: raise the address space limit (ulimit -v) or ask for a smaller segment", size, err)
		}
		return nil, fmt.Errorf("map %d bytes: %w", size, err)
	}
	return &Segment{base: base, size: size, fd: fd}, nil
}

func (s *Segment) commit(off, n int64) error {
	const advice = "free memory, raise the memory limit, or run fewer workers"
	if err := checkRoom(n); err != nil {
		return fmt.Errorf("commit %d bytes at offset %d of a segment of %d: %w (%w): %s", n, off, s.size, ErrFull, err, advice)
	}
	for end := off + n; off < end; {
		step := min(commitChunk, end-off)
		err := unix.Fallocate(s.fd, 0, off, step)
		switch err {
		case nil:
			off += step
		case unix.EINTR:
		case unix.ENOSPC, unix.ENOMEM:
			return fmt.Errorf("commit %d bytes at offset %d of a segment of %d: %w (%w): %s", n, end-n, s.size, ErrFull, err, advice)
		default:
			return fmt.Errorf("commit %d bytes at offset %d: fallocate: %w", n, end-n, err)
		}
	}
	return nil
}

func (s *Segment) release(off, n int64) error {
	for {
		err := unix.Fallocate(s.fd, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, off, n)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return fmt.Errorf("release %d bytes at offset %d: fallocate: %w", n, off, err)
		}
		return nil
	}
}

func (s *Segment) populate(off, n int64) {
	page := int64(unix.Getpagesize())
	from, to := (off+page-1)/page*page, (off+n)/page*page
	if from < to {
		_ = unix.Madvise(unsafe.Slice((*byte)(unsafe.Add(s.base, from)), to-from), unix.MADV_POPULATE_WRITE)
	}
}

// Close unmaps the segment and closes its descriptor. Slices and pointers into
// it are invalid from then on: touching them is a fault. Closing twice does
// nothing.
func (s *Segment) Close() error {
	base := s.base
	if base == nil {
		return nil
	}
	s.base = nil
	if s.heap != nil || s.whole != nil {
		s.heap, s.whole = nil, nil
		return nil
	}
	if err := errors.Join(unix.MunmapPtr(unsafe.Pointer(base), uintptr(s.size)), s.CloseFD()); err != nil {
		return fmt.Errorf("close segment: %w", err)
	}
	return nil
}

// CloseFD closes the descriptor before its time: the memory stays mapped until Close,
// but none can be committed or released any more.
func (s *Segment) CloseFD() error {
	if s.fd < 0 {
		return nil
	}
	fd := s.fd
	s.fd = -1
	return unix.Close(fd)
}
