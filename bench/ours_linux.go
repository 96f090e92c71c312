package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/tutti-run/tutti"
)

// The functions that workers of ours run.
var (
	addOne   = tutti.NewFunc("bench.addOne", func(_ context.Context, x int64) (int64, error) { return x + 1, nil })
	recordID = tutti.NewFunc("bench.recordID", func(_ context.Context, r Record) (int64, error) { return r.ID, nil })
)

func first(n int64) iter.Seq[int64] {
	return func(yield func(int64) bool) {
		for i := range n {
			if !yield(i) {
				return
			}
		}
	}
}

func firstRecords(n int64) iter.Seq[Record] {
	return func(yield func(Record) bool) {
		for i := range n {
			if !yield(newRecord(i)) {
				return
			}
		}
	}
}

// withPool opens a pool for one measurement and closes it after.
func withPool(ctx context.Context, config tutti.Config, measure func(*tutti.Pool) (outcome, error)) (o outcome, err error) {
	pool, err := tutti.Open(ctx, config)
	if err != nil {
		return outcome{}, err
	}
	defer func() { err = errors.Join(err, pool.Close()) }()
	return measure(pool)
}

// mapped draws n results from a Map and adds them up.
func mapped[In any](ctx context.Context, pool *tutti.Pool, f *tutti.Func[In, int64], in iter.Seq[In]) (sum int64, err error) {
	for out, err := range f.Map(ctx, pool, in) {
		if err != nil {
			return 0, err
		}
		sum += out
	}
	return sum, nil
}

// mapRate is the rate of n tasks through Func.Map after a warm-up.
func mapRate[In any](ctx context.Context, config tutti.Config, f *tutti.Func[In, int64], in func(int64) iter.Seq[In], n, want int64) (figure, error) {
	o, err := withPool(ctx, config, func(pool *tutti.Pool) (outcome, error) {
		if _, err := mapped(ctx, pool, f, in(n/10)); err != nil {
			return outcome{}, err
		}
		begin := time.Now()
		sum, err := mapped(ctx, pool, f, in(n))
		return outcome{N: n, Ns: time.Since(begin).Nanoseconds(), Sum: sum}, err
	})
	if err == nil {
		err = o.check(n, want)
	}
	if err != nil {
		return figure{}, err
	}
	return o.perSecond(), nil
}

// oursMap maps the no-op over plain numbers; 0 workers are the default's.
func (w *workshop) oursMap(name string, workers int) contender {
	n := w.size(5_000_000)
	return contender{name: name, kind: ours, round: func(ctx context.Context) (figure, error) {
		return mapRate(ctx, tutti.Config{Workers: workers}, addOne, first, n, sumOfAddOne(n))
	}}
}

func (w *workshop) oursRecords() contender {
	n := w.size(500_000)
	return contender{name: "tutti, Func.Map", kind: ours, round: func(ctx context.Context) (figure, error) {
		return mapRate(ctx, tutti.Config{}, recordID, firstRecords, n, sumOfIDs(n))
	}}
}

// oursCall makes n calls, each after the result of the one before.
func oursCall(name string, config tutti.Config, n int64) contender {
	return contender{name: name, kind: ours, round: func(ctx context.Context) (figure, error) {
		o, err := withPool(ctx, config, func(pool *tutti.Pool) (outcome, error) {
			calls := func(n int64) (sum int64, err error) {
				for i := range n {
					out, err := addOne.Call(ctx, pool, i)
					if err != nil {
						return 0, err
					}
					sum += out
				}
				return sum, nil
			}
			if _, err := calls(n / 10); err != nil {
				return outcome{}, err
			}
			begin := time.Now()
			sum, err := calls(n)
			return outcome{N: n, Ns: time.Since(begin).Nanoseconds(), Sum: sum}, err
		})
		if err == nil {
			err = o.check(n, sumOfAddOne(n))
		}
		if err != nil {
			return figure{}, err
		}
		return o.microseconds(), nil
	}}
}

