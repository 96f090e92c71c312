package ipc

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// spaceName is a name for a space of this test that nobody else has.
func spaceName(t *testing.T) string {
	t.Helper()
	name := fmt.Sprintf("test-%d-%s", os.Getpid(), strings.ReplaceAll(t.Name(), "/", "-"))
	t.Cleanup(func() { _ = Remove(name, Options{}) })
	return name
}

// another is a process that this one started.
type another struct {
	*exec.Cmd
	out *bufio.Reader
	in  io.WriteCloser
}

// start starts this binary again to do mode.
func start(t *testing.T, mode string, args ...string) *another {
	t.Helper()
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), childEnv+"="+mode, "GORACE=atexit_sleep_ms=0")
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	a := &another{cmd, bufio.NewReader(out), in}
	t.Cleanup(a.kill)
	return a
}

// says waits for a line of the process.
func (a *another) says(t *testing.T, want string) {
	t.Helper()
	if line, err := a.out.ReadString('\n'); err != nil || line != want+"\n" {
		t.Fatalf("the other process says %q, want %q (%v)", line, want, err)
	}
}

func (a *another) kill() {
	_ = a.Process.Kill()
	_ = a.Wait()
}

func init() {
	// hold NAME: hold a lock, a reader's lock and two units, until killed.
	childModes["hold"] = func() error {
		s, err := Open(os.Args[1], 0)
		if err != nil {
			return err
		}
		ctx := context.Background()
		err = errors.Join(
			heirGets(must(s.Mutex("m")).Lock(ctx)), heirGets(must(s.RWMutex("rw")).Lock(ctx)), must(s.Semaphore("sem", 3)).Acquire(ctx, 2),
		)
		if err != nil {
			return err
		}
		fmt.Println("held")
		_, err = io.Copy(io.Discard, os.Stdin)
		return err
	}
	// exec NAME: take a lock, and become another program.
	childModes["exec"] = func() error {
		s, err := Open(os.Args[1], 0)
		if err != nil {
			return err
		}
		if err := must(s.Mutex("m")).Lock(context.Background()); err != nil {
			return err
		}
		fmt.Println("held")
		if _, err := os.Stdin.Read(make([]byte, 1)); err != nil {
			return err
		}
		return syscall.Exec("/bin/sleep", []string{"sleep", "1000"}, nil)
	}
}

