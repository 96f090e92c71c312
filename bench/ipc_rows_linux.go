package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

const noCompiler = "no C compiler; apt-get install -y gcc libc6-dev"

// buildC builds a peer's program of one C file with a compiler that is there.
func (w *workshop) buildC(compiler, missing, name string, flags ...string) (string, error) {
	cc, err := exec.LookPath(compiler)
	if err != nil {
		return "", errors.New(missing)
	}
	source, err := w.unpack(name + ".c")
	if err != nil {
		return "", err
	}
	path := filepath.Join(w.dir, name)
	return path, build(cc, append([]string{"-O2", "-o", path, source}, flags...)...)
}

// cMutex is a robust mutex of POSIX in one thread.
func (w *workshop) cMutex(n int64) contender {
	path := ""
	return contender{
		name: "pthread mutex, robust and shared, C", kind: peer,
		ready: func(context.Context) (_ string, err error) {
			path, err = w.buildC("cc", noCompiler, "mutex", "-pthread")
			return "", err
		},
		round: func(ctx context.Context) (figure, error) {
			return report(ctx, program{path: path, args: []string{strconv.FormatInt(n, 10)}}, n, sumOfIDs(n), outcome.nanoseconds)
		},
	}
}

// sides is two processes in C that talk to each other by what peers/sides.c calls by that
// name, after a rest each time or polling.
func (w *workshop) sides(name, what string, n int64, rest time.Duration) contender {
	path := ""
	return contender{
		name: name, kind: peer,
		ready: func(ctx context.Context) (_ string, err error) {
			if _, err = twoCPUs(ctx); err == nil {
				path, err = w.buildC("cc", noCompiler, "sides", "-pthread")
			}
			return "", err
		},
		round: func(ctx context.Context) (figure, error) {
			cpus, err := twoOfOurCPUs()
			if err != nil {
				return figure{}, err
			}
			args := []string{what}
			for _, x := range []int64{n, rest.Nanoseconds(), int64(cpus[0]), int64(cpus[1])} {
				args = append(args, strconv.FormatInt(x, 10))
			}
			return report(ctx, program{path: path, args: args}, n, sumOfIDs(n), outcome.microseconds)
		},
	}
}

// mpiRoundTrip is a message there and back over OpenMPI's shared memory.
func (w *workshop) mpiRoundTrip(n int64) contender {
	path := ""
	return contender{
		name: "OpenMPI, shared memory, C", kind: peer,
		ready: func(context.Context) (_ string, err error) {
			path, err = w.buildC("mpicc", "not installed; apt-get install -y openmpi-bin libopenmpi-dev", "pingpong")
			return "", err
		},
		round: func(ctx context.Context) (figure, error) {
			args := []string{"--allow-run-as-root", "--bind-to", "core", "--mca", "btl", "self,vader", "--mca", "pml", "ob1", "-np", "2", path, strconv.FormatInt(n, 10)}
			return report(ctx, program{path: "mpirun", args: args}, n, sumOfIDs(n), outcome.microseconds)
		},
	}
}

// chanRow compares a channel between two processes with one between two goroutines.
func (w *workshop) chanRow(name, title string, batch int, ratio float64) row {
	const goChannel = "a Go channel, two goroutines"
	n := w.size(10_000_000)
	return row{
		name: name, unit: messagesPerSecond, title: title,
		contenders: []contender{
			{name: "ipc.Chan, two processes", kind: ours, ready: twoCPUs, round: chanRate(n, batch)},
			{name: goChannel, kind: peer, round: goChannelRate(n)},
		},
		targets: []target{{bound: 25e6}, {against: goChannel, bound: ratio, goal: true}},
	}
}

// Names of who takes part in several rows of ipc.
const (
	bareFutex     = "futex, two processes"
	unixSocket    = "a Unix socket, C"
	twoSemaphores = "POSIX semaphores and 64 bytes of shared memory, C"
)

// ipcRows compare what package ipc has with what the machine and others have.
func (w *workshop) ipcRows() []row {
	calls, deaths := w.size(20_000_000), max(w.size(50), 5)
	rows := []row{{
		name: "ipc-lock", unit: nanoseconds,
		title: "a lock that nobody else wants, taken and given back, within one process",
		contenders: []contender{
			{name: "ipc.Mutex", kind: ours, round: lockAlone(calls)},
			{name: "sync.Mutex", kind: peer, round: syncMutexAlone(calls)},
			w.cMutex(calls),
		},
		targets: []target{{bound: 25}},
	}, {
		name: "ipc-owner-death", unit: milliseconds,
		title: fmt.Sprintf("from SIGKILL of a lock's owner until the next one, who slept, has the lock; the median of %d", deaths),
		contenders: []contender{
			{name: "ipc.Mutex, two processes", kind: ours, ready: twoCPUs, round: ownerDeath(deaths)},
			{name: "pidfd tells of a death", kind: floor, round: deathNotice(deaths)},
		},
		targets: []target{{bound: 1}},
	}}
	rows = append(rows, w.parkedRows()...)
	return append(rows,
		w.pollingRow(),
		w.chanRow("ipc-chan", "numbers to another process, one by one, over a channel of 1024", 1, 0.8),
		w.chanRow("ipc-chan-batch", "numbers to another process, 64 at a time, over a channel of 1024 (Go's one by one)", ipcBatch, 2),
		w.manyRow(), w.streamRow(), w.firstLapRow(),
		row{
			name: "ipc-var", unit: nanoseconds,
			title:      "a value that has not changed, read within one process",
			contenders: []contender{{name: "ipc.Var", kind: ours, round: varRead(10 * calls)}},
			targets:    []target{{bound: 3}},
		})
}

