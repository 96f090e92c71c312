package tutti_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tutti-run/tutti"
	"github.com/tutti-run/tutti/internal/engine"
)

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		config tutti.Config
		says   string
	}{
		"no workers":        {tutti.Config{Workers: -1}, "Config.Workers is -1"},
		"too many workers":  {tutti.Config{Workers: 4096}, "Config.Workers is 4096"},
		"less at once":      {tutti.Config{Workers: 4, Concurrency: 3}, "Config.Concurrency is 3"},
		"negative lanes":    {tutti.Config{Workers: 2, TasksPerWorker: -1}, "Config.TasksPerWorker is -1"},
		"far too many":      {tutti.Config{Workers: 2, TasksPerWorker: 1 << 20}, "at once"},
		"table of 100":      {tutti.Config{Tasks: 100}, "Config.Tasks is 100"},
		"table of -64":      {tutti.Config{Tasks: -64}, "Config.Tasks is -64"},
		"table of 2^17":     {tutti.Config{Tasks: 1 << 17}, "Config.Tasks is 131072"},
		"unknown policy":    {tutti.Config{Policy: "fair"}, `"fair"`},
		"negative memory":   {tutti.Config{Memory: -1}, "Config.Memory is -1: up to"},
		"too much memory":   {tutti.Config{Memory: 1 << 62}, "Config.Memory is 4611686018427387904: up to"},
		"negative restarts": {tutti.Config{MaxRestarts: -1}, "Config.MaxRestarts is -1: 1 or more"},
		"a spin of a day":   {tutti.Config{Spin: 24 * time.Hour}, "Config.Spin"},
		"negative patience": {tutti.Config{AttachTimeout: -1}, "Config.AttachTimeout"},
		"deadlock policy":   {tutti.Config{OnDeadlock: 9}, "Config.OnDeadlock is 9: ipc.AbortYoungest"},
		"negative grace":    {tutti.Config{Grace: -1}, "Config.Grace"},
	} {
		pool, err := tutti.Open(t.Context(), c.config)
		if err == nil {
			t.Errorf("%s: no error", name)
			_ = pool.Close()
		} else if !strings.Contains(err.Error(), c.says) || !strings.HasPrefix(err.Error(), "tutti: ") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A program that forgot Main is told so, and starts no process.
func TestOpenWithoutMain(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe")
	cmd.Env = append(os.Environ(), envNoMain+"=1")
	out, err := cmd.CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != tutti.ErrNoMain.Error() {
		t.Errorf("%q, %v", out, err)
	}
}

// A worker that does not call Main in time is an error, also one that ends
// before; the processes are gone then.
func TestWorkersThatDoNotAttach(t *testing.T) {
	t.Parallel()
	for how, says := range map[string]string{envHang: "tutti.Main()", envExit: "exit status 9"} {
		text, patience := new(lines), 300*time.Millisecond
		if how == envExit {
			patience = time.Minute // it comes to its end by itself
		}
		_, err := tutti.Open(t.Context(), tutti.Config{
			Workers: 2, AttachTimeout: patience, Env: append(os.Environ(), how+"=1"), Stderr: text,
		})
		if !errors.Is(err, tutti.ErrNotAttached) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", how, err)
		}
		if how == envExit && !strings.Contains(text.String(), "refusing to work\n") {
			t.Errorf("the worker's last words are lost: %q", text)
		}
	}
}

func TestOpenEndsWithItsContext(t *testing.T) {
	t.Parallel()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	ctx, cancel := context.WithCancel(t.Context())
	go func() { // when the worker has begun
		_, _ = r.Read(make([]byte, 1))
		cancel()
	}()
	_, err = tutti.Open(ctx, tutti.Config{Workers: 1, Env: append(os.Environ(), envHang+"=1"), Files: []*os.File{w}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	if _, err := r.Read(make([]byte, 1)); err == nil {
		t.Error("the worker still holds its end")
	}
	if _, err := tutti.Open(ctx, tutti.Config{Workers: 1}); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that has ended: %v", err)
	}
}

// Pools are opened, used and closed as often as one likes.
func TestManyPools(t *testing.T) {
	t.Parallel()
	for i := range 20 {
		pool, err := tutti.Open(t.Context(), tutti.Config{Workers: 1 + i%3})
		if err != nil {
			t.Fatal(err)
		}
		if n, err := Echo.Call(t.Context(), pool, i); n != i || err != nil {
			t.Errorf("%d, %v", n, err)
		}
		if err := pool.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestPinnedAndPoliteWorkers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]tutti.Config{
		"pinned": {Pin: true, Workers: 3}, "default": {}, "tiny memory": {Memory: 1}, "largest table": {Tasks: 1 << 16, Workers: 1},
		"largest memory": {Memory: engine.MemoryMax},
	} {
		pool, err := tutti.Open(t.Context(), c)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if n, err := Echo.Call(t.Context(), pool, 6); n != 6 || err != nil {
			t.Errorf("%s: %d, %v", name, n, err)
		}
		if err := pool.Close(); err != nil {
			t.Error(err)
		}
	}
}

// With Early a pool is open, and serves, when its first worker is ready; the other
// joins when it comes.
func TestOpenEarly(t *testing.T) {
	t.Parallel()
	queue, admit, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { queue.Close(); admit.Close() }) // behind the pool, which starts workers with it
	let := func() {
		if _, err := admit.Write([]byte{1}); err != nil {
			t.Fatal(err)
		}
	}
	let()
	pool := open(t, tutti.Config{Workers: 2, Early: true, Env: append(os.Environ(), envQueue+"=1"), Files: []*os.File{queue}})
	first, err := Self.Call(t.Context(), pool, 0)
	if err != nil {
		t.Fatal(err)
	}
	let()
	for other := first; other == first; { // one that never joins ends the test by its time limit
		for pid, err := range Self.Map(t.Context(), pool, slices.Values(make([]int, 16))) {
			if err != nil {
				t.Fatal(err)
			}
			if pid != first {
				other = pid
			}
		}
	}
}