// What a killed process held goes to those who wait, again and again.
func TestKilledHolder(t *testing.T) {
	t.Parallel()
	name := spaceName(t)
	s, err := Open(name, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	m, rw, sem := must(s.Mutex("m")), must(s.RWMutex("rw")), must(s.Semaphore("sem", 3))
	for range 20 {
		a := start(t, "hold", name)
		a.says(t, "held")
		waits := make(chan error, 3)
		go func() {
			err := m.Lock(soon(t))
			if !errors.Is(err, ErrOwnerDied) {
				err = fmt.Errorf("mutex: %w", err)
			} else {
				err = errors.Join(m.MarkConsistent(), m.Unlock())
			}
			waits <- err
		}()
		go func() {
			err := rw.Lock(soon(t))
			if !errors.Is(err, ErrOwnerDied) {
				err = fmt.Errorf("rwmutex: %w", err)
			} else {
				err = errors.Join(rw.MarkConsistent(), rw.Unlock())
			}
			waits <- err
		}()
		go func() { waits <- errors.Join(sem.Acquire(soon(t), 2), sem.Release(2)) }()
		a.kill()
		for range 3 {
			if err := <-waits; err != nil {
				t.Fatal(err)
			}
		}
	}
}

// What a process held that died alone is freed by the next one that comes.
func TestNextOpenerBuries(t *testing.T) {
	t.Parallel()
	name := spaceName(t)
	s, err := Open(name, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	a := start(t, "hold", name)
	a.says(t, "held")
	a.kill()
	if s, err = Open(name, 0); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if ok, err := must(s.Mutex("m")).TryLock(); !ok || !errors.Is(err, ErrOwnerDied) {
		t.Errorf("%v, %v", ok, err)
	}
	if ok, err := must(s.Semaphore("sem", 3)).TryAcquire(3); !ok || err != nil {
		t.Errorf("%v, %v", ok, err)
	}
}

// A stopped process is stopped, and not dead.
func TestStoppedIsNotDead(t *testing.T) {
	t.Parallel()
	name := spaceName(t)
	s, err := Open(name, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	a := start(t, "hold", name)
	a.says(t, "held")
	if err := a.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*backstop)
	defer cancel()
	if err := must(s.Mutex("m")).Lock(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the lock of a stopped process: %v", err)
	}
	if err := a.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if err := a.in.Close(); err != nil { // it leaves without unlocking
		t.Fatal(err)
	}
	if err := must(s.Mutex("m")).Lock(soon(t)); !errors.Is(err, ErrOwnerDied) {
		t.Error(err)
	}
}

// A process that executes another program has nothing of ours any more.
func TestExecGivesUp(t *testing.T) {
	t.Parallel()
	name := spaceName(t)
	s, err := Open(name, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	a := start(t, "exec", name)
	a.says(t, "held")
	if _, err := a.in.Write([]byte{1}); err != nil {
		t.Fatal(err)
	}
	if err := must(s.Mutex("m")).Lock(soon(t)); !errors.Is(err, ErrOwnerDied) {
		t.Error(err)
	}
}

// A file that is no space, is damaged, of another version or another's is an error
// that says so.
func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	name := spaceName(t)
	path := filepath.Join(defaultFolder, filePrefix+name)
	s, err := Open(name, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := Open(name, 1<<30); err == nil {
		t.Error("more room than there is was promised")
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	other := spaceName(t) + "-other"
	otherPath := filepath.Join(defaultFolder, filePrefix+other)
	t.Cleanup(func() { _ = os.Remove(otherPath) })
	for what, c := range map[string]struct {
		change func(b []byte) []byte
		want   error
	}{
		"empty":           {func([]byte) []byte { return nil }, nil},
		"foreign":         {func([]byte) []byte { return []byte(strings.Repeat("text\n", 10_000)) }, ErrNotASpace},
		"cut off":         {func(b []byte) []byte { return b[:len(b)/2] }, ErrNotASpace},
		"page":            {func(b []byte) []byte { return b[:100] }, ErrNotASpace},
		"longer":          {func(b []byte) []byte { return append(b, 0) }, ErrNotASpace},
		"another version": {func(b []byte) []byte { binary.LittleEndian.PutUint32(b[8:], layoutVersion+1); return b }, ErrVersion},
		"another boot":    {func(b []byte) []byte { b[48]++; return b }, ErrNotASpace},
		"many objects":    {func(b []byte) []byte { binary.LittleEndian.PutUint32(b[12:], 1<<31); return b }, ErrNotASpace},
	} {
		if err := os.WriteFile(otherPath, c.change(append([]byte(nil), whole...)), 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := Open(other, 0)
		if err == nil {
			_ = s.Close()
		}
		if err == nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := Open("a/b", 1); err == nil {
		t.Error("a name with a slash was taken")
	}
	if _, err := OpenWith(other, 1, Options{Folder: "/proc"}); err == nil {
		t.Error("a folder that is none was taken")
	}
}

// The permissions are those asked for, whatever the umask, and others are refused.
func TestPermissions(t *testing.T) {
	t.Parallel()
	name := spaceName(t)
	s, err := Open(name, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	path := filepath.Join(defaultFolder, filePrefix+name)
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", st.Mode(), err)
	}
	if os.Getuid() != 0 {
		t.Skip("only root can be another user")
	}
	exe := filepath.Join(t.TempDir(), "test") // where another user can reach it
	for dir := filepath.Dir(exe); strings.HasPrefix(dir, os.TempDir()) && dir != os.TempDir(); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(exe, self, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, name)
	cmd.Env = append(os.Environ(), childEnv+"=refused")
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	if out, err := cmd.CombinedOutput(); err != nil || string(out) != "refused\n" {
		t.Errorf("another user: %s (%v)", out, err)
	}
}

func init() {
	childModes["refused"] = func() error {
		_, err := Open(os.Args[1], 0)
		if !errors.Is(err, fs.ErrPermission) {
			return fmt.Errorf("opened: %v", err)
		}
		fmt.Println("refused")
		return nil
	}
}

// Many processes make and open a space at once: all have the same one.
func TestOpenAtOnce(t *testing.T) {
	t.Parallel()
	name := spaceName(t)
	const n = 8
	done := make(chan error, n)
	for range n {
		go func() {
			s, err := Open(name, 1<<20)
			if err == nil {
				err = errors.Join(must(s.Semaphore("count", n)).Acquire(soon(t), 1), must(s.Barrier("b", 1)).Wait(soon(t)))
				t.Cleanup(func() { _ = s.Close() })
			}
			done <- err
		}()
	}
	for range n {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	s, err := Open(name, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, held := must(s.Semaphore("count", n)).Units(); held != n {
		t.Errorf("%d of %d came into the same space", held, n)
	}
	names, err := Names(Options{})
	if err != nil || !strings.Contains(strings.Join(names, " "), name) {
		t.Errorf("%v, %v", names, err)
	}
}

// A child gets an anonymous space by its descriptor, and nothing is left of it.
func TestAnonymous(t *testing.T) {
	t.Parallel()
	s, err := Anonymous(1<<20, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	fd, err := unix.FcntlInt(uintptr(s.FD()), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	file := os.NewFile(uintptr(fd), "space")
	defer file.Close()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), childEnv+"=attach")
	cmd.ExtraFiles = []*os.File{file}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s (%v)", out, err)
	}
	if !must(s.Event("e")).IsSet() {
		t.Error("the child set another event")
	}
}

func init() {
	childModes["attach"] = func() error {
		s, err := Attach(3, Options{})
		if err != nil {
			return err
		}
		must(s.Event("e")).Set()
		return s.Close()
	}
}
