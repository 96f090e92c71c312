package tutti_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/tutti-run/tutti"
)

// What tasks see of the process that they run in.

type Print struct {
	Tag, Fill string
	Lines     int
	ToStderr  bool
}

var (
	Printer = tutti.NewFunc("test.print", func(_ context.Context, p Print) (int, error) {
		to := os.Stdout
		if p.ToStderr {
			to = os.Stderr
		}
		for i := range p.Lines {
			if _, err := fmt.Fprintf(to, "%s %d %s\n", p.Tag, i, p.Fill); err != nil {
				return i, err
			}
		}
		return p.Lines, nil
	})
	Shell = tutti.NewFunc("test.shell", func(ctx context.Context, line string) (string, error) {
		out, err := exec.CommandContext(ctx, "sh", "-c", line).CombinedOutput()
		return string(out), err
	})
	Environ = tutti.NewFunc("test.environ", func(context.Context, int) ([]string, error) { return os.Environ(), nil })
	Inside  = tutti.NewFunc("test.inside", func(ctx context.Context, n int) (int, error) {
		pool, err := tutti.Open(ctx, tutti.Config{Workers: 2})
		if err != nil {
			return 0, err
		}
		sum, err := tutti.Reduce(ctx, pool, Fib, func(yield func(Fibonacci) bool) {
			for range 3 {
				if !yield(Fibonacci{n, "call"}) {
					return
				}
			}
		}, 0, func(a, n int) int { return a + n })
		if closeErr := pool.Close(); err == nil {
			err = closeErr
		}
		if err == nil { // and the outer pool is still there
			var one int
			one, err = Echo.Call(ctx, tutti.FromContext(ctx), 1)
			sum += one
		}
		return sum, err
	})
)

// blocked is a writer that takes nothing until it is let go.
type blocked struct {
	lines
	letGo chan struct{}
}

func (b *blocked) Write(p []byte) (int, error) {
	<-b.letGo
	return b.lines.Write(p)
}

// What workers print last is not lost where the caller is slow to take it.
func TestCloseWaitsForTheLastWords(t *testing.T) {
	t.Parallel()
	out := &blocked{letGo: make(chan struct{})}
	pool, err := tutti.Open(t.Context(), tutti.Config{Workers: 1, Stdout: out})
	if err != nil {
		t.Fatal(err)
	}
	worker, err := os.Open(fmt.Sprintf("/proc/%d", pool.Stats().Workers[0].PID))
	if err != nil {
		t.Fatal(err)
	}
	defer worker.Close()
	if _, err := Printer.Call(t.Context(), pool, Print{"last", "words", 100, false}); err != nil {
		t.Fatal(err)
	}
	closed := make(chan error)
	go func() { closed <- pool.Close() }()
	for gone := false; !gone; { // its folder is empty then
		_, err := worker.Readdirnames(1)
		_, _ = worker.Seek(0, 0)
		gone = err != nil
	}
	close(out.letGo)
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if n := strings.Count(out.String(), "\n"); n != 100 {
		t.Errorf("%d lines came", n)
	}
}

// Lines arrive whole, whoever prints at the same time, and all that was printed
// has arrived when Close returns.
func TestWorkersLinesArriveWhole(t *testing.T) {
	t.Parallel()
	var out, errs lines
	pool, err := tutti.Open(t.Context(), tutti.Config{Workers: 2, Stdout: &out, Stderr: &errs})
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("0123456789", 20_000)
	var jobs []Print
	for i := range 8 {
		jobs = append(jobs, Print{fmt.Sprintf("job%d", i), "short", 200, i%2 == 1}, Print{fmt.Sprintf("big%d", i), long, 5, i%2 == 1})
	}
	for n, err := range Printer.Map(t.Context(), pool, slices.Values(jobs)) {
		if n == 0 || err != nil {
			t.Error(n, err)
		}
	}
	if err := pool.Close(); err != nil {
		t.Error(err)
	}
	var want [2][]string
	for _, p := range jobs {
		for i := range p.Lines {
			to := 0
			if p.ToStderr {
				to = 1
			}
			want[to] = append(want[to], fmt.Sprintf("%s %d %s", p.Tag, i, p.Fill))
		}
	}
	for i, l := range []*lines{&out, &errs} {
		got := strings.Split(strings.TrimSuffix(l.String(), "\n"), "\n")
		slices.Sort(got)
		slices.Sort(want[i])
		if !slices.Equal(got, want[i]) {
			broken := 0
			for _, line := range got {
				if !slices.Contains(want[i], line) {
					broken++
				}
			}
			t.Errorf("stream %d: %d lines came, %d of them broken; want %d", i+1, len(got), broken, len(want[i]))
		}
	}
}

