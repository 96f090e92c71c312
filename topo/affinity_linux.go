package topo

import (
	"errors"
	"fmt"
	"io/fs"
	"math/bits"
	"os"
	"runtime"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

const (
	// quietLooks is how often in a row PinProcess must find every thread as it should be. One look
	// is not enough: a thread being created when its creator was pinned may carry the old mask and
	// be not yet in /proc. That window is a clone call, shorter than a look.
	quietLooks = 2
	// maxLooks ends the search where something else keeps undoing it.
	maxLooks = 1000
)

// mask is a set of CPUs as the kernel takes it, always of maxCPUs bits so that masks compare.
type mask = unix.CPUSetDynamic

// Affinity gives the CPUs that this process may run on now, by rising id. It asks the kernel about
// the process's first thread, which is what runtime.NumCPU saw when the process started. The error
// names the system call if it is refused. Safe for concurrent use.
func Affinity() ([]int, error) {
	allowed, err := threadMask(os.Getpid())
	if err != nil {
		return nil, fmt.Errorf("read the CPU affinity: %w", err)
	}
	return maskCPUs(allowed), nil
}

// PinProcess restricts every thread of this process to cpus; threads and processes started later
// inherit it. It first asks for the calling thread alone, so that CPUs this process cannot have are an
// error that changes nothing; any later error leaves some threads pinned. From then on the Go runtime
// lowers GOMAXPROCS to the number of cpus by itself, within seconds, unless the program or its
// environment has set it. Safe for concurrent use, but of two calls at once neither can win for sure.
func PinProcess(cpus ...int) error {
	want, err := maskOf(cpus)
	if err != nil {
		return fmt.Errorf("pin the process: %w", err)
	}
	if err := pinCaller(want, cpus); err != nil {
		return fmt.Errorf("pin the process to CPUs %s: %w", formatCPUs(cpus), err)
	}
	return pinAll("self", want, cpus)
}

// PinOther restricts every thread of another process to cpus, as [PinProcess] does for this one. It
// may be any process of the same user. One that has ended is no error.
func PinOther(pid int, cpus ...int) error {
	want, err := maskOf(cpus)
	if err != nil {
		return fmt.Errorf("pin process %d: %w", pid, err)
	}
	return pinAll(strconv.Itoa(pid), want, cpus)
}

// AffinityOf gives the CPUs that another process may run on now, by rising id, as its first thread
// has it.
func AffinityOf(pid int) ([]int, error) {
	allowed, err := threadMask(pid)
	if err != nil {
		return nil, fmt.Errorf("read the CPU affinity of process %d: %w", pid, err)
	}
	return maskCPUs(allowed), nil
}

// pinAll pins every thread of a process, named as in /proc.
func pinAll(process string, want mask, cpus []int) error {
	for looks, quiet := 0, 0; quiet < quietLooks; looks++ {
		if looks == maxLooks {
			return fmt.Errorf("pin the process to CPUs %s: threads with another affinity kept appearing; "+
				"does another program or the cpuset change it?", formatCPUs(cpus))
		}
		changed, err := pinThreads(process, want)
		if err != nil {
			return fmt.Errorf("pin the process to CPUs %s: %w", formatCPUs(cpus), err)
		}
		if changed {
			quiet = 0
		} else {
			quiet++
		}
	}
	return nil
}

// pinCaller pins the calling thread, and puts it back if the kernel grants only some of the CPUs:
// the kernel calls that a success.
func pinCaller(want mask, cpus []int) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before, err := threadMask(0)
	if err != nil {
		return err
	}
	if err := setThreadMask(0, want); err != nil {
		return err
	}
	granted, err := threadMask(0)
	if err != nil {
		return err
	}
	if slices.Equal(granted, want) {
		return nil
	}
	missing := slices.DeleteFunc(slices.Clone(cpus), granted.IsSet)
	err = fmt.Errorf("CPUs %s are offline, absent or outside this process's cpuset", formatCPUs(missing))
	return errors.Join(err, setThreadMask(0, before))
}

// pinThreads pins the threads that are there now and reports whether any was not pinned yet. It
// compares masks instead of remembering thread ids, which the kernel uses again.
func pinThreads(process string, want mask) (changed bool, err error) {
	tasks, err := os.ReadDir("/proc/" + process + "/task")
	if process != "self" && errors.Is(err, fs.ErrNotExist) {
		return false, nil // it has ended
	}
	if err != nil {
		return false, fmt.Errorf("list the threads (is /proc mounted?): %w", err)
	}
	for _, task := range tasks {
		tid, err := strconv.Atoi(task.Name())
		if err != nil {
			return false, fmt.Errorf("list the threads: %w", err)
		}
		now, err := threadMask(tid)
		if err == nil && !slices.Equal(now, want) {
			changed = true
			err = setThreadMask(tid, want)
		}
		if err != nil && !errors.Is(err, unix.ESRCH) { // ESRCH: the thread has ended meanwhile
			return changed, err
		}
	}
	return changed, nil
}

// threadMask gives the affinity of a thread, 0 for the caller's.
func threadMask(tid int) (mask, error) {
	m := unix.NewCPUSet(maxCPUs)
	if err := unix.SchedGetaffinityDynamic(tid, m); err != nil {
		return nil, explain("sched_getaffinity", err)
	}
	return m, nil
}

func setThreadMask(tid int, m mask) error {
	return explain("sched_setaffinity", unix.SchedSetaffinityDynamic(tid, m))
}

// explain says what to do about a failed affinity call; nil stays nil.
func explain(call string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES), errors.Is(err, unix.ENOSYS):
		return fmt.Errorf("the system call %s is refused: %w; "+
			"allow it in the container's seccomp profile, or run without pinning", call, err)
	case errors.Is(err, unix.EINVAL) && call == "sched_setaffinity":
		return fmt.Errorf("all of them are offline, absent or outside this process's cpuset: %s: %w", call, err)
	}
	return fmt.Errorf("%s: %w", call, err)
}

func maskOf(cpus []int) (mask, error) {
	if len(cpus) == 0 {
		return nil, errors.New("no CPUs given")
	}
	m := unix.NewCPUSet(maxCPUs)
	for _, id := range cpus {
		if id < 0 || id >= maxCPUs {
			return nil, fmt.Errorf("CPU %d is not in 0-%d", id, maxCPUs-1)
		}
		m.Set(id)
	}
	return m, nil
}

func maskCPUs(m mask) []int {
	var ids []int
	wordBits := maxCPUs / len(m)
	for i, word := range m {
		for bit := uint64(word); bit != 0; bit &= bit - 1 {
			ids = append(ids, i*wordBits+bits.TrailingZeros64(bit))
		}
	}
	return ids
}
