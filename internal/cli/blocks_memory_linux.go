package cli

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"

	"golang.org/x/sys/unix"
)

// blockMemory is where blocks lie: a file in memory that the master maps and
// workers inherit. It is handed out in slabs. A slab holds one block or, where
// blocks are small, many; it is used again when the last of them has been given
// back.
//
// Who may write to a slab: its reader, behind all blocks that it has cut there. A
// block's bytes do not change before it is given back, since pages of the slab may
// lie in a command's pipe. And not even then where somebody else may still hold
// such a pipe: giveBack is told so, and the pages are taken out of the slab, which
// leaves them to who has them, and put new ones in their place when it is used
// again.
//
// Who waits for whom: take waits for slabs to come back, so for jobs to end, which
// wait for nothing here. The reader holds one slab and the limit is at least three,
// so when it is reached jobs hold slabs.
type blockMemory struct {
	file *os.File

	mu    sync.Mutex
	slabs []*slab // by off
	end   int64   // of the last slab that ever was
	free  []*slab
	freed chan struct{} // has a token when a slab came back since somebody waited

	closed bool
}

// slab is a range of the file.
type slab struct {
	off    int64
	mem    []byte // the range, mapped
	holds  int    // blocks in it that are out, and one for its reader
	shared bool   // its pages may be seen by others when all holds are gone
	empty  bool   // it has no pages
}

// errNoMemory is wrapped by the error where blocks have no memory.
var errNoMemory = errors.New("no memory for blocks of standard input; give a smaller --block, or fewer jobs with -j")

func newBlockMemory() (*blockMemory, error) {
	fd, err := unix.MemfdCreate("tutti-blocks", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("memory for blocks: %w", os.NewSyscallError("memfd_create", err))
	}
	return &blockMemory{file: os.NewFile(uintptr(fd), "blocks"), freed: make(chan struct{}, 1)}, nil
}

// take gives a slab of at least size bytes, and waits for one while limit are in
// use. It returns nil when stop was closed.
func (m *blockMemory) take(stop <-chan struct{}, size int64, limit int) (*slab, error) {
	for {
		s, wait, err := m.tryTake(size, limit)
		if !wait {
			return s, err
		}
		select {
		case <-m.freed:
		case <-stop:
			return nil, nil
		}
	}
}

func (m *blockMemory) tryTake(size int64, limit int) (s *slab, wait bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.slabs)-len(m.free) >= limit {
		return nil, true, nil
	}
	for len(m.free) > 0 {
		s = m.free[len(m.free)-1]
		m.free = m.free[:len(m.free)-1]
		const spare = 4 // times what is wanted is too much to keep
		if have := int64(len(s.mem)); have < size || have > spare*size {
			if err := m.dropLocked(s); err != nil {
				return nil, false, err
			}
			continue
		}
		if s.empty {
			if err := m.back(s.off, int64(len(s.mem))); err != nil {
				return nil, false, err
			}
		}
		s.holds, s.shared, s.empty = 1, false, false
		return s, false, nil
	}
	s = &slab{off: m.end, holds: 1}
	if err := m.mapLocked(s, size); err != nil {
		return nil, false, err
	}
	m.slabs = append(m.slabs, s)
	return s, false, nil
}

// mapLocked gives s, which has none, pages at the end of the file.
func (m *blockMemory) mapLocked(s *slab, size int64) error {
	if err := m.back(m.end, size); err != nil {
		return err
	}
	mem, err := unix.Mmap(int(m.file.Fd()), m.end, int(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("%w: %w", errNoMemory, err)
	}
	s.off, s.mem = m.end, mem
	m.end += size
	return nil
}

// extend makes s, which holds no block yet, larger. Its bytes stay.
func (m *blockMemory) extend(s *slab, size int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if had := int64(len(s.mem)); s.off+had == m.end {
		if err := m.back(m.end, size-had); err != nil {
			return err
		}
		mem, err := unix.Mremap(s.mem, int(size), unix.MREMAP_MAYMOVE)
		if err != nil {
			return fmt.Errorf("%w: %w", errNoMemory, err)
		}
		s.mem, m.end = mem, s.off+size
		return nil
	}
	old := *s
	if err := m.mapLocked(s, size); err != nil {
		return err
	}
	copy(s.mem, old.mem)
	m.slabs = append(slices.DeleteFunc(m.slabs, func(x *slab) bool { return x == s }), s) // it is the last now
	if err := unix.Munmap(old.mem); err != nil {
		return os.NewSyscallError("munmap", err)
	}
	return m.punch(old.off, int64(len(old.mem)))
}

// back has pages put behind a range of the file now, so that a lack of memory is
// an error here and no signal later.
func (m *blockMemory) back(off, size int64) error {
	for size > 0 {
		n := min(size, 16<<20) // a signal undoes one call
		err := unix.Fallocate(int(m.file.Fd()), 0, off, n)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return fmt.Errorf("%w: %w", errNoMemory, err)
		}
		off, size = off+n, size-n
	}
	return nil
}

