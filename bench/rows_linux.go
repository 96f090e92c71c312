package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/tutti-run/tutti"
)

// rows are the measurements, the machine's own first.
func (w *workshop) rows() []row {
	rows := []row{
		w.cacheLine(), w.futexWake(),
		w.functions("functions", w.oursMap("tutti, Func.Map, default pool", 0), true),
		w.functions("functions-1-worker", w.oursMap("tutti, Func.Map, 1 worker", 1), false),
		w.architectures(), w.waiting(), w.records(), w.callSpinning(), w.call(), w.callParked(),
		w.open(), w.recovery(), w.balance(),
		w.commands(), w.firstCommand(), w.firstStart(),
		w.memoryOfFunctions(), w.memoryOfCommands(),
	}
	return slices.Concat(rows, []row{w.graphLoad()}, w.ipcRows(), w.masterDeath(), w.starts(), w.outputRows(), w.pipeRows(), w.persistentRows(), w.memoryRows(), w.journalRows(), []row{w.makespan(), w.tokens()}, w.simRows())
}

func (w *workshop) cacheLine() row {
	n := w.size(2_000_000)
	return row{
		name: "machine-cache-line", unit: microseconds,
		title: "a cache line to another CPU and back, both sides spinning",
		contenders: []contender{
			{name: "two threads", kind: floor, ready: twoCPUs, round: betweenThreads(n, false)},
			{name: "two processes", kind: floor, ready: twoCPUs, round: betweenProcesses(anywhere, n, false)},
		},
	}
}

func (w *workshop) futexWake() row {
	n := w.size(100_000)
	return row{
		name: "machine-futex", unit: microseconds,
		title: "a sleeper woken and waking the first in turn: two wake-ups",
		contenders: []contender{
			{name: "futex, two threads", kind: floor, round: betweenThreads(n, true)},
			{name: "futex, two processes", kind: floor, round: betweenProcesses(anywhere, n, true)},
			{name: "pipes, two processes", kind: floor, round: pipeRoundTrip(n)},
		},
	}
}

// python is a measurement of pool.py, whose results must sum to what sum says.
func (w *workshop) python(name, measurement string, n int64, sum func(int64) int64, show func(outcome) figure) contender {
	return contender{name: name, kind: peer, ready: pythonReady, round: func(ctx context.Context) (figure, error) {
		script, err := w.pool()
		if err != nil {
			return figure{}, err
		}
		return report(ctx, program{path: "python3", args: []string{script, measurement, strconv.FormatInt(n, 10)}}, n, sum(n), show)
	}}
}

// plugin is a measurement of the go-plugin peer.
func (w *workshop) plugin(transport, measurement string, n int64, sum func(int64) int64, show func(outcome) figure) contender {
	name := map[string]string{"netrpc": "go-plugin, net/rpc", "grpc": "go-plugin, gRPC"}[transport]
	return contender{name: name, kind: peer, ready: w.goPluginReady, round: func(ctx context.Context) (figure, error) {
		path, err := w.goplugin()
		if err != nil {
			return figure{}, err
		}
		return report(ctx, program{path: path, args: []string{transport, measurement, strconv.FormatInt(n, 10)}}, n, sum(n), show)
	}}
}

func report(ctx context.Context, p program, n, sum int64, show func(outcome) figure) (figure, error) {
	o, err := p.outcome(ctx)
	if err == nil {
		err = o.check(n, sum)
	}
	if err != nil {
		return figure{}, err
	}
	return show(o), nil
}

func (w *workshop) functions(name string, own contender, everyone bool) row {
	const pool = "2 goroutines, channels of 1024"
	r := row{
		name: name, unit: tasksPerSecond,
		title: "no-op tasks, int64 in and int64 out, one submitter, results collected",
		contenders: []contender{
			own,
			{name: pool, kind: peer, round: goroutinePool(w.size(5_000_000))},
		},
		targets: []target{{bound: 5e6}, {against: pool, bound: 1, goal: true}},
	}
	if everyone {
		rate := outcome.perSecond
		r.contenders = append(r.contenders,
			w.python("Pool.imap, chunks of 64, Python", "imap-64", w.size(1_000_000), sumOfAddOne, rate),
			w.python("Pool.imap, chunks of 1, Python", "imap-1", w.size(50_000), sumOfAddOne, rate),
			w.python("ProcessPoolExecutor.map, Python", "executor-map", w.size(20_000), sumOfAddOne, rate),
			w.plugin("netrpc", "map", w.size(100_000), sumOfAddOne, rate),
			w.plugin("grpc", "map", w.size(50_000), sumOfAddOne, rate),
		)
	}
	return r
}

