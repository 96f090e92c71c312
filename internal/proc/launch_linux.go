package proc

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// launch starts the command as a shell would: searched for in PATH, and by /bin/sh
// when the kernel knows no way to execute the file.
func (r *run) launch(attr *syscall.ProcAttr) error {
	argv := r.command.Argv
	if len(argv) == 0 || argv[0] == "" {
		return fmt.Errorf("start: empty command: %w", ErrNotFound)
	}
	path, err := r.command.Path, error(nil)
	if path == "" {
		path, err = lookup(argv[0], attr.Env, attr.Dir)
	}
	if err != nil {
		return fmt.Errorf("start %s: %w", argv[0], err)
	}
	_, err = launchNice(r.command.Nice, path, argv, attr, r)
	if errors.Is(err, syscall.ENOEXEC) {
		_, err = launchNice(r.command.Nice, "/bin/sh", append([]string{"/bin/sh", path}, argv[1:]...), attr, r)
	}
	if err != nil {
		return fmt.Errorf("start %s: %w", argv[0], explainStart(err, attr.Dir))
	}
	return nil
}

// launchNice launches at a niceness, unless it is nil. A child has that of the
// thread that forks it, and a thread cannot take its own back without privilege:
// so the fork is made on a thread that ends with it. Who may not be less nice
// than he is stays as he is.
func launchNice(nice *int, path string, argv []string, attr *syscall.ProcAttr, r *run) (c *child, err error) {
	if nice == nil {
		return children.launch(path, argv, attr, r)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		_ = unix.Setpriority(unix.PRIO_PROCESS, 0, *nice)
		c, err = children.launch(path, argv, attr, r)
	}()
	<-done
	return c, err
}

// explainStart tells a refusal of the command from one of its folder and from a
// fault of this process. ForkExec gives the bare error of whatever failed.
func explainStart(err error, dir string) error {
	if dir != "" {
		if info, statErr := os.Stat(dir); statErr != nil {
			return fmt.Errorf("enter working directory: %w", statErr)
		} else if !info.IsDir() {
			return fmt.Errorf("enter working directory %s: %w", dir, syscall.ENOTDIR)
		}
	}
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return err
	}
	switch errno {
	case syscall.ENOENT, syscall.ENOTDIR:
		return fmt.Errorf("%w: %w", ErrNotFound, err)
	case syscall.EAGAIN, syscall.ENOMEM, syscall.EMFILE, syscall.ENFILE, syscall.ENOSYS:
		return err
	}
	return fmt.Errorf("%w: %w", ErrNotExecutable, err)
}

// startExit is the exit code for an error of starting.
func startExit(err error) int {
	if errors.Is(err, ErrNotFound) {
		return 127
	}
	return 126
}

// defaultPath is searched when there is no PATH, as shells do.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// lookup finds name in the PATH of env. The answer is for execve after a change to
// dir, as is a name that holds a slash.
func lookup(name string, env []string, dir string) (string, error) {
	if strings.Contains(name, "/") {
		return name, nil
	}
	path := defaultPath
	for _, entry := range env {
		if value, ok := strings.CutPrefix(entry, "PATH="); ok {
			path = value
		}
	}
	refused := false
	for folder := range strings.SplitSeq(path, ":") {
		if folder == "" {
			folder = "." // an empty entry means the working directory
		}
		candidate := folder + "/" + name
		seen := candidate
		if dir != "" && !strings.HasPrefix(candidate, "/") {
			seen = filepath.Join(dir, candidate)
		}
		var st syscall.Stat_t
		if syscall.Stat(seen, &st) != nil {
			continue
		}
		if st.Mode&syscall.S_IFMT == syscall.S_IFREG && st.Mode&0o111 != 0 {
			return candidate, nil
		}
		refused = true
	}
	if refused {
		return "", ErrNotExecutable
	}
	return "", ErrNotFound
}

// markPrefix names this process among all of this boot; markCount numbers its
// commands.
var (
	markPrefix = sync.OnceValue(func() string {
		return strconv.Itoa(os.Getpid()) + "." + strconv.FormatInt(time.Now().UnixNano(), 36) + "."
	})
	markCount atomic.Uint64
)

// markedEnv returns env with a new mark below the one that it has.
func markedEnv(env []string) (marked []string, mark string) {
	if env == nil {
		env = syscall.Environ()
	}
	mark = markPrefix() + strconv.FormatUint(markCount.Add(1), 36)
	marked = make([]string, 0, len(env)+1)
	for _, entry := range env {
		if outer, ok := strings.CutPrefix(entry, MarkVariable+"="); ok {
			mark = outer + "/" + mark
			continue
		}
		marked = append(marked, entry)
	}
	return append(marked, MarkVariable+"="+mark), mark
}
