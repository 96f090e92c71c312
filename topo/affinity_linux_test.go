package topo

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// childEnv tells the test binary, started again, which of children to be. Pinning and seccomp cannot
// be undone for the threads that are born meanwhile, so they happen in a process of their own.
const childEnv = "TOPO_TEST_CHILD"

var children = map[string]func() error{"pin": pinChild, "refused": refusedChild}

func TestMain(m *testing.M) {
	if child, ok := children[os.Getenv(childEnv)]; ok {
		if err := child(); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func runChild(t *testing.T, name string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe")
	cmd.Env = append(os.Environ(), childEnv+"="+name, "GORACE=atexit_sleep_ms=0") // else a race build waits 1 s
	out, err := cmd.CombinedOutput()
	if reason, skip := strings.CutPrefix(string(out), "skip: "); skip {
		t.Skip(strings.TrimSpace(reason))
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func TestDetectHere(t *testing.T) {
	t.Parallel()
	allowed, err := Affinity()
	if err != nil {
		t.Fatal(err)
	}
	if len(allowed) != runtime.NumCPU() {
		t.Errorf("affinity %v, but runtime.NumCPU is %d", allowed, runtime.NumCPU())
	}
	m, err := Detect()
	if err != nil {
		t.Fatal(err)
	}
	t.Log(m)
	checkSane(t, m)
	var ids []int
	for _, c := range m.CPUs {
		ids = append(ids, c.ID)
	}
	if !slices.Equal(ids, allowed) {
		t.Errorf("CPUs %v, but the affinity is %v", ids, allowed)
	}
	if order := slices.Sorted(slices.Values(m.Spread())); !slices.Equal(order, ids) {
		t.Errorf("Spread gives %v of %v", order, ids)
	}
	if m.MemoryBytes <= 0 {
		t.Error("no memory found")
	}
}

func TestPinProcess(t *testing.T) {
	t.Parallel()
	runChild(t, "pin")
}

// pinRounds is how often pinChild pins anew: a thread that slips through does so by chance.
const pinRounds = 30

// pinChild pins itself to one CPU and to all of them in turn, while goroutines keep making threads,
// and checks every thread.
func pinChild() error {
	allowed, err := Affinity()
	if err != nil {
		return err
	}
	if err := refuseImpossible(allowed); err != nil {
		return err
	}
	target := allowed[len(allowed)-1]
	stop := startThreads()
	for round := range pinRounds {
		for _, cpus := range [][]int{allowed, {target}} {
			if err := PinProcess(cpus...); err != nil {
				return err
			}
			if err := checkThreads(cpus...); err != nil {
				return fmt.Errorf("round %d: %w", round, err)
			}
		}
	}
	stop()
	now, err := Affinity()
	if err != nil || !slices.Equal(now, []int{target}) {
		return fmt.Errorf("affinity %v, %v after pinning to %d", now, err, target)
	}
	return nil
}

// refuseImpossible asks for what cannot be had; each must be an error and leave allowed as it was.
func refuseImpossible(allowed []int) error {
	absent := maxCPUs - 1
	for _, tt := range []struct {
		cpus []int
		text string
	}{
		{nil, "no CPUs given"},
		{[]int{-1}, "CPU -1 is not in"},
		{[]int{maxCPUs}, "is not in"},
		{[]int{absent}, "invalid argument"},
		{[]int{allowed[0], absent}, fmt.Sprintf("CPUs %d are offline", absent)},
	} {
		if err := PinProcess(tt.cpus...); err == nil || !strings.Contains(err.Error(), tt.text) {
			return fmt.Errorf("PinProcess(%v): %v, want %q", tt.cpus, err, tt.text)
		}
		if err := checkThreads(allowed...); err != nil {
			return fmt.Errorf("after PinProcess(%v): %w", tt.cpus, err)
		}
	}
	return nil
}

// startThreads makes a few threads that stay and goroutines that make new ones until stop is called.
func startThreads() (stop func()) {
	var stopped atomic.Bool
	release := make(chan struct{})
	for range 4 {
		up := make(chan struct{})
		go func() {
			runtime.LockOSThread()
			close(up)
			<-release
		}()
		<-up
	}
	ended := make(chan struct{})
	const makers = 2
	for range makers {
		go func() {
			for !stopped.Load() {
				born := make(chan struct{})
				go func() { runtime.LockOSThread(); close(born) }()
				<-born
			}
			ended <- struct{}{}
		}()
	}
	return func() {
		stopped.Store(true)
		for range makers {
			<-ended
		}
		close(release)
	}
}

func checkThreads(want ...int) error {
	tasks, err := filepath.Glob("/proc/self/task/*")
	if err != nil || len(tasks) == 0 {
		return fmt.Errorf("threads %v, %v", tasks, err)
	}
	for _, task := range tasks {
		tid, err := strconv.Atoi(filepath.Base(task))
		if err != nil {
			return err
		}
		m, err := threadMask(tid)
		if errors.Is(err, unix.ESRCH) {
			continue
		}
		if err != nil {
			return err
		}
		if got := maskCPUs(m); !slices.Equal(got, want) {
			return fmt.Errorf("thread %d of %d runs on %v, want %v", tid, len(tasks), got, want)
		}
	}
	return nil
}

func TestRefusedCalls(t *testing.T) {
	t.Parallel()
	runChild(t, "refused")
}

// refusedChild lives under a seccomp filter such as a container's, which refuses both calls.
func refusedChild() error {
	runtime.LockOSThread() // the filter binds this thread, and these calls are made on it
	if err := refuse(unix.SYS_SCHED_SETAFFINITY); err != nil {
		fmt.Println("skip: no seccomp filter can be set:", err)
		return nil
	}
	err := PinProcess(0)
	if !errors.Is(err, unix.EPERM) || !strings.Contains(err.Error(), "sched_setaffinity is refused") ||
		!strings.Contains(err.Error(), "run without pinning") {
		return fmt.Errorf("PinProcess: %v", err)
	}
	if err := refuse(unix.SYS_SCHED_GETAFFINITY); err != nil {
		return err
	}
	if _, err := Affinity(); !errors.Is(err, unix.EPERM) || !strings.Contains(err.Error(), "sched_getaffinity is refused") {
		return fmt.Errorf("Affinity: %v", err)
	}
	m, err := Detect()
	if err != nil || len(m.CPUs) == 0 {
		return fmt.Errorf("Detect without an affinity: %v, %v", m, err)
	}
	return nil
}

// refuse makes a system call fail with EPERM on the calling thread, for good.
func refuse(call uint32) error {
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // the call's number
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: call},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	err := unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&program)), 0, 0)
	runtime.KeepAlive(&program)
	return err
}
