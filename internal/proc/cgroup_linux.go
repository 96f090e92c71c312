package proc

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// commandGroup is the cgroup v2 of one command.
type commandGroup struct {
	path string
	fd   int
	oom  oomSource
}

// newCommandGroup makes a cgroup below parent.
func newCommandGroup(parent string) (*commandGroup, error) {
	name := "tutti." + markPrefix() + strconv.FormatUint(markCount.Add(1), 36)
	g := &commandGroup{path: filepath.Join(parent, name)}
	if err := os.Mkdir(g.path, 0o755); err != nil {
		return nil, fmt.Errorf("make cgroup: %w", err)
	}
	var err error
	g.fd, err = unix.Open(g.path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open cgroup: %w", err), os.Remove(g.path))
	}
	// Absent where the memory controller is not enabled below parent.
	g.oom, _ = openCounter(filepath.Join(g.path, "memory.events"))
	return g, nil
}

// kill ends all members at once. It only helps: the tree is searched after it in any
// case, since kernels before 5.14 cannot do this and a process may have been moved out.
func (g *commandGroup) kill() {
	_ = os.WriteFile(filepath.Join(g.path, "cgroup.kill"), []byte("1"), 0)
}

// close lets go of the cgroup and removes it, unless something lives in it.
func (g *commandGroup) close() {
	_ = unix.Close(g.fd)
	if g.oom.file != nil {
		g.oom.file.Close()
	}
	_ = os.Remove(g.path)
}
