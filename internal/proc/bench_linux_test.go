package proc

import (
	"strconv"
	"syscall"
	"testing"
)

// BenchmarkBare is what Run is measured against: the system's fork and exec and a
// wait, and nothing else.
func BenchmarkBare(b *testing.B) {
	env := syscall.Environ()
	for b.Loop() {
		bare(b, env)
	}
}

func bare(b *testing.B, env []string) {
	pid, err := syscall.ForkExec("/bin/true", []string{"true"}, &syscall.ProcAttr{Env: env, Files: []uintptr{0, 1, 2}})
	if err != nil {
		b.Error(err)
		return
	}
	if _, err := syscall.Wait4(pid, nil, 0, nil); err != nil {
		b.Error(err)
	}
}

// BenchmarkRun runs the same command with its output captured and its tree watched.
func BenchmarkRun(b *testing.B) {
	env := syscall.Environ()
	b.ReportAllocs()
	for b.Loop() {
		capturedRun(b, env)
	}
}

func capturedRun(b *testing.B, env []string) {
	if res := Run(b.Context(), Command{Argv: []string{"/bin/true"}, Env: env}); res.StartErr != nil || res.Status.Exit != 0 {
		b.Error(res.StartErr, res.Status)
	}
}

// BenchmarkSeveralBare and BenchmarkSeveralRun keep eight commands a CPU going in one
// process, where strays cannot be ruled out by having no children at all.
func BenchmarkSeveralBare(b *testing.B) { several(b, bare) }

func BenchmarkSeveralRun(b *testing.B) { several(b, capturedRun) }

func several(b *testing.B, one func(*testing.B, []string)) {
	env := syscall.Environ()
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			one(b, env)
		}
	})
}

// BenchmarkOutput reads what the command writes as fast as it can.
func BenchmarkOutput(b *testing.B) {
	const size = 256 << 20
	b.SetBytes(size)
	for b.Loop() {
		sink := discard{buf: make([]byte, 128<<10)}
		Run(b.Context(), Command{Argv: []string{"head", "-c", strconv.Itoa(size), "/dev/zero"}, Out: &sink})
		if sink.total != size {
			b.Fatal(sink.total)
		}
	}
}

type discard struct {
	buf   []byte
	total int
}

func (d *discard) Room() []byte { return d.buf }
func (d *discard) Took(n int)   { d.total += n }
