package ipc

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// How histories are made: four processes, of which the last comes when the first one
// has died, do random operations on one object, two goroutines in each. Some are
// killed: by a signal from another one in the middle of whatever they do, or by
// themselves at some fail point. All yield the CPU at fail points now and then, or
// each would do its work in one go. What they do lies in memory that outlives them.

var historiesWant = flag.Int("ipc.histories", 12, "how many histories of each kind TestLinearizable makes")

const (
	historyProcesses = 4 // the last of them takes a dead one's place
	historyTogether  = 2 // goroutines of each
	historyLength    = 30
	historyEnv       = "IPC_TEST_HISTORY"

	// witness is the client that lives on, in the process of the test, and looks at
	// last at what the others have left.
	witness = historyProcesses * historyTogether
)

// pastEntry is a historyEntry in shared memory. Its client alone writes it, and whoever
// reads it waits until the client's process is gone.
type pastEntry struct {
	call, ret atomic.Int64
	op        op
	ins, outs uint32
	key       int64
	in, out   [8]int64
}

// past is the memory in which histories are recorded.
type past struct {
	begin   atomic.Uint32
	pids    [historyProcesses]atomic.Int32
	lengths [historyClients]atomic.Uint32
	entries [historyClients][2*historyLength + 16]pastEntry
}

const pastBytes = (int(unsafe.Sizeof(past{})) + pageBytes - 1) &^ (pageBytes - 1)

func mapPast(fd int) (*past, []byte, error) {
	b, err := unix.Mmap(fd, 0, pastBytes, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, nil, err
	}
	return (*past)(unsafe.Pointer(&b[0])), b, nil
}

// monotonic is the clock that all processes share.
func monotonic() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic("ipc: " + err.Error())
	}
	return ts.Nano()
}

// actor is a client that records what it does.
type actor struct {
	past   *past
	client int
	rnd    *rand.Rand
	number int64 // makes values, and the order of messages
	took   int64
}

func newActor(p *past, client int, seed uint64) *actor {
	return &actor{past: p, client: client, rnd: rand.New(rand.NewPCG(seed, uint64(client)))}
}

// next is a value that nobody else writes.
func (a *actor) next() int64 {
	a.number++
	return int64(a.client+1)*1000 + a.number
}

// do records f.
func (a *actor) do(o op, key int64, in []int64, f func() []int64) []int64 {
	n := a.past.lengths[a.client].Load()
	e := &a.past.entries[a.client][n]
	e.op, e.key, e.ins = o, key, uint32(copy(e.in[:], in))
	e.call.Store(monotonic())
	a.past.lengths[a.client].Store(n + 1) // the entry counts from here on
	out := f()
	e.outs = uint32(copy(e.out[:], out))
	e.ret.Store(monotonic())
	return out
}

// said is what an operation's error is in a history. Any other ends the client.
func said(err error) int64 {
	switch {
	case err == nil:
		return saidYes
	case errors.Is(err, ErrOwnerDied):
		return saidOwnerDied
	case errors.Is(err, ErrNotRecoverable):
		return saidLost
	case errors.Is(err, ErrClosed):
		return saidClosed
	case errors.Is(err, context.DeadlineExceeded):
		return saidInterrupted
	}
	panic(err)
}

// orNot is what a try said.
func orNot(ok bool, err error) int64 {
	if !ok && err == nil {
		return saidNo
	}
	return said(err)
}

// shortly is a context that ends soon, for who may wait for what never comes.
func shortly() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), time.Millisecond)
}

// play is what clients do with an object of each kind: client returns what one of them
// does over and over, and what it does at the end, so that nobody waits for it.
type play struct {
	client func(s *Space, a *actor) (act, leave func())
	// last is what the witness does when all others have died or left.
	last func(s *Space, a *actor)
}

var plays = map[string]play{
	"Mutex":     {mutexClient, mutexLast},
	"Semaphore": {semaphoreClient, semaphoreLast},
	"Chan":      {chanClient, chanLast},
	"Var":       {varClient, varLast},
	"Map":       {mapClient, mapLast},
	"Counter":   {counterClient, counterLast},
}

