package tutti_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tutti-run/tutti"
)

var errBusy = tutti.RegisterError("test.busy", errors.New("the device is busy"))

// quotaError is of a type that does not travel.
type quotaError struct{ used, limit int }

func (e *quotaError) Error() string { return fmt.Sprintf("%d of %d used", e.used, e.limit) }

// faults are the ways to fail, by name.
var faults = map[string]func(ctx context.Context) error{
	"cancelled":  func(context.Context) error { return context.Canceled },
	"deadline":   func(context.Context) error { return fmt.Errorf("fetch: %w", context.DeadlineExceeded) },
	"eof":        func(context.Context) error { return io.EOF },
	"unexpected": func(context.Context) error { return fmt.Errorf("read %d: %w", 7, io.ErrUnexpectedEOF) },
	"no file":    func(context.Context) error { _, err := os.Open("/no/such/file"); return err },
	"errno":      func(context.Context) error { return syscall.EAGAIN },
	"closed":     func(context.Context) error { f, _ := os.Open("/"); _ = f.Close(); return f.Close() },
	"busy":       func(context.Context) error { return fmt.Errorf("outer: %w", fmt.Errorf("inner: %w", errBusy)) },
	"bare busy":  func(context.Context) error { return errBusy },
	"joined":     func(context.Context) error { return errors.Join(errBusy, io.EOF, errors.New("and more")) },
	"own type":   func(context.Context) error { return &quotaError{9, 8} },
	"typed nil":  func(context.Context) error { var e *quotaError; return e },
	"panic":      func(context.Context) error { panic(fmt.Sprintf("value %d", 42)) },
	//lint:ignore SA5000 it is to panic
	"nil map":   func(context.Context) error { var m map[string]int; m["a"] = 1; return nil },
	"panic err": func(context.Context) error { panic(errBusy) },
	"panic nil": func(context.Context) error { panic(nil) },
	"deep":      func(context.Context) error { return deepPanic(20) },
	"goexit":    func(context.Context) error { runtime.Goexit(); return nil },
	"fine":      func(context.Context) error { return nil },
	"long text": func(context.Context) error { return errors.New(strings.Repeat("é\xff", 100_000)) },
}

func deepPanic(n int) error {
	if n == 0 {
		panic("at the bottom")
	}
	return deepPanic(n - 1)
}

var Fail = tutti.NewFunc("test.fail", func(ctx context.Context, how string) (int, error) {
	return 1, faults[how](ctx)
})

func TestErrorsKeepWhatTheyAre(t *testing.T) {
	t.Parallel()
	pool := open(t, tutti.Config{})
	for how, c := range map[string]struct {
		is   []error
		not  []error
		text string
	}{
		"cancelled":  {is: []error{context.Canceled}, not: []error{context.DeadlineExceeded}, text: "context canceled"},
		"deadline":   {is: []error{context.DeadlineExceeded}, text: "fetch: context deadline exceeded"},
		"eof":        {is: []error{io.EOF}, not: []error{io.ErrUnexpectedEOF}},
		"unexpected": {is: []error{io.ErrUnexpectedEOF}, not: []error{io.EOF}, text: "read 7: unexpected EOF"},
		"no file":    {is: []error{fs.ErrNotExist, os.ErrNotExist, syscall.ENOENT}, text: "open /no/such/file: no such file or directory"},
		"errno":      {is: []error{syscall.EAGAIN}, not: []error{syscall.ENOENT}},
		"closed":     {is: []error{fs.ErrClosed}},
		"busy":       {is: []error{errBusy}, not: []error{io.EOF}, text: "outer: inner: the device is busy"},
		"bare busy":  {is: []error{errBusy}},
		"joined":     {is: []error{errBusy, io.EOF}, text: "the device is busy\nEOF\nand more"},
		"own type":   {text: "9 of 8 used"},
		"long text":  {text: strings.Repeat("é\xff", 100_000)},
	} {
		_, err := Fail.Call(t.Context(), pool, how)
		var task *tutti.TaskError
		if !errors.As(err, &task) || task.Func != "test.fail" || task.Worker < 1 || task.Worker > 2 || task.Attempt != 1 {
			t.Errorf("%s: no TaskError that says where: %+v (%v)", how, task, err)
			continue
		}
		for _, is := range c.is {
			if !errors.Is(err, is) {
				t.Errorf("%s: %v is not %v", how, err, is)
			}
		}
		for _, not := range c.not {
			if errors.Is(err, not) {
				t.Errorf("%s: %v is %v", how, err, not)
			}
		}
		if c.text != "" && task.Err.Error() != c.text {
			t.Errorf("%s: says %.200q", how, task.Err)
		}
	}
}

func TestForeignErrorTypes(t *testing.T) {
	t.Parallel()
	pool := open(t, tutti.Config{})
	for how, want := range map[string]tutti.RemoteError{
		"own type": {Type: "*tutti_test.quotaError", Text: "9 of 8 used"},
		"no file":  {Type: "*fs.PathError", Text: "open /no/such/file: no such file or directory"},
	} {
		_, err := Fail.Call(t.Context(), pool, how)
		remote, ok := errors.AsType[*tutti.RemoteError](err)
		if !ok || remote.Type != want.Type || remote.Text != want.Text {
			t.Errorf("%s: %#v (%v)", how, remote, err)
		}
	}
	_, err := Fail.Call(t.Context(), pool, "no file")
	if errno, ok := errors.AsType[syscall.Errno](err); !ok || errno != syscall.ENOENT {
		t.Errorf("no errno in %v", err)
	}
}

