package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/tutti-run/tutti"
	"github.com/tutti-run/tutti/sched"
)

// TestMain lets the test binary be its own worker and echo.
func TestMain(m *testing.M) {
	tutti.Main()
	startProcess()
	os.Exit(m.Run())
}

// Every contender that needs nothing installed does a small round; each checks its
// own results.
func TestRounds(t *testing.T) {
	for _, c := range []contender{
		{name: "threads, futex", round: betweenThreads(100, true)},
		{name: "processes, futex", round: betweenProcesses(anywhere, 100, true)},
		{name: "pipe", round: pipeRoundTrip(100)},
		{name: "start two", round: startTwo(2)},
		{name: "death notice", round: deathNotice(2)},
		{name: "bare loop", round: counted(10, bareLoop(10, 2))},
		{name: "goroutine pool", round: goroutinePool(5000)},
		{name: "goroutine call", round: goroutineCall(100)},
		{name: "codec", round: codecAlone(100)},
		oursCall("call", tutti.Config{Workers: 1, Spin: -1}, 100),
		{name: "processes, futex, rested", round: restedProcesses(anywhere, 20)},
		oursCallParked(20),
		oursOpen(2),
		oursRecovery(3),
		{name: "ipc, futex, a way", round: restedWake(aCPUEach, 5)},
		{name: "ipc, handover", round: handOver(5)},
		{name: "ipc, many to many", round: manyRate(5000)},
		{name: "ipc, bare ring", round: ringRate(8)},
		{name: "Go channel, many to many", round: goChannelManyRate(5000)},
		{name: "ipc, message, polling", round: messagePolling(100)},
		{name: "ipc, message, parked", round: messageParked(5)},
		{name: "ipc, numbers", round: chanRate(5000, 1)},
		{name: "ipc, numbers in batches", round: chanRate(5000, ipcBatch)},
		{name: "ipc, owner's death", round: ownerDeath(2)},
		{name: "ipc, stream", round: streamRate(8, 1)},
		{name: "ipc, lock", round: lockAlone(1000)},
		{name: "ipc, value", round: varRead(100_000)},
		{name: "sync.Mutex", round: syncMutexAlone(100_000)},
		{name: "Go channel", round: goChannelRate(5000)},
		{name: "memory copy", round: copyRate(8)},
		{name: "ipc, pipe, 1 MiB", round: pipeRate(8)},
		oursMasterDeath("master", "master", 2, 2),
		oursMasterDeath("master, commands", "master-commands", 4, 2),
		{name: "simulator", round: (&workshop{quick: true}).simRows()[0].contenders[0].round},
		{name: "simulator and reality", round: againstSimulator(bimodal(40))(sched.Default)},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, err := c.round(t.Context())
			if strings.HasPrefix(c.name, "ipc, ") && runtime.NumCPU() < 2 {
				t.Skip(err)
			}
			if err != nil || f.value <= 0 {
				t.Errorf("figure %v, error %v", f.value, err)
			}
		})
	}
}

// Each row is sound, and no two have the same name.
func TestRows(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, r := range (&workshop{rounds: 5}).rows() {
		if err := r.validate(); err != nil {
			t.Error(err)
		}
		if seen[r.name] || r.title == "" || r.unit.name == "" {
			t.Errorf("row %q: name taken, no title or no unit", r.name)
		}
		seen[r.name] = true
	}
}

func TestProgram(t *testing.T) {
	t.Parallel()
	o, err := program{path: "/bin/sh", args: []string{"-c", `echo '{"n":2,"ns":3,"sum":4}'`}}.outcome(t.Context())
	if want := (outcome{N: 2, Ns: 3, Sum: 4}); err != nil || o != want {
		t.Errorf("outcome %+v, %v; want %+v", o, err, want)
	}
	_, _, err = program{path: "/bin/sh", args: []string{"-c", "echo trouble >&2; exit 3"}}.run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "exit status 3") || !strings.Contains(err.Error(), "trouble") {
		t.Errorf("error %v, want the exit status and what it said", err)
	}
}

// A program that is ended takes what it started with it; a survivor would hold the
// output's pipe open, and run would wait for it.
func TestProgramEndsWithItsGroup(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	go func() {
		// The grandchild has opened the pipe for writing once this byte arrives.
		var b [1]byte
		read.Read(b[:])
		cancel()
		write.Close()
	}()
	path := fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), write.Fd())
	_, _, err = program{path: "/bin/sh", args: []string{"-c", "(echo x; exec sleep 1000) >" + path + " & wait"}}.run(ctx)
	if err == nil {
		t.Error("a killed program gave no error")
	}
	var b [1]byte
	read.Read(b[:]) // the newline
	if n, err := read.Read(b[:]); n != 0 {
		t.Errorf("read %d bytes, %v; want the end of the pipe", n, err)
	}
}

