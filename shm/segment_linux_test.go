package shm

import (
	"errors"
	"os"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func newSegment(t testing.TB, size, committed int64) *Segment {
	t.Helper()
	s, err := Create(size, committed)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// resident returns how many bytes of memory a segment has.
func resident(t *testing.T, s *Segment) int64 {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Fstat(s.FD(), &st); err != nil {
		t.Fatal(err)
	}
	return st.Blocks * 512
}

func TestCreateIsSparse(t *testing.T) {
	t.Parallel()
	s := newSegment(t, 256<<30, 1<<20)
	if got := resident(t, s); got != 1<<20 {
		t.Fatalf("%d bytes are committed, want %d", got, 1<<20)
	}
	if err := s.Commit(200<<30, 40<<20); err != nil { // more than a chunk
		t.Fatal(err)
	}
	if got := resident(t, s); got != 41<<20 {
		t.Fatalf("%d bytes are committed, want %d", got, 41<<20)
	}
	b, err := s.Bytes(200<<30, 40<<20)
	if err != nil {
		t.Fatal(err)
	}
	b[0], b[len(b)-1] = 1, 2
	if err := s.Release(200<<30, 40<<20); err != nil {
		t.Fatal(err)
	}
	if got := resident(t, s); got != 1<<20 {
		t.Fatalf("%d bytes are committed after the release, want %d", got, 1<<20)
	}
	if err := unix.Ftruncate(s.FD(), 4096); err != unix.EPERM {
		t.Fatalf("shrinking gave %v, want EPERM", err)
	}
}

func TestCommitMoreThanTheMachineHas(t *testing.T) {
	t.Parallel()
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		t.Fatal(err)
	}
	// Not simply a huge number: machines differ in how much they let one map.
	size := 2 * int64(info.Totalram+info.Totalswap) * int64(info.Unit)
	s := newSegment(t, size, 0)
	err := s.Commit(0, size)
	if !errors.Is(err, ErrFull) {
		t.Fatal(err)
	}
	t.Log(err)
	if got := resident(t, s); got != 0 {
		t.Errorf("%d bytes were committed all the same", got)
	}
}

func TestParseMemInfo(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		info string
		want int64
		ok   bool
	}{
		{"", 0, false},
		{"MemTotal: 8 kB\nMemAvailable:   5 kB\nSwapFree: 2 kB\n", 7168, true},
		{"MemAvailable: 5 kB", 5120, true},
		{"SwapFree: 2 kB\n", 2048, false},
		{"MemAvailable: x kB\nMemAvailable: -1 kB\nMemAvailable:\n", 0, false},
		{"MemAvailable: 99999999999999999999 kB\n", 0, false},
	} {
		if got, ok := parseMemInfo([]byte(c.info)); got != c.want || ok != c.ok {
			t.Errorf("%q: %d, %v", c.info, got, ok)
		}
	}
}

func TestCreateRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range [][2]int64{{0, 0}, {-1, 0}, {4096, -1}, {4096, 4097}} {
		if s, err := Create(c[0], c[1]); err == nil {
			s.Close()
			t.Errorf("Create(%d, %d) gave no error", c[0], c[1])
		}
	}
}

func TestAttach(t *testing.T) {
	t.Parallel()
	s := newSegment(t, 1<<20, 1<<20)
	fd, err := unix.Dup(s.FD())
	if err != nil {
		t.Fatal(err)
	}
	peer, err := Attach(fd)
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	if flags, _ := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); flags&unix.FD_CLOEXEC == 0 {
		t.Error("the attached descriptor would be inherited")
	}
	mine, _ := s.Bytes(1000, 1)
	its, _ := peer.Bytes(1000, 1)
	mine[0] = 42
	if peer.Size() != s.Size() || its[0] != 42 {
		t.Fatalf("the peer sees %d bytes and %d", peer.Size(), its[0])
	}
}

func TestAttachRefuses(t *testing.T) {
	t.Parallel()
	null, err := os.Open("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	const resize = unix.F_SEAL_SHRINK | unix.F_SEAL_GROW
	for _, c := range []struct {
		name string
		fd   int
	}{
		{"negative", -1},
		{"closed", 1 << 20},
		{"null", int(null.Fd())},
		{"pipe", int(r.Fd())},
		{"unsealed", memfd(t, 4096, 0)},
		{"half sealed", memfd(t, 4096, unix.F_SEAL_SHRINK)},
		{"empty", memfd(t, 0, resize)},
		{"read only", memfd(t, 4096, resize|unix.F_SEAL_WRITE)},
	} {
		if s, err := Attach(c.fd); err == nil {
			s.Close()
			t.Errorf("%s: attached", c.name)
		} else {
			t.Logf("%s: %v", c.name, err)
		}
	}
}

func memfd(t *testing.T, size int64, seals int) int {
	t.Helper()
	fd, err := unix.MemfdCreate("test", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.Ftruncate(fd, size); err != nil {
		t.Fatal(err)
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals); err != nil {
		t.Fatal(err)
	}
	return fd
}

func TestProbe(t *testing.T) {
	t.Parallel()
	if err := Probe(); err != nil {
		t.Fatal(err)
	}
	for _, errno := range []unix.Errno{unix.ENOSYS, unix.EPERM, unix.EACCES} { // too old; forbidden
		err := verdict("futex_waitv", errno)
		if !errors.Is(err, errno) {
			t.Errorf("%v does not wrap %v", err, errno)
			continue
		}
		for _, says := range []string{"refuses futex_waitv", "Linux 5.16 or later", "seccomp profile", "kernel " + release(t)} {
			if !strings.Contains(err.Error(), says) {
				t.Errorf("%q does not say %q", err, says)
			}
		}
	}
	if err := verdict("fallocate", unix.ENOMEM); !errors.Is(err, unix.ENOMEM) || !strings.Contains(err.Error(), "fallocate") {
		t.Errorf("another error: %v", err)
	}
	for _, errno := range []unix.Errno{0, unix.EINVAL} {
		if err := verdict("futex", errno); err != nil {
			t.Errorf("who complains of arguments knows the call: %v", err)
		}
	}
	if errno := ofBadDescriptor(unix.EBADF); errno != 0 {
		t.Errorf("EBADF passes for %v", errno)
	}
	if errno := ofBadDescriptor(unix.ENOSYS); errno != unix.ENOSYS {
		t.Errorf("ENOSYS passes for %v", errno)
	}
}

func release(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

// What was populated is touched without a fault, to its last whole page; nonsense does
// nothing.
func TestPopulate(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	const n = 4 << 20
	s, err := Create(2*n, n)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.Populate(-1, n)
	s.Populate(n, 2*n)
	s.Populate(100, n-100)
	b, err := s.Bytes(0, n)
	if err != nil {
		t.Fatal(err)
	}
	faults := func() int64 {
		var r unix.Rusage
		if err := unix.Getrusage(unix.RUSAGE_THREAD, &r); err != nil {
			t.Fatal(err)
		}
		return r.Minflt
	}
	before := faults()
	for i := 0; i < n; i += 4096 {
		b[i]++
	}
	// The first page, and what the runtime touches meanwhile.
	if got := faults() - before; got > 50 {
		t.Errorf("%d faults in %d pages", got, n/4096)
	}
	HeapSegment(n).Populate(0, n)
}
