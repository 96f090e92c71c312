package ipc

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/tutti-run/tutti/shm"
)

const (
	defaultFolder = "/dev/shm"
	filePrefix    = "tutti-ipc-" // of the name of every space's file
)

// pathOf is where the space of a name lies.
func pathOf(name, folder string) (string, error) {
	if name == "" || len(name) > 200 || strings.ContainsAny(name, "/\x00\n") {
		return "", fmt.Errorf("a name has 1 to 200 bytes, and no slash or newline among them")
	}
	if folder == "" {
		folder = defaultFolder
	}
	return filepath.Join(folder, filePrefix+name), nil
}

// openFile opens the space of a name or makes it. It is made as a file without a
// name, and gets that when it is whole: nobody ever sees half a space.
func openFile(name string, size int64, o Options) (*Space, error) {
	o = o.orDefaults()
	path, err := pathOf(name, o.Folder)
	if err != nil {
		return nil, err
	}
	l, err := layOut(o.Objects, o.Claims, max(size, o.Data))
	if err != nil {
		return nil, err
	}
	for {
		seg, err := shm.OpenFile(path)
		if err == nil {
			s, err := entered(seg, size, o)
			return s, cannotOpen(err, path)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, cannotOpen(err, path)
		}
		if seg, err = shm.CreateFile(filepath.Dir(path), l.size, l.committed, o.Mode); err != nil {
			return nil, cannotMake(err, filepath.Dir(path), l.committed)
		}
		furnish(seg, l, o, newKin(), rand.Uint64())
		at("furnished")
		err = seg.Link(path)
		if err == nil {
			return entered(seg, size, o)
		}
		if err = errors.Join(err, seg.Close()); !errors.Is(err, fs.ErrExist) {
			return nil, err
		} // else somebody else was quicker
	}
}

// explained is an error in words that say what to do; the error itself would add none.
type explained struct {
	text string
	err  error
}

func (e *explained) Error() string { return e.text }
func (e *explained) Unwrap() error { return e.err }

// cannotOpen says why the file at a path, which is there, cannot be opened as a space.
func cannotOpen(err error, path string) error {
	err = ofNoSpace(err)
	switch {
	case errors.Is(err, unix.ENOTDIR):
		return &explained{fmt.Sprintf("%s is no folder: name one that lies in memory, such as /dev/shm", filepath.Dir(path)), err}
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: another user made it; take another name, or have him make it with Options.Mode for all", err)
	}
	if errors.Is(err, ErrNotASpace) {
		return fmt.Errorf("%w; remove %s if nobody needs it, or take another name", err, path)
	}
	return err
}

// ofNoSpace has the error of a file that is no memory wrap ErrNotASpace.
func ofNoSpace(err error) error {
	if errors.Is(err, shm.ErrNoSegment) || errors.Is(err, unix.EISDIR) || errors.Is(err, unix.ELOOP) {
		return fmt.Errorf("%w: %w", ErrNotASpace, err)
	}
	return err
}

// cannotMake says why no space can be made in a folder, of which so many bytes are
// needed at once.
func cannotMake(err error, folder string, committed int64) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &explained{fmt.Sprintf("there is no folder %s: make it, or name one that lies in memory, such as /dev/shm", folder), err}
	case errors.Is(err, fs.ErrPermission):
		return &explained{fmt.Sprintf("you may not write into folder %s: name one that is yours and lies in memory, such as /dev/shm", folder), err}
	case errors.Is(err, shm.ErrFull):
		return &explained{fmt.Sprintf("folder %s has no room for the %d KiB that a new space takes: remove what nobody needs there (tutti ipc ls --folder lists spaces), make it larger (mount -o remount,size=), or name another folder in memory; a limit on memory has the same effect", folder, committed>>10), err}
	}
	return err
}

func anonymous(size int64, o Options) (*Space, error) {
	o = o.orDefaults()
	l, err := layOut(o.Objects, o.Claims, max(size, o.Data))
	if err != nil {
		return nil, err
	}
	seg, err := shm.Create(l.size, l.committed)
	if err != nil {
		return nil, err
	}
	furnish(seg, l, o, newKin(), rand.Uint64())
	return entered(seg, size, o)
}

func entered(seg *shm.Segment, size int64, o Options) (*Space, error) {
	s, err := enterSpace(seg, size, o, newKin())
	if err != nil {
		return nil, errors.Join(err, seg.Close())
	}
	return s, nil
}

// memoryOf is how much memory a segment with a descriptor takes, in bytes.
func memoryOf(seg *shm.Segment) int64 {
	var st unix.Stat_t
	if seg.FD() < 0 || unix.Fstat(seg.FD(), &st) != nil {
		return 0
	}
	return st.Blocks * 512
}

// Peek is Stat of the space of a name without opening it: it makes none, and nobody
// sees that somebody looks. What the dead had is among what it tells until a member
// has seen to it.
func Peek(name string, o Options) (Stat, error) {
	st, err := peek(name, o)
	if err != nil {
		return st, fmt.Errorf("ipc: look into %q: %w", name, err)
	}
	return st, nil
}

func peek(name string, o Options) (st Stat, err error) {
	path, err := pathOf(name, o.Folder)
	if err != nil {
		return st, err
	}
	seg, err := shm.OpenFile(path)
	if err != nil {
		return st, ofNoSpace(err)
	}
	defer func() { err = errors.Join(err, seg.Close()) }()
	s, err := viewSpace(seg, 0, o, newKin())
	if err != nil {
		return st, err
	}
	return s.Stat()
}

// Remove takes away the name of a space. Processes that have it open go on using
// it; the memory is freed when the last of them is gone, or has closed it and refers
// to nothing in it any more. A folder other than /dev/shm is named in o.
func Remove(name string, o Options) error {
	path, err := pathOf(name, o.Folder)
	if err == nil {
		err = os.Remove(path)
	}
	if err != nil {
		return fmt.Errorf("ipc: remove %q: %w", name, err)
	}
	return nil
}

// Names lists the spaces in the folder that o names.
func Names(o Options) ([]string, error) {
	folder := o.Folder
	if folder == "" {
		folder = defaultFolder
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, fmt.Errorf("ipc: list spaces: %w", err)
	}
	var names []string
	for _, e := range entries {
		if name, ok := strings.CutPrefix(e.Name(), filePrefix); ok && e.Type().IsRegular() {
			names = append(names, name)
		}
	}
	return names, nil
}
