package cli

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"testing"

	"github.com/tutti-run/tutti/internal/options"
	"github.com/tutti-run/tutti/internal/resource"
)

// stockOf opens the stock of a run for so many units of resources a, b, ….
func stockOf(t testing.TB, ref spaceRef, units ...int) *stock {
	t.Helper()
	p := &plan{Map: new(options.Map), resources: resources{had: 100 * resource.CPU, each: resource.CPU}}
	for i, n := range units {
		a := asset{name: string(rune('a' + i))}
		for u := range n {
			a.ids = append(a.ids, fmt.Sprint(u))
		}
		p.assets = append(p.assets, a)
	}
	s, err := openStock(p, ref, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	return s
}

func stockFolder(t *testing.T) spaceRef {
	t.Helper()
	ref := spaceRef{Name: "s", Folder: t.TempDir()}
	t.Cleanup(func() { // after all have closed it, in which each gives back what it has
		if left, err := os.ReadDir(ref.Folder); err != nil || len(left) > 0 {
			t.Errorf("left: %v, %v", left, err)
		}
	})
	return ref
}

func mustTake(t *testing.T, s *stock, need ...int64) *grant {
	t.Helper()
	g, ok := s.take(need)
	if !ok {
		t.Fatalf("%v is not to be had", need)
	}
	return g
}

func mustNotTake(t *testing.T, s *stock, need ...int64) {
	t.Helper()
	if _, ok := s.take(need); ok {
		t.Fatalf("%v was to be had", need)
	}
}

// What a run keeps for a task that needs much no other run takes away, and nothing of
// the resource; what is over is theirs when the task has begun.
func TestStockIsGathered(t *testing.T) {
	t.Parallel()
	ref := stockFolder(t)
	one, other := stockOf(t, ref, 4, 1), stockOf(t, ref, 4, 1)
	first, second := mustTake(t, other, 0, 1, 0), mustTake(t, other, 0, 1, 0)
	mustNotTake(t, one, 0, 3, 0)
	one.keep(resource.Units{0, 3, 0})
	if free := one.free(); free[1] != 2 || free[2] != 1 || one.look() == nil {
		t.Errorf("%v is free", free)
	}
	if free := other.free(); free[1] != 0 || free[2] != 1 || other.look() == nil {
		t.Errorf("%v is free for the other", free)
	}
	mustNotTake(t, other, 0, 1, 0)
	other.give(mustTake(t, other, 0, 0, 1))
	other.give(first)
	mustNotTake(t, other, 0, 1, 0)
	big := mustTake(t, one, 0, 3, 0)
	one.keep(nil)
	other.give(second)
	mustTake(t, other, 0, 1, 0)
	mustNotTake(t, other, 0, 1, 0)
	one.give(big)
	mustTake(t, other, 0, 3, 0)
	if one.free(); one.look() == nil {
		t.Error("nobody looks for what others have")
	}
}

// Who gathers one resource keeps what it has of those before, and no more: of these others
// have the rest, and of those behind all.
func TestStockIsShared(t *testing.T) {
	t.Parallel()
	ref := stockFolder(t)
	one, other := stockOf(t, ref, 3, 1, 1), stockOf(t, ref, 3, 1, 1)
	had := mustTake(t, other, 0, 0, 1, 0)
	one.keep(resource.Units{0, 2, 1, 1})
	mustNotTake(t, other, 0, 2, 0, 0)
	other.give(mustTake(t, other, 0, 1, 0, 1))
	one.give(mustTake(t, one, 0, 1, 0, 1)) // a smaller job of its own
	one.keep(resource.Units{0, 2, 1, 1})
	mustNotTake(t, other, 0, 2, 0, 0)
	other.give(had)
	mustNotTake(t, other, 0, 0, 1, 0)
	mustTake(t, one, 0, 2, 1, 1)
	one.keep(nil)
	mustTake(t, other, 0, 1, 0, 0)
}

// A run that waits for a turn keeps nothing of the resources behind that one.
func TestStockWaitsInOrder(t *testing.T) {
	t.Parallel()
	ref := stockFolder(t)
	one, other := stockOf(t, ref, 2, 2), stockOf(t, ref, 2, 2)
	had := mustTake(t, one, 0, 1, 1)
	other.keep(resource.Units{0, 0, 2}) // has b's turn
	one.keep(resource.Units{0, 2, 2})   // has a's, and waits for b's
	other.keep(resource.Units{0, 2, 2}) // waits for a's: b's must be free for whoever has that
	one.keep(resource.Units{0, 2, 2})
	one.give(had)
	one.give(mustTake(t, one, 0, 2, 2))
	one.keep(nil)
	other.give(mustTake(t, other, 0, 2, 2))
}

// Runs that each do what their jobs need, in any order: no unit is ever with two, and
// all come to their ends.
func TestStockOfManyRuns(t *testing.T) {
	t.Parallel()
	for seed := range uint64(40) {
		random := rand.New(rand.NewPCG(seed, 3))
		ref := spaceRef{Name: "s", Folder: t.TempDir()}
		runs := []*manyRun{{stock: stockOf(t, ref, 3, 2)}, {stock: stockOf(t, ref, 3, 2)}, {stock: stockOf(t, ref, 3, 2)}}
		for _, r := range runs {
			r.left = 8
			r.need = anyNeed(random)
		}
		for step := 0; slices.ContainsFunc(runs, func(r *manyRun) bool { return r.left > 0 || len(r.has) > 0 }); step++ {
			if step > 10_000 {
				t.Fatalf("seed %d: they wait for each other", seed)
			}
			runs[random.IntN(len(runs))].step(random)
			taken := map[string]int{}
			for _, r := range runs {
				for _, g := range r.has {
					for a, units := range g.units {
						for _, u := range units {
							if taken[fmt.Sprint(a, u)]++; taken[fmt.Sprint(a, u)] > 1 {
								t.Fatalf("seed %d: two have unit %d of %d", seed, u, a)
							}
						}
					}
				}
			}
		}
	}
}

// manyRun is a run of TestStockOfManyRuns, whose jobs start in their order.
type manyRun struct {
	stock *stock
	left  int // jobs to start
	need  resource.Units
	has   []*grant
}

func anyNeed(random *rand.Rand) resource.Units {
	return resource.Units{0, random.Int64N(4), random.Int64N(3)}
}

func (r *manyRun) step(random *rand.Rand) {
	if len(r.has) > 0 && random.IntN(2) == 0 {
		r.stock.give(r.has[0])
		r.has = r.has[1:]
		return
	}
	if r.left == 0 {
		return
	}
	g, ok := r.stock.take(r.need)
	if !ok {
		r.stock.keep(r.need)
		return
	}
	r.stock.keep(nil)
	r.has = append(r.has, g)
	r.left--
	r.need = anyNeed(random)
}

// Whoever is killed, what jobs had is free when the last of them is gone, and not before.
func TestStockSurvivesDeaths(t *testing.T) {
	t.Parallel()
	kill := func(t *testing.T, sig syscall.Signal, pids ...int) {
		for _, pid := range pids {
			if err := syscall.Kill(pid, sig); err != nil {
				t.Error(pid, err)
			}
		}
	}
	for name, die := range map[string]func(t *testing.T, r *stockRun, master int){
		"nobody":  func(t *testing.T, r *stockRun, master int) { r.gate.Close() },
		"SIGTERM": func(t *testing.T, r *stockRun, master int) { kill(t, syscall.SIGTERM, master) },
		"master":  func(t *testing.T, r *stockRun, master int) { kill(t, syscall.SIGKILL, master) },
		"group":   func(t *testing.T, r *stockRun, master int) { kill(t, syscall.SIGKILL, -master) },
		"workers": func(t *testing.T, r *stockRun, master int) {
			kill(t, syscall.SIGKILL, workersOf(master)...)
			r.gate.Close() // for the third, which begins then
		},
		"commands": func(t *testing.T, r *stockRun, master int) {
			kill(t, syscall.SIGKILL, below(master, "read x")...)
			r.gate.Close()
		},
		"master, while workers are stopped": func(t *testing.T, r *stockRun, master int) {
			workers := workersOf(master)
			kill(t, syscall.SIGSTOP, workers...)
			kill(t, syscall.SIGKILL, master)
			awaitEnds(t, watched(t, []int{master}))
			if free := r.mine.free(); free[1] != 0 {
				t.Errorf("%v is free while commands run", free)
			}
			kill(t, syscall.SIGCONT, workers...)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := startStockRun(t)
			master := r.cmd.Process.Pid
			if free := r.mine.free(); free[1] != 0 {
				t.Errorf("%v is free while commands run", free)
			}
			all := watched(t, below(master, ""))
			die(t, r, master)
			_ = r.cmd.Wait()
			r.gate.Close()
			awaitEnds(t, all)
			mustTake(t, r.mine, 0, 3)
		})
	}
}