func (w *workshop) records() row {
	rate := outcome.perSecond
	return row{
		name: "records", unit: tasksPerSecond,
		title: "tasks whose input is a structure of 1 KiB with text, a list and bytes (through the codec) and whose result is its id",
		contenders: []contender{
			w.oursRecords(),
			{name: "CBOR there and back, one goroutine", kind: floor, round: codecAlone(w.size(500_000))},
			w.python("Pool.imap, chunks of 64, Python", "imap-records", w.size(100_000), sumOfIDs, rate),
			w.plugin("netrpc", "record", w.size(50_000), sumOfIDs, rate),
		},
		targets: []target{{bound: 300e3}},
	}
}

func (w *workshop) callSpinning() row {
	return row{
		name: "call-spinning", unit: microseconds,
		title: "one call and its result, one outstanding, one worker that spins",
		contenders: []contender{
			oursCall("tutti, Func.Call, 1 worker", tutti.Config{Workers: 1}, w.size(1_000_000)),
			{name: "cache line, two processes", kind: floor, ready: twoCPUs, round: betweenProcesses(anywhere, w.size(2_000_000), false)},
			{name: "a goroutine, unbuffered channels", kind: peer, round: goroutineCall(w.size(1_000_000))},
		},
		targets: []target{{bound: 1}},
	}
}

func (w *workshop) call() row {
	n := w.size(50_000)
	trip := outcome.microseconds
	return row{
		name: "call", unit: microseconds,
		title: "one call and its result, one outstanding, one after the other",
		contenders: []contender{
			oursCall("tutti, Func.Call, default pool", tutti.Config{}, n),
			{name: "futex, two processes", kind: floor, round: betweenProcesses(anywhere, n, true)},
			{name: "pipes, two processes", kind: floor, round: pipeRoundTrip(n)},
			w.plugin("netrpc", "call", w.size(20_000), sumOfAddOne, trip),
			w.plugin("grpc", "call", w.size(10_000), sumOfAddOne, trip),
			w.python("ProcessPoolExecutor.submit, Python", "executor-call", w.size(5_000), sumOfAddOne, trip),
		},
		targets: []target{{bound: 15}},
	}
}

func (w *workshop) callParked() row {
	n := w.size(2000)
	return row{
		name: "call-parked", unit: microseconds,
		title: fmt.Sprintf("one call and its result after a rest of %v, in which the other side has gone to sleep; the median of %d", rest, n),
		contenders: []contender{
			oursCallParked(n),
			{name: "futex, two processes", kind: floor, round: restedProcesses(anywhere, n)},
		},
		targets: []target{{bound: 15}},
	}
}

func (w *workshop) open() row {
	n := max(w.size(20), 5)
	same := func(n int64) int64 { return n } // each first result is 1
	twice := func(n int64) int64 { return 2 * n }
	start := outcome.milliseconds
	return row{
		name: "open", unit: milliseconds,
		title: "a pool of two workers, from opening it to its first result; the median of " + strconv.FormatInt(n, 10),
		contenders: []contender{
			oursOpen(n),
			{name: "two processes of this executable", kind: floor, round: startTwo(n)},
			w.python("Pool, Python", "open-pool", n, same, start),
			w.python("ProcessPoolExecutor, Python", "open-executor", n, same, start),
			w.plugin("netrpc", "open", n, twice, start),
		},
		targets: []target{{bound: 5}},
	}
}

func (w *workshop) recovery() row {
	kills := (w.size(1000) + int64(w.rounds) - 1) / int64(w.rounds)
	return row{
		name: "recovery", unit: milliseconds,
		title: fmt.Sprintf("from SIGKILL of a worker until its task runs in another; the median of %d kills a round (Python's pools do not recover: Pool hangs, ProcessPoolExecutor breaks)", kills),
		contenders: []contender{
			oursRecovery(kills),
			{name: "pidfd tells of a death", kind: floor, round: deathNotice(kills)},
		},
		targets: []target{{bound: 1}},
	}
}