// historyPlan is what befalls the processes of a history.
type historyPlan struct {
	Process int // whose copy this is
	Seed    uint64
	Kind    string
	// Point has the fail points, counted from 1, at which processes die; 0: none.
	Point [historyProcesses]int
	// Victim has whom a process kills, counted from 1, before the operation of a
	// number; 0: nobody.
	Victim, Before [historyProcesses]int
}

func (p historyPlan) String() string {
	b, err := json.Marshal(p)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func planHistory(seed uint64, kind string) historyPlan {
	p := historyPlan{Seed: seed, Kind: kind}
	rnd := rand.New(rand.NewPCG(seed, 1))
	for i := range historyProcesses {
		switch rnd.IntN(4) {
		case 0, 1:
			p.Point[i] = 1 + rnd.IntN(200)
		case 2:
			p.Victim[i], p.Before[i] = 1+(i+1+rnd.IntN(historyProcesses-1))%historyProcesses, rnd.IntN(historyLength)
		}
	}
	return p
}

func init() { childModes["history"] = takePart }

// takePart is a process of a history: its descriptors are the memory of the past and
// the space, and it opens that when it is told to.
func takePart() error {
	var plan historyPlan
	if err := json.Unmarshal([]byte(os.Getenv(historyEnv)), &plan); err != nil {
		return err
	}
	i := plan.Process
	past, _, err := mapPast(3)
	if err != nil {
		return err
	}
	if i == historyProcesses-1 {
		if _, err := os.Stdin.Read(make([]byte, 1)); err != nil {
			return nil // nobody died
		}
	}
	dieOrYieldAtPoints(plan, i)
	s, err := Attach(4, Options{})
	if err != nil {
		return err
	}
	past.pids[i].Store(int32(os.Getpid()))
	fmt.Println("here")
	for past.begin.Load() == 0 {
		yieldCPU()
	}
	var clients sync.WaitGroup
	for k := range historyTogether {
		a := newActor(past, i*historyTogether+k, plan.Seed)
		act, leave := plays[plan.Kind].client(s, a)
		clients.Go(func() {
			for n := range historyLength {
				if k == 0 && plan.Victim[i] != 0 && n == plan.Before[i] {
					if pid := past.pids[plan.Victim[i]-1].Load(); pid != 0 {
						_ = unix.Kill(int(pid), unix.SIGKILL)
					}
				}
				act()
			}
			leave()
		})
	}
	clients.Wait()
	return s.Close()
}

func yieldCPU() { _, _, _ = unix.Syscall(unix.SYS_SCHED_YIELD, 0, 0, 0) }

// dieOrYieldAtPoints has this process die at its point, and yield at one of three.
func dieOrYieldAtPoints(plan historyPlan, i int) {
	var passed atomic.Uint64
	atPoints.Store("history", func(string) {
		n := passed.Add(1)
		if int(n) == plan.Point[i] {
			_ = unix.Kill(os.Getpid(), unix.SIGKILL)
			select {}
		}
		if (n+plan.Seed)*0x9e37_79b9_7f4a_7c15>>32%3 == 0 {
			yieldCPU()
		}
	})
}

// TestLinearizable makes histories and has them checked.
func TestLinearizable(t *testing.T) {
	t.Parallel()
	for _, k := range historyKinds {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			deaths, pending, entries, open := 0, 0, 0, 0
			for n := range *historiesWant {
				plan := planHistory(uint64(n)*7919+uint64(len(k.name)), k.name)
				h := makeHistory(t, plan)
				switch why := k.refused(h); why {
				case "":
				case undecided:
					open++
				default:
					t.Fatalf("%v: %s", plan, why)
				}
				deaths += len(h.died)
				entries += len(h.entries)
				for _, e := range h.entries {
					if e.ret == 0 {
						pending++
					}
				}
			}
			t.Logf("%d histories with %d operations, %d goroutines killed, %d of them within an operation; %d are undecided", *historiesWant, entries, deaths, pending, open)
			if open > 2+*historiesWant/10 {
				t.Error("too many histories are undecided: the models, or how much is done in a history, want another look")
			}
		})
	}
}