// oursCallParked makes n calls with a rest before each, so that the workers of a
// default pool are asleep, and counts that they were.
func oursCallParked(n int64) contender {
	return contender{name: "tutti, Func.Call, default pool", kind: ours, round: func(ctx context.Context) (f figure, err error) {
		_, err = withPool(ctx, tutti.Config{}, func(pool *tutti.Pool) (o outcome, err error) {
			before, err := sleeps(pool)
			if err != nil {
				return o, err
			}
			f, err = medianOf(n, time.Microsecond, func() (time.Duration, error) {
				time.Sleep(rest)
				begin := time.Now()
				out, err := addOne.Call(ctx, pool, n)
				took := time.Since(begin)
				if err == nil && out != n+1 {
					err = fmt.Errorf("%d and 1 are not %d", n, out)
				}
				return took, err
			})
			if err != nil {
				return o, err
			}
			after, err := sleeps(pool)
			if err == nil && after-before < n {
				err = fmt.Errorf("its workers slept %d times in %d calls: they were not parked", after-before, n)
			}
			return o, err
		})
		return f, err
	}}
}

// sleeps is how often the threads of a pool's workers went to sleep until now.
func sleeps(pool *tutti.Pool) (total int64, err error) {
	for _, worker := range pool.Stats().Workers {
		paths, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", worker.PID))
		if err != nil {
			return 0, err
		}
		for _, path := range paths {
			status, err := os.ReadFile(path)
			if err != nil {
				return 0, err
			}
			_, after, _ := strings.Cut(string(status), "\nvoluntary_ctxt_switches:")
			var n int64
			if _, err := fmt.Sscan(after, &n); err != nil {
				return 0, fmt.Errorf("%s: %w", path, err)
			}
			total += n
		}
	}
	return total, nil
}

// oursOpen opens a pool of two n times; closing it is not in the figure.
func oursOpen(n int64) contender {
	return contender{name: "tutti", kind: ours, round: func(ctx context.Context) (figure, error) {
		opened := make([]float64, 0, n)
		f, err := medianOf(n, time.Millisecond, func() (time.Duration, error) {
			begin := time.Now()
			var took time.Duration
			o, err := withPool(ctx, tutti.Config{Workers: 2}, func(pool *tutti.Pool) (outcome, error) {
				opened = append(opened, float64(time.Since(begin).Nanoseconds())/1e6)
				sum, err := addOne.Call(ctx, pool, 0)
				took = time.Since(begin)
				return outcome{N: 1, Ns: took.Nanoseconds(), Sum: sum}, err
			})
			if err == nil {
				err = o.check(1, 1)
			}
			return took, err
		})
		if err == nil {
			f.note = fmt.Sprintf("%s; Open alone: %s", f.note, formatFigure(summarize(opened).Median))
		}
		return f, err
	}}
}

func (w *workshop) memoryOfFunctions() row {
	return row{
		name: "memory-functions", unit: times, maxRounds: memoryRounds,
		title: "growth of the master's peak memory from few inputs to many: a no-op through Func.Map over an iterator",
		contenders: []contender{{name: "tutti, Func.Map", kind: ours, round: func(ctx context.Context) (figure, error) {
			return growth(ctx, w.size(10_000_000), peakOfFunctions)
		}}},
		targets: []target{{bound: 1.1}},
	}
}

// mapInputs is the child "memory": it maps the no-op over as many inputs as its
// argument says and reports its own peak memory.
func mapInputs() error {
	if len(os.Args) != 4 {
		return errors.New("memory takes the number of inputs")
	}
	n, err := strconv.ParseInt(os.Args[3], 10, 64)
	if err != nil {
		return err
	}
	ctx := context.Background()
	o, err := withPool(ctx, tutti.Config{}, func(pool *tutti.Pool) (outcome, error) {
		begin := time.Now()
		sum, err := mapped(ctx, pool, addOne, first(n))
		return outcome{N: n, Ns: time.Since(begin).Nanoseconds(), Sum: sum}, err
	})
	if err != nil {
		return err
	}
	peak, err := peakMemory("self")
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(memoryReport{o, peak})
}