// punch takes the pages out of a range of the file.
func (m *blockMemory) punch(off, size int64) error {
	for {
		err := unix.Fallocate(int(m.file.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, off, size)
		if err != unix.EINTR {
			return os.NewSyscallError("fallocate", err)
		}
	}
}

// dropLocked does away with a slab that nobody holds. Its range of the file is not
// used again: it is a hole.
func (m *blockMemory) dropLocked(s *slab) error {
	m.slabs = slices.DeleteFunc(m.slabs, func(x *slab) bool { return x == s })
	if err := unix.Munmap(s.mem); err != nil {
		return os.NewSyscallError("munmap", err)
	}
	if s.empty {
		return nil
	}
	return m.punch(s.off, int64(len(s.mem)))
}

// hold says that another block of s is out.
func (m *blockMemory) hold(s *slab) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s.holds++
}

// at finds the slab with the block at off.
func (m *blockMemory) at(off int64) *slab {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.atLocked(off)
}

func (m *blockMemory) atLocked(off int64) *slab {
	i, ok := slices.BinarySearchFunc(m.slabs, off, func(s *slab, off int64) int {
		switch {
		case s.off > off:
			return 1
		case s.off+int64(len(s.mem)) <= off:
			return -1
		}
		return 0
	})
	if !ok {
		panic("cli: a block that is in no slab was given back")
	}
	return m.slabs[i]
}

// giveBack ends a hold of s; shared: somebody may still see the pages.
func (m *blockMemory) giveBack(s *slab, shared bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.giveBackLocked(s, shared)
}

// giveBackAt ends the hold of the block at off. After close it does nothing.
func (m *blockMemory) giveBackAt(off int64, shared bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.closed {
		m.giveBackLocked(m.atLocked(off), shared)
	}
}

func (m *blockMemory) giveBackLocked(s *slab, shared bool) {
	s.holds--
	s.shared = s.shared || shared
	if s.holds < 0 {
		panic("cli: a block was given back twice")
	}
	if s.holds > 0 {
		return
	}
	if s.shared {
		if err := m.punch(s.off, int64(len(s.mem))); err != nil {
			panic("cli: the pages of a block cannot be given up: " + err.Error())
		}
		s.empty = true
	}
	m.free = append(m.free, s)
	select {
	case m.freed <- struct{}{}:
	default:
	}
}

// inUse is how many slabs are not free.
func (m *blockMemory) inUse() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.slabs) - len(m.free)
}

// close gives all up here; workers that still run keep what they have.
func (m *blockMemory) close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	err := m.file.Close()
	for _, s := range m.slabs {
		err = errors.Join(err, unix.Munmap(s.mem))
	}
	m.slabs, m.free, m.closed = nil, nil, true
	return err
}

// mapBlock is how a worker sees a block: written from there it is copied into a
// command's pipe. Spliced it would not be; but then a command that splices its input
// on, to a pipe or a socket that outlives it, gives away pages that the master will
// write to. Both cost the same (about 240 ms of all CPUs for a GB, with the reader).
func mapBlock(file *os.File, p piece) (block []byte, unmap func() error, err error) {
	const unit = 64 << 10 // the largest page that processors have
	from := p.Off &^ (unit - 1)
	mem, err := unix.Mmap(int(file.Fd()), from, int(p.Off-from+p.Len), unix.PROT_READ, unix.MAP_SHARED|unix.MAP_POPULATE)
	if err != nil {
		return nil, nil, os.NewSyscallError("mmap", err)
	}
	return mem[p.Off-from:], func() error { return os.NewSyscallError("munmap", unix.Munmap(mem)) }, nil
}
