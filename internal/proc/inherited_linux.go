package proc

import (
	"fmt"
	"os"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// firstFree is the lowest descriptor that is no standard file.
const firstFree = 3

// TakeInherited lists, in ascending order, the descriptors above the standard files
// that whoever started this process handed to it, and marks them close-on-exec: from
// here on a process has them that is given them by name. It is to be called before
// anything is opened that is not close-on-exec; what Go opens always is.
func TakeInherited() ([]int, error) {
	numbers, err := listed()
	if err != nil {
		return nil, fmt.Errorf("list inherited descriptors: %w", err)
	}
	var handed []int
	for _, fd := range numbers {
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		if err != nil || flags&unix.FD_CLOEXEC != 0 { // the listing's own is closed by now
			continue
		}
		unix.CloseOnExec(fd)
		handed = append(handed, fd)
	}
	slices.Sort(handed)
	return handed, nil
}

// listed gives this process's open descriptors above the standard files.
func listed() ([]int, error) {
	dir, err := os.Open("/proc/self/fd")
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	var numbers []int
	for _, name := range names {
		if fd, err := strconv.Atoi(name); err == nil && fd >= firstFree {
			numbers = append(numbers, fd)
		}
	}
	return numbers, nil
}

// placed adds handed descriptors to the standard files of a command. Numbers between
// them are closed there.
func placed(files []uintptr, handed []Handed) []uintptr {
	for _, h := range handed {
		for len(files) <= h.As {
			files = append(files, ^uintptr(0))
		}
		files[h.As] = uintptr(h.FD)
	}
	return files
}
