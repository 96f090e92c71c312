package shm

import (
	"fmt"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Probe tries once, harmlessly, every system call that tutti's shared memory
// rests on, and says which is refused and what to do: an old kernel lacks it,
// or a container's seccomp profile forbids it. Later calls return the same.
func Probe() error { return probe() }

var probe = sync.OnceValue(func() error {
	var word uint32
	trials := []struct {
		name string
		call func() unix.Errno // EINVAL will do: who complains of arguments knows the call
	}{
		{"memfd_create", func() unix.Errno {
			return opened(unix.MemfdCreate("tutti", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING|unix.MFD_NOEXEC_SEAL))
		}},
		{"futex", func() unix.Errno {
			_, _, errno := unix.RawSyscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(&word)), futexWake, 1, 0, 0, 0)
			return errno
		}},
		{"futex_waitv", func() unix.Errno { // with no words
			_, _, errno := unix.RawSyscall6(unix.SYS_FUTEX_WAITV, 0, 0, 0, 0, 0, 0)
			return errno
		}},
		{"set_robust_list", func() unix.Errno { // with a wrong length: the thread's list stays
			_, _, errno := unix.RawSyscall(unix.SYS_SET_ROBUST_LIST, 0, 0, 0)
			return errno
		}},
		{"pidfd_open", func() unix.Errno {
			return opened(unix.PidfdOpen(unix.Getpid(), 0))
		}},
		{"pidfd_send_signal", func() unix.Errno { // with flags that there are none of
			return ofBadDescriptor(unix.PidfdSendSignal(-1, 0, nil, 1<<31))
		}},
		{"fallocate", func() unix.Errno { return ofBadDescriptor(unix.Fallocate(-1, 0, 0, 1)) }},
		{"prctl", func() unix.Errno { // to ask whether this process is a subreaper
			var is int32
			return number(unix.Prctl(unix.PR_GET_CHILD_SUBREAPER, uintptr(unsafe.Pointer(&is)), 0, 0, 0))
		}},
	}
	for _, t := range trials {
		if err := verdict(t.name, t.call()); err != nil {
			return err
		}
	}
	return nil
})

// verdict is the error of a call that gave errno when it was tried.
func verdict(call string, errno unix.Errno) error {
	if errno == 0 || errno == unix.EINVAL {
		return nil
	}
	return refused(call, errno)
}

// ofBadDescriptor takes a complaint about the descriptor for an answer.
func ofBadDescriptor(err error) unix.Errno {
	if err == unix.EBADF {
		return 0
	}
	return number(err)
}

// number is the errno that an error of package unix is.
func number(err error) unix.Errno {
	if err == nil {
		return 0
	}
	if errno, ok := err.(unix.Errno); ok {
		return errno
	}
	return unix.EIO
}

// opened closes what a trial opened.
func opened(fd int, err error) unix.Errno {
	if err == nil {
		unix.Close(fd)
		return 0
	}
	return number(err)
}

func refused(call string, errno unix.Errno) error {
	release := "unknown"
	var u unix.Utsname
	if err := unix.Uname(&u); err == nil {
		release = unix.ByteSliceToString(u.Release[:])
	}
	switch errno {
	case unix.ENOSYS, unix.EPERM, unix.EACCES:
		return fmt.Errorf("the system refuses %s (%w; kernel %s): tutti needs Linux 5.16 or later; if this kernel is newer, the container's seccomp profile or sandbox forbids the call and must allow it (docker: update it, or run with --security-opt seccomp=FILE)", call, errno, release)
	}
	if errno == unix.EMFILE || errno == unix.ENFILE {
		return fmt.Errorf("%s: %w; raise ulimit -n", call, errno)
	}
	return fmt.Errorf("the system call %s does not work here: %w (kernel %s)", call, errno, release)
}