func TestCountedMissesCommands(t *testing.T) {
	t.Parallel()
	lazy := func(context.Context) (figure, error) { return figure{value: 1}, nil }
	if _, err := counted(1<<40, lazy)(t.Context()); err == nil {
		t.Error("a round that started nothing passed")
	}
}

func TestInstalled(t *testing.T) {
	t.Parallel()
	if _, err := installed("tutti-bench-no-such-tool", "x", "get it there")(t.Context()); err == nil || err.Error() != "get it there" {
		t.Errorf("error %v, want how to install it", err)
	}
}

func TestPeakOfRun(t *testing.T) {
	t.Parallel()
	cat, err := exec.LookPath("cat")
	if err != nil {
		t.Skip(err)
	}
	if peak, err := peakOfRun(t.Context(), program{path: cat}, 20_000); err != nil || peak <= 0 {
		t.Errorf("peak %d KiB, %v", peak, err)
	}
	head, err := exec.LookPath("head")
	if err != nil {
		t.Skip(err)
	}
	if _, err := peakOfRun(t.Context(), program{path: head, args: []string{"-n", "10"}}, 20_000); err == nil {
		t.Error("a program that lost lines passed")
	}
}

// The rows of commands, with what every machine has in the place of tools.
func TestCommandRounds(t *testing.T) {
	shop, err := openWorkshop(true, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer shop.close()
	shop.lines[1] = smallLines(t)
	j := jobOn("cat", 2)
	loop := tool{command: func(in inputs) program {
		return program{path: "/bin/sh", args: append([]string{"-c", `for f; do tee "$f" </dev/null; done`, "sh"}, in.lines...)}
	}}
	for _, c := range []contender{
		{name: "copies", round: shop.outputOf(tool{command: bareCopy}, ordered, j, 8)},
		{name: "first start", round: shop.firstOf(loop, j, 3)},
		{name: "counts", round: shop.countedBy(1, func(file string) program {
			return program{path: "/bin/sh", args: []string{"-c", `wc -l <"$1"`, "sh", file}}
		})},
		shop.rateOf(tool{name: "rate", command: func(in inputs) program {
			return program{path: "/bin/sh", args: []string{"-c", "while read n; do /bin/true; done"}, input: in.list}
		}}, jobTrue(1), 20),
	} {
		t.Run(c.name, func(t *testing.T) {
			f, err := c.round(t.Context())
			if err != nil || f.value <= 0 {
				t.Errorf("figure %v, error %v", f.value, err)
			}
		})
	}
	t.Run("wrong output", func(t *testing.T) {
		if _, err := shop.outputOf(tool{command: bareCopy}, tagged, j, 8)(t.Context()); err == nil {
			t.Error("output without tags passed")
		}
	})
	t.Run("no first job", func(t *testing.T) {
		idle := tool{command: func(inputs) program { return program{path: "true"} }}
		if _, err := shop.firstOf(idle, j, 1)(t.Context()); err == nil {
			t.Error("a tool that starts nothing passed")
		}
	})
	t.Run("lost lines", func(t *testing.T) {
		if _, err := shop.countedBy(1, func(string) program { return program{path: "echo", args: []string{"3"}} })(t.Context()); err == nil {
			t.Error("a wrong count passed")
		}
	})
}

func smallLines(t *testing.T) *lines {
	t.Helper()
	path := filepath.Join(t.TempDir(), "lines")
	if err := os.WriteFile(path, []byte("a\nb\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return &lines{path: path, size: 4, count: 2}
}

func TestSumLines(t *testing.T) {
	t.Parallel()
	if sum, count, err := sumLines("3\n 4\n"); sum != 7 || count != 2 || err != nil {
		t.Errorf("sum %d of %d, error %v", sum, count, err)
	}
	if _, _, err := sumLines("three\n"); err == nil {
		t.Error("a word passed for a number")
	}
}

func TestCheckJobLog(t *testing.T) {
	t.Parallel()
	list := filepath.Join(t.TempDir(), "numbers")
	for _, test := range []struct {
		log string
		ok  bool
	}{{"heading\nfirst\nsecond\n", true}, {"heading\nfirst\n", false}} {
		if err := os.WriteFile(list+".log", []byte(test.log), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := checkJobLog(list, 2); (err == nil) != test.ok {
			t.Errorf("%q: error %v", test.log, err)
		}
	}
}

// What the C program of two sides does, where there is a compiler.
func TestSides(t *testing.T) {
	shop, err := openWorkshop(true, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer shop.close()
	for _, c := range []contender{
		shop.sides("handover", "mutex", 5, rest), shop.sides("rested socket", "socket", 5, rest),
		shop.sides("rested semaphores", "semaphore", 5, rest),
		shop.sides("socket", "socket", 100, 0), shop.sides("semaphores", "semaphore", 100, 0),
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := c.ready(t.Context()); err != nil {
				t.Skip(err)
			}
			if f, err := c.round(t.Context()); err != nil || f.value <= 0 {
				t.Errorf("figure %v, error %v", f.value, err)
			}
		})
	}
}
