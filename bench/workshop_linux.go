package main

import (
	"context"
	"debug/buildinfo"
	"embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

//go:embed peers
var peerSources embed.FS

// workshop is where contenders are built: a temporary folder, removed at the end,
// and what has been made in it. It belongs to one goroutine.
type workshop struct {
	dir    string
	trace  string // a recorded workload; "" none
	quick  bool
	rounds int

	spawn    func() (string, error) // the C floor
	goplugin func() (string, error)
	tutti    func() (string, error)
	pool     func() (string, error) // the script for Python's pools
	texts    func() (*texts, error) // what jobs copy
	lines    map[int64]*lines       // what pipes cut into blocks, by the number of pieces
}

func openWorkshop(quick bool, rounds int) (*workshop, error) {
	dir, err := os.MkdirTemp("", "tutti-bench-")
	if err != nil {
		return nil, err
	}
	// What tutti notes of the runs here is none of the user's journal.
	if err := os.Setenv("XDG_STATE_HOME", filepath.Join(dir, "state")); err != nil {
		return nil, err
	}
	w := &workshop{dir: dir, quick: quick, rounds: rounds}
	w.spawn = sync.OnceValues(w.buildSpawn)
	w.goplugin = sync.OnceValues(w.buildGoPlugin)
	w.tutti = sync.OnceValues(w.buildTutti)
	w.texts = sync.OnceValues(w.makeTexts)
	w.lines = map[int64]*lines{}
	w.pool = sync.OnceValues(func() (string, error) { return w.unpack("pool.py") })
	return w, nil
}

func (w *workshop) close() { os.RemoveAll(w.dir) }

// size is how much work a round does.
func (w *workshop) size(full int64) int64 {
	if w.quick {
		return full / 10
	}
	return full
}

// unpack writes a peer's source to the folder and returns its path.
func (w *workshop) unpack(name string) (string, error) {
	data, err := peerSources.ReadFile("peers/" + name)
	if err != nil {
		return "", err
	}
	path := filepath.Join(w.dir, name)
	return path, os.WriteFile(path, data, 0o644)
}

func (w *workshop) buildSpawn() (string, error) {
	cc, err := exec.LookPath("cc")
	if err != nil {
		return "", errors.New("no C compiler; apt-get install -y gcc libc6-dev")
	}
	source, err := w.unpack("spawn.c")
	if err != nil {
		return "", err
	}
	path := filepath.Join(w.dir, "spawn")
	return path, build(cc, "-O2", "-o", path, source)
}

// buildGoPlugin builds the module in goplugin/, which is apart so that go-plugin
// never becomes a dependency of tutti. It may fetch modules.
func (w *workshop) buildGoPlugin() (string, error) {
	source, err := exec.Command("go", "list", "-f", "{{.Dir}}", "github.com/tutti-run/tutti/bench").Output()
	if err != nil {
		return "", errors.New("the source is not at hand; run `go run ./bench` in tutti's repository")
	}
	path := filepath.Join(w.dir, "goplugin")
	return path, build("go", "build", "-C", filepath.Join(strings.TrimSpace(string(source)), "goplugin"), "-o", path, ".")
}

// buildTutti builds tutti as its README says to install it. With cgo, which nothing in
// it needs, the dynamic linker would take 0.7 ms of every start.
func (w *workshop) buildTutti() (string, error) {
	path := filepath.Join(w.dir, "tutti")
	return path, build("env", "CGO_ENABLED=0", "go", "build", "-o", path, "github.com/tutti-run/tutti/cmd/tutti")
}

func build(program string, args ...string) error {
	out, err := exec.Command(program, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("cannot be built: %s: %w: %s", filepath.Base(program), err, oneLine(string(out)))
	}
	return nil
}

// goPluginReady builds the go-plugin peer and returns the version that went into it.
func (w *workshop) goPluginReady(context.Context) (string, error) {
	path, err := w.goplugin()
	if err != nil {
		return "", err
	}
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		return "", err
	}
	for _, dep := range info.Deps {
		if dep.Path == "github.com/hashicorp/go-plugin" {
			return dep.Version, nil
		}
	}
	return "", errors.New("was built without github.com/hashicorp/go-plugin")
}

// pythonReady returns the version of the python3 that is installed.
func pythonReady(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "python3", "-c", "import platform; print(platform.python_version())").Output()
	if err != nil {
		return "", errors.New("no python3; apt-get install -y python3")
	}
	return strings.TrimSpace(string(out)), nil
}

// installed returns a ready function for a program whose version is in the first
// line of what `program --version` prints, and must contain mark: programs of the
// same name are not always the same program.
func installed(program, mark, how string) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		out, _ := exec.CommandContext(ctx, program, "--version").CombinedOutput() // the mark decides
		first, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
		if !strings.Contains(first, mark) {
			return "", errors.New(how)
		}
		words := strings.Fields(first)
		return words[len(words)-1], nil
	}
}
