package ipc

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tutti-run/tutti/shm"
)

// processes is the kin of a real process.
type processes struct{}

func newKin() kin { return processes{} }

func (processes) pid() int     { return os.Getpid() }
func (processes) now() int64   { return time.Now().UnixNano() }
func (processes) name() string { return filepath.Base(os.Args[0]) }

func (processes) hold(word *uint32) error { return shm.HoldLifeline(word) }
func (processes) release(word *uint32)    { shm.DropLifeline(word) }
func (processes) started() uint64         { t, _ := startOf(os.Getpid()); return t }
func (processes) boot() [16]byte          { return bootID() }
func (processes) pidSpace() uint64        { return pidNamespace() }

var bootID = sync.OnceValue(func() (id [16]byte) {
	text, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	copy(id[:], bytes.ReplaceAll(bytes.TrimSpace(text), []byte("-"), nil))
	return id
})

var pidNamespace = sync.OnceValue(func() uint64 {
	var st unix.Stat_t
	if unix.Stat("/proc/self/ns/pid", &st) != nil {
		return 0
	}
	return st.Ino
})

// startOf returns when process pid began, in ticks since the boot, which tells a
// process number that is used again.
func startOf(pid int) (uint64, error) {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(stat[bytes.LastIndexByte(stat, ')')+1:]), " ")
	fields := strings.Fields(rest)
	if len(fields) < 20 {
		return 0, fmt.Errorf("/proc/%d/stat: %q", pid, stat)
	}
	return strconv.ParseUint(fields[19], 10, 64) // field 22, counted from the number
}

func (processes) gone(pid int) bool {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return err == unix.ESRCH
	}
	defer unix.Close(fd)
	return ended(fd, 0)
}

// ended waits so long for the end of a process and reports whether it has come.
func ended(pidfd int, wait time.Duration) bool {
	fds := []unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}
	for {
		n, err := unix.Poll(fds, int(wait.Milliseconds()))
		if err != unix.EINTR {
			return n == 1 && err == nil
		}
	}
}

// execAfter is how long a process whose lifeline broke is waited for before it is
// asked whether it only executed another program: then it lives, with none of our
// memory.
const execAfter = 50 * time.Millisecond

func (processes) awaitGone(pid int, started uint64) bool {
	fd, err := unix.PidfdOpen(pid, 0)
	if err == unix.ESRCH {
		return true
	}
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	for {
		if t, err := startOf(pid); err != nil || t != started {
			return true // the number is another's by now
		}
		if ended(fd, execAfter) || !mapsASpace(pid) {
			return true
		}
	}
}

func (processes) sameProgram(pid int) bool {
	mine, err1 := os.Stat("/proc/self/exe")
	its, err2 := os.Stat("/proc/" + strconv.Itoa(pid) + "/exe")
	return err1 == nil && err2 == nil && os.SameFile(mine, its)
}

func (processes) kill(pid int, started uint64) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return os.NewSyscallError("pidfd_open", err)
	}
	defer unix.Close(fd)
	if t, err := startOf(pid); err != nil || t != started {
		return unix.ESRCH
	}
	return os.NewSyscallError("pidfd_send_signal", unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0))
}

// mapsASpace reports whether a process may have memory of a space mapped. Where it
// may not be asked, it may.
func mapsASpace(pid int) bool {
	maps, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/maps")
	if os.IsNotExist(err) {
		return false
	}
	return err != nil || bytes.Contains(maps, []byte(filePrefix)) || bytes.Contains(maps, []byte("memfd:tutti"))
}