func TestPanicsAreErrorsWithStacks(t *testing.T) {
	t.Parallel()
	pool := open(t, tutti.Config{Workers: 1})
	before := pool.Stats().Workers[0].PID
	for how, want := range map[string]struct{ value, stack string }{
		"panic":     {"value 42", "errors_linux_test.go"},
		"nil map":   {"assignment to entry in nil map", "errors_linux_test.go"},
		"panic err": {"the device is busy", "errors_linux_test.go"},
		"panic nil": {"panic called with nil argument", "errors_linux_test.go"},
		"deep":      {"at the bottom", "tutti_test.deepPanic"},
		"typed nil": {"nil pointer dereference", "quotaError"}, // its Error panics
	} {
		_, err := Fail.Call(t.Context(), pool, how)
		p, ok := errors.AsType[*tutti.PanicError](err)
		if !ok || !strings.Contains(p.Value, want.value) || !strings.Contains(p.Stack, want.stack) {
			t.Errorf("%s: %v\n%+v", how, err, p)
		}
	}
	if _, err := Fail.Call(t.Context(), pool, "goexit"); err == nil || !strings.Contains(err.Error(), "Goexit") {
		t.Errorf("runtime.Goexit gave %v", err)
	}
	if n, err := Fail.Call(t.Context(), pool, "fine"); n != 1 || err != nil {
		t.Errorf("afterwards: %d, %v", n, err)
	}
	if after := pool.Stats().Workers[0].PID; after != before {
		t.Errorf("the worker was replaced: process %d, then %d", before, after)
	}
}

// A task that ends its goroutine fails alone, wherever it stands in a batch, and
// in workers that run several at once.
func TestGoexitAmongOthers(t *testing.T) {
	t.Parallel()
	for _, lanes := range []int{1, 4} {
		pool := open(t, tutti.Config{Workers: 1, TasksPerWorker: lanes})
		i, failed := 0, 0
		for n, err := range Fail.Map(t.Context(), pool, func(yield func(string) bool) {
			for i := range 500 {
				if !yield([]string{"fine", "fine", "goexit"}[i%3]) {
					return
				}
			}
		}) {
			if (err != nil) != (i%3 == 2) || err == nil && n != 1 {
				t.Errorf("%d lanes, task %d: %d, %v", lanes, i, n, err)
			}
			if err != nil {
				failed++
			}
			i++
		}
		if i != 500 || failed != 166 {
			t.Errorf("%d lanes: %d tasks, %d failed", lanes, i, failed)
		}
	}
}

// In CallIt a task calls another, so that errors travel twice.
var CallIt = tutti.NewFunc("test.callit", func(ctx context.Context, how string) (int, error) {
	n, err := Fail.Call(ctx, tutti.FromContext(ctx), how)
	if err != nil {
		err = fmt.Errorf("my child: %w", err)
	}
	return n, err
})

func TestErrorsTravelTwice(t *testing.T) {
	t.Parallel()
	pool := open(t, tutti.Config{})
	for how, is := range map[string]error{"busy": errBusy, "no file": fs.ErrNotExist, "deadline": context.DeadlineExceeded, "errno": syscall.EAGAIN} {
		_, err := CallIt.Call(t.Context(), pool, how)
		if !errors.Is(err, is) || !strings.Contains(err.Error(), "my child: ") {
			t.Errorf("%s: %v", how, err)
		}
	}
	if _, err := CallIt.Call(t.Context(), pool, "panic"); err == nil || !strings.Contains(err.Error(), "value 42") {
		t.Errorf("the child's panic: %v", err)
	}
	if _, err := Fail.Call(t.Context(), pool, "cancelled", tutti.Timeout(time.Minute)); !errors.Is(err, context.Canceled) {
		t.Errorf("with a time limit: %v", err)
	}
}

// A function that the worker's program lacks is an error that names it and says
// what to do; the worker lives on.
func TestAFunctionThatTheWorkerLacks(t *testing.T) {
	t.Parallel()
	for _, lanes := range []int{1, 3} {
		pool := open(t, tutti.Config{Workers: 1, TasksPerWorker: lanes, Env: append(os.Environ(), envLack+"=1")})
		for range 3 {
			n, err := Lacked.Call(t.Context(), pool, 7)
			e, ok := errors.AsType[*tutti.TaskError](err)
			if n != 0 || !ok || e.Func != "test.lacked" || e.Worker != 1 || e.Attempt != 1 {
				t.Fatalf("%d, %v", n, err)
			}
			const says = "tutti: test.lacked (worker 1, attempt 1): the worker has no function of this name: it must be registered before tutti.Main is called, in a package-level variable"
			if err.Error() != says {
				t.Errorf("says %q", err)
			}
		}
		if n, err := Echo.Call(t.Context(), pool, 8); n != 8 || err != nil {
			t.Errorf("afterwards: %d, %v", n, err)
		}
		if w := pool.Stats().Workers[0]; w.Crashes != 0 {
			t.Errorf("%+v", w)
		}
	}
	if n, err := Lacked.Call(t.Context(), open(t, tutti.Config{}), 7); n != 7 || err != nil {
		t.Errorf("where it is there: %d, %v", n, err)
	}
}

// Errors of the pool begin as all others do.
func TestErrorsSayWhoSpeaks(t *testing.T) {
	t.Parallel()
	for _, err := range []error{tutti.ErrClosed, tutti.ErrFull, tutti.ErrTooLarge, tutti.ErrNoMemory, tutti.ErrNoMain} {
		if text := err.Error(); !strings.HasPrefix(text, "tutti: ") || strings.Count(text, "tutti: ") != 1 {
			t.Errorf("%q", text)
		}
	}
	pool, err := tutti.Open(t.Context(), tutti.Config{Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := pool.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Echo.Call(t.Context(), pool, 1); err == nil || err.Error() != tutti.ErrClosed.Error() {
		t.Errorf("a call of a closed pool: %v", err)
	}
}