// A task finds nothing of ours in its environment, and what it starts has the
// three descriptors that it should have.
func TestTasksSeeNothingOfOurs(t *testing.T) {
	t.Parallel()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() }) // behind the pool, which starts workers with it
	pool := open(t, tutti.Config{Workers: 2, Files: []*os.File{w}})
	env, err := Environ.Call(t.Context(), pool, 0)
	if err != nil {
		t.Fatal(err)
	}
	threads := 0
	for _, kv := range env {
		if strings.HasPrefix(kv, "TUTTI_") {
			t.Errorf("the environment holds %s", kv)
		}
		if strings.HasPrefix(kv, "OMP_NUM_THREADS=") || strings.HasPrefix(kv, "OPENBLAS_NUM_THREADS=") {
			threads++
		}
	}
	if threads != 2 {
		t.Errorf("threads are bounded by %d of 2 variables", threads)
	}
	out, err := Shell.Call(t.Context(), pool, "for fd in /proc/self/fd/*; do echo ${fd##*/}; done")
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range strings.Fields(out) {
		if fd != "0" && fd != "1" && fd != "2" && fd != "3" { // 3 is the folder itself
			t.Errorf("a command has descriptor %s", fd)
		}
	}
	out, err = Shell.Call(t.Context(), pool, "ls -l /proc/self/fd; cat; env")
	if err != nil || strings.Contains(out, "memfd") || strings.Contains(out, "TUTTI_WORKER") {
		t.Errorf("a command sees %s (%v)", out, err)
	}
}

// The descriptors of Config.Files begin at 6 in a worker.
func TestFilesAreInherited(t *testing.T) {
	t.Parallel()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() }) // behind the pool, which starts workers with it
	pool := open(t, tutti.Config{Workers: 1, Files: []*os.File{w}})
	if _, err := WriteTo6.Call(t.Context(), pool, "hello"); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 10)
	if n, err := r.Read(b); string(b[:n]) != "hello" || err != nil {
		t.Errorf("%q, %v", b[:n], err)
	}
}

var WriteTo6 = tutti.NewFunc("test.writeto6", func(_ context.Context, s string) (int, error) {
	return os.NewFile(6, "file").WriteString(s)
})

// A task may open a pool of its own.
func TestAPoolInsideAPool(t *testing.T) {
	t.Parallel()
	pool := open(t, tutti.Config{Workers: 2})
	for range 3 {
		if n, err := Inside.Call(t.Context(), pool, 10); n != 3*55+1 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
	}
}

// When a worker dies the pool that it had opened dies with it.
func TestAPoolInsideADeadWorker(t *testing.T) {
	t.Parallel()
	pool, g := open(t, tutti.Config{Workers: 1}), newGate(t)
	f, err := InsideMeet.Go(t.Context(), pool, g.visit(1), tutti.Retries(0))
	if err != nil {
		t.Fatal(err)
	}
	guest := g.await(1)[0]
	kill(t, pool, 0)
	guest.gone()
	if _, err := f.Wait(t.Context()); err == nil {
		t.Error("no error")
	}
}

var InsideMeet = tutti.NewFunc("test.insidemeet", func(ctx context.Context, v Visit) (int, error) {
	pool, err := tutti.Open(ctx, tutti.Config{Workers: 1})
	if err != nil {
		return 0, err
	}
	defer pool.Close()
	return Meet.Call(ctx, pool, v)
})