// stockRun is a tutti with two commands that have three units between them and one
// that waits. The commands tell of their start on descriptor 3, and read from 4.
type stockRun struct {
	cmd  *exec.Cmd
	gate *os.File
	mine *stock // of the same units, the test's own
}

func startStockRun(t *testing.T) *stockRun {
	t.Helper()
	ref := stockFolder(t)
	r := &stockRun{mine: stockOf(t, ref, 3)}
	started, theirs, err := os.Pipe()
	check(t, err)
	read, gate, err := os.Pipe()
	check(t, err)
	r.gate = gate
	t.Cleanup(func() { started.Close(); gate.Close() })
	tasks := ref.Folder + "-tasks"
	check(t, os.WriteFile(tasks, []byte(
		"resource: a=2 echo >&3; read x <&4\nresource: a=1 echo >&3; read x <&4\nresource: a=3 echo >&3; read x <&4\n"), 0o600))
	t.Cleanup(func() { _ = os.Remove(tasks) })
	var stderr bytes.Buffer
	r.cmd = exec.CommandContext(t.Context(), "tutti", "run", "-j4", "--have", "a=3", tasks)
	r.cmd.Env = append(os.Environ(), "SHELL=/bin/bash", spaceVariable+"="+ref.String())
	r.cmd.ExtraFiles = []*os.File{theirs, read}
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	r.cmd.Stderr = &stderr
	check(t, r.cmd.Start())
	theirs.Close()
	read.Close()
	if _, err := io.ReadFull(started, make([]byte, 2)); err != nil {
		t.Fatalf("%v: %s", err, stderr.String())
	}
	return r
}