// makeHistory makes a history.
func makeHistory(t *testing.T, plan historyPlan) history {
	t.Helper()
	fd, err := unix.MemfdCreate("past", unix.MFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	memory := os.NewFile(uintptr(fd), "past")
	defer memory.Close()
	if err := memory.Truncate(int64(pastBytes)); err != nil {
		t.Fatal(err)
	}
	past, b, err := mapPast(fd)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Munmap(b)
	s, err := Anonymous(1<<20, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	a := newActor(past, witness, plan.Seed)
	plays[plan.Kind].client(s, a) // it makes the object
	killed := runHistory(t, s, past, memory, plan)
	plays[plan.Kind].last(s, a)
	return past.read(killed)
}

// runHistory runs the processes of a history and reports which were killed.
func runHistory(t *testing.T, s *Space, past *past, memory *os.File, plan historyPlan) (killed [historyProcesses]bool) {
	t.Helper()
	copied, err := unix.FcntlInt(uintptr(s.FD()), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	space := os.NewFile(uintptr(copied), "space")
	defer space.Close()
	var cmds [historyProcesses]*exec.Cmd
	var outs [historyProcesses]io.Reader
	var spare io.WriteCloser
	for i := range cmds {
		plan.Process = i
		cmd := exec.Command("/proc/self/exe")
		cmd.Env = append(os.Environ(), childEnv+"=history", fmt.Sprintf("%s=%v", historyEnv, plan), "GORACE=atexit_sleep_ms=0")
		cmd.Stderr, cmd.ExtraFiles = os.Stderr, []*os.File{memory, space}
		if outs[i], err = cmd.StdoutPipe(); err != nil {
			t.Fatal(err)
		}
		if i == historyProcesses-1 {
			if spare, err = cmd.StdinPipe(); err != nil {
				t.Fatal(err)
			}
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cmd.Process.Kill() })
		cmds[i] = cmd
	}
	for i := range historyProcesses - 1 { // who dies before that is at the end of its output
		_, _ = bufio.NewReader(outs[i]).ReadString('\n')
	}
	past.begin.Store(1)
	// None is reaped before all have ended: a number stands for one process until then.
	var once sync.Once
	var ends sync.WaitGroup
	for i, cmd := range cmds[:historyProcesses-1] {
		ends.Go(func() {
			if killed[i] = awaitEnd(t, cmd.Process.Pid); killed[i] {
				once.Do(func() { _, _ = spare.Write([]byte{1}) })
			}
		})
	}
	ends.Wait()
	_ = spare.Close()
	killed[historyProcesses-1] = awaitEnd(t, cmds[historyProcesses-1].Process.Pid)
	for i, cmd := range cmds {
		if err := cmd.Wait(); err != nil && !killed[i] {
			t.Fatalf("%v: process %d: %v", plan, i, err)
		}
	}
	return killed
}

// awaitEnd waits until a child has ended, leaves it to be reaped, and reports whether
// it was killed.
func awaitEnd(t *testing.T, pid int) bool {
	var info unix.Siginfo
	for {
		err := unix.Waitid(unix.P_PID, pid, &info, unix.WEXITED|unix.WNOWAIT, nil)
		if err == nil {
			return info.Code == cldKilled
		}
		if err != unix.EINTR {
			t.Errorf("wait for process %d: %v", pid, err)
			return false
		}
	}
}

const cldKilled = 2 // CLD_KILLED, which x/sys/unix does not name

// read returns what the clients recorded, when all of them are gone.
func (p *past) read(killed [historyProcesses]bool) history {
	h := history{died: map[int]int64{}}
	var alive [historyProcesses]int64 // when a process was alive for certain
	for c := range historyClients {
		for k := range p.lengths[c].Load() {
			e := &p.entries[c][k]
			h.entries = append(h.entries, historyEntry{
				client: c, op: e.op, key: e.key, in: slices.Clone(e.in[:e.ins]), out: slices.Clone(e.out[:e.outs]),
				call: e.call.Load(), ret: e.ret.Load(),
			})
			if i := c / historyTogether; i < historyProcesses {
				alive[i] = max(alive[i], e.call.Load(), e.ret.Load())
			}
		}
	}
	for i, yes := range killed {
		for k := range historyTogether {
			if c := i*historyTogether + k; yes && p.lengths[c].Load() > 0 {
				h.died[c] = alive[i]
			}
		}
	}
	return h
}