// parkedRows are those in which the other side is asleep.
func (w *workshop) parkedRows() []row {
	n := w.size(2000)
	return []row{{
		name: "ipc-handover", unit: microseconds,
		title: fmt.Sprintf("from giving a lock back until its next owner has it, who sleeps in another process; after a rest of %v, the median of %d", rest, n),
		contenders: []contender{
			{name: "ipc.Mutex, two processes", kind: ours, ready: twoCPUs, round: handOver(n)},
			{name: bareFutex, kind: floor, ready: twoCPUs, round: restedWake(aCPUEach, n)},
			w.sides("pthread mutex, robust and shared, C", "mutex", n, rest),
		},
		targets: []target{{bound: 10}, {against: bareFutex, bound: 1 / 1.5}},
	}, {
		name: "ipc-message-parked", unit: microseconds,
		title: fmt.Sprintf("64 bytes to another process and back after a rest of %v, in which it has gone to sleep; the median of %d", rest, n),
		contenders: []contender{
			{name: "ipc.Chan, two processes", kind: ours, ready: twoCPUs, round: messageParked(n)},
			{name: bareFutex, kind: floor, ready: twoCPUs, round: restedProcesses(aCPUEach, n)},
			w.sides(unixSocket, "socket", n, rest),
			w.sides(twoSemaphores, "semaphore", n, rest),
		},
		targets: []target{{against: bareFutex, bound: 1 / 1.5}},
	}}
}

func (w *workshop) pollingRow() row {
	return row{
		name: "ipc-message-polling", unit: microseconds,
		title: "64 bytes to another process and back, both sides polling: two ways",
		contenders: []contender{
			{name: "ipc.Chan, two processes", kind: ours, ready: twoCPUs, round: messagePolling(w.size(1_000_000))},
			{name: "cache line, two processes", kind: floor, ready: twoCPUs, round: betweenProcesses(aCPUEach, w.size(2_000_000), false)},
			w.mpiRoundTrip(w.size(1_000_000)),
			w.sides(unixSocket, "socket", w.size(200_000), 0),
			w.sides(twoSemaphores, "semaphore", w.size(1_000_000), 0),
		},
		targets: []target{{bound: 0.4}},
	}
}

func (w *workshop) manyRow() row {
	n := w.size(10_000_000)
	return row{
		name: "ipc-chan-many", unit: messagesPerSecond,
		title: fmt.Sprintf("numbers from %d goroutines of one process to %d of another, over a channel of 1024; no side is pinned", ipcMany, ipcMany),
		contenders: []contender{
			{name: "ipc.Chan, two processes", kind: ours, ready: twoCPUs, round: manyRate(n)},
			{name: "a Go channel, as many goroutines", kind: peer, round: goChannelManyRate(n)},
		},
		targets: []target{{bound: 10e6}},
	}
}

func (w *workshop) streamRow() row {
	const (
		memoryCopy = "a copy in memory"
		pipe       = "a pipe"
	)
	n := w.size(4000)
	return row{
		name: "ipc-stream", unit: gibPerSecond,
		title: "messages of 1 MiB from one process's memory into another's",
		contenders: []contender{
			{name: "ipc.Stream of 4 MiB", kind: ours, ready: twoCPUs, round: streamRate(n, 1)},
			{name: "a bare ring of 4 MiB, both sides polling", kind: floor, ready: twoCPUs, round: ringRate(n)},
			{name: memoryCopy, kind: floor, round: copyRate(n)},
			{name: pipe, kind: peer, ready: twoCPUs, round: pipeRate(n)},
		},
		targets: []target{{against: memoryCopy, bound: 0.6}, {against: pipe, bound: 4}},
	}
}

// firstLapRow is the stream row where neither side has touched the ring before.
func (w *workshop) firstLapRow() row {
	const memoryCopy = "a copy in memory"
	return row{
		name: "ipc-stream-first", unit: gibPerSecond,
		title: "4 messages of 1 MiB from one process's memory into another's, the first lap of a new ring",
		contenders: []contender{
			{name: "ipc.Stream of 4 MiB", kind: ours, ready: twoCPUs, round: streamRate(ipcStreamRoom/ipcPiece, 0)},
			{name: memoryCopy, kind: floor, round: copyRate(w.size(4000))},
		},
	}
}
