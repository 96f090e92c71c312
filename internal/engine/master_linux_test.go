package engine

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// masterPoints are those that a master passes.
var masterPoints = []Point{PointAcquired, PointFilled, PointQueued, PointHinted, PointWoken, PointMarked, PointRung, PointRead, PointReleased}

// A master is killed at each point. Then the pool is gone: its workers end, those
// in a task too, and nothing is left of it: no process, no file, no shared memory
// with a name.
func TestKillMasterAtEveryPoint(t *testing.T) {
	skipUnderRace(t)
	for _, point := range masterPoints {
		for nth := 1; nth <= passings; nth++ {
			for kind := range masterKinds {
				t.Run(fmt.Sprint(kind, " ", point, " ", nth), func(t *testing.T) {
					t.Parallel()
					killMaster(t, kind, point, nth)
				})
			}
		}
	}
}

// masterKinds are the pools that a master has.
var masterKinds = map[string]func(*Config){
	"smp": func(*Config) {},
	"amp": func(c *Config) { c.Assign = true },
	"groups": func(c *Config) {
		c.setTestGroups(testGroup{"first", 1, []uint32{fnDouble, fnHold}}, testGroup{"second", 1, []uint32{fnDouble, fnHold}})
	},
}

func killMaster(t *testing.T, kind string, point Point, nth int) {
	tmp, before := t.TempDir(), unnamed(t)
	cmd := testBinary(fmt.Sprintf("%s=%s %d %d", masterVariable, kind, point, nth), "TMPDIR="+tmp)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Errorf("the master says %q: %v", line, err)
	}
	var workers []int
	for _, pid := range strings.Fields(line) {
		n, err := strconv.Atoi(pid)
		if err != nil {
			t.Fatalf("the master says %q", line)
		}
		fd, err := unix.PidfdOpen(n, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		workers = append(workers, fd)
	}
	_ = in.Close() // the word to go on
	err = cmd.Wait()
	if cmd.ProcessState == nil || !strings.Contains(cmd.ProcessState.String(), "killed") {
		t.Errorf("the master ended with %v: it does not pass the point so often", err)
	}
	if len(workers) != 2 {
		t.Errorf("workers: %q", line)
	}
	for _, fd := range workers {
		gone(t, fd)
	}
	if left := names(t, tmp); len(left) != 0 {
		t.Errorf("files left: %q", left)
	}
	if after := unnamed(t); len(after) > len(before) {
		t.Errorf("shared memory left: %q, before %q", after, before)
	}
}

// unnamed lists the shared memory of this machine but for spaces of package ipc, locks
// of resources and what is a test's by its name: pools make none of these, and other
// tests make them meanwhile.
func unnamed(t *testing.T) []string {
	return slices.DeleteFunc(names(t, "/dev/shm"), func(name string) bool {
		return strings.HasPrefix(name, "tutti-ipc-") || strings.HasPrefix(name, "tutti-resources-") || strings.Contains(name, "test-")
	})
}

func names(t *testing.T, dir string) (names []string) {
	entries, err := os.ReadDir(dir)
	if err != nil && !os.IsNotExist(err) {
		t.Error(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// beMaster is a program with a pool that dies at its nth passing of a point.
func beMaster(at string) {
	var kind string
	var point, nth int
	if _, err := fmt.Sscan(at, &kind, &point, &nth); err != nil {
		panic(err)
	}
	_ = os.Unsetenv(masterVariable)
	_, file, err := newControl()
	if err != nil {
		panic(err)
	}
	cfg := testConfig(&output{}, file)
	masterKinds[kind](&cfg)
	m, err := Open(context.Background(), cfg)
	if err != nil {
		panic(err)
	}
	for _, pid := range m.Workers() {
		fmt.Print(pid, " ")
	}
	fmt.Println()
	_, _ = os.Stdin.Read(make([]byte, 1))
	passed := make(chan struct{}, nth)
	failHook = func(p Point) {
		if p != Point(point) {
			return
		}
		select {
		case passed <- struct{}{}:
			if len(passed) == nth {
				die()
			}
		default:
		}
	}
	masterWork(m.Submitter())
	os.Exit(3)
}

// masterWork passes every point a few times, with a worker in a long task.
func masterWork(s *Submitter) {
	ctx := context.Background()
	occupy(s)
	var all []uint32
	for i := range int64(50) {
		if _, err := callOnce(ctx, s, &Spec{Fn: fnDouble}, i); err != nil {
			panic(err)
		}
		index, err := s.Acquire(ctx)
		if err != nil {
			panic(err)
		}
		all = append(all, index)
	}
	for _, index := range all {
		s.Unacquire(index)
	}
	occupy(s) // both workers are: what is submitted now can be taken back
	for i := range int64(passings) {
		index, _ := put(ctx, s, i)
		s.Cancel(s.Submit(index, &Spec{Fn: fnDouble}))
		if err := s.Wait(ctx, nil, index); err != nil {
			panic(err)
		}
		s.Release(index)
	}
}

// occupy has a worker run a task that does not end.
func occupy(s *Submitter) {
	ctx := context.Background()
	index, err := s.Acquire(ctx)
	if err == nil {
		_, err = s.Input(ctx, index, 1)
	}
	if err != nil {
		panic(err)
	}
	s.Submit(index, &Spec{Fn: fnHold})
	if !eventually(func() bool { return Word(s.m.words[index].Load()).state() == Running }) {
		panic("no worker takes the task")
	}
}
