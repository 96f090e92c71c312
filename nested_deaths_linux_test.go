package tutti_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tutti-run/tutti"
)

// Ward is a task that calls others which end badly, one after the other, and
// tells what it got from each. It leaves a line in Parent whenever it is begun.
type Ward struct {
	Parent, Child string // files
	Calls         []string
	Options       string
	Full          bool // the calls find no room in the pool
}

// wardOptions are the options of a Ward's calls, by name.
var wardOptions = map[string][]tutti.Option{
	"": nil, "once": {tutti.AtMostOnce()}, "no retry": {tutti.Retries(0)}, "four": {tutti.Retries(3)},
}

var Watch = tutti.NewFunc("test.watch", func(ctx context.Context, w Ward) (told []string, err error) {
	if err := leaveLine(w.Parent); err != nil {
		return nil, err
	}
	if w.Full {
		if err := fill(ctx); err != nil {
			return nil, err
		}
	}
	var opts []tutti.Option
	for i, how := range w.Calls {
		if how == "spin" {
			opts = []tutti.Option{tutti.Timeout(30 * time.Millisecond)}
		} else {
			opts = wardOptions[w.Options]
		}
		n := i
		if w.Options == "ever new" {
			n = os.Getpid()
		}
		n, err := Misbehave.Call(ctx, tutti.FromContext(ctx), Misdeed{How: how, File: w.Child, N: n}, opts...)
		told = append(told, tell(n, err))
	}
	return told, nil
})

// tell says in a few words what a call gave.
func tell(n int, err error) string {
	crash, crashed := errors.AsType[*tutti.CrashError](err)
	task, _ := errors.AsType[*tutti.TaskError](err)
	switch {
	case err == nil:
		return fmt.Sprint(n)
	case errors.Is(err, context.DeadlineExceeded):
		return "late"
	case crashed && task.Func == "test.misbehave" && task.Attempt == crash.Attempt:
		return fmt.Sprintf("exit %d in attempt %d", crash.Exit, crash.Attempt)
	}
	return err.Error()
}

// Misdeed is how a task is to end; it leaves a line in File when it is begun.
type Misdeed struct {
	How  string
	File string
	N    int
}

var Misbehave = tutti.NewFunc("test.misbehave", func(_ context.Context, m Misdeed) (int, error) {
	if err := leaveLine(m.File); err != nil {
		return 0, err
	}
	switch m.How {
	case "spin":
		for n := 0; ; n++ {
		}
	case "exit":
		os.Exit(3)
	}
	return m.N, nil
})

func leaveLine(file string) error {
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(f, os.Getpid())
	return errors.Join(err, f.Close())
}

// A call that takes its worker along fails alone: the task that made it gets the
// error and goes on, also when both were on one stack, be it for want of room.
func TestCallsDieAlone(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		ward  Ward
		told  string
		child int // times that the children were begun
	}{
		"spin":               {Ward{Calls: []string{"spin", "fine"}}, "late 1", 2},
		"two spin":           {Ward{Calls: []string{"spin", "spin", "fine"}}, "late late 2", 3},
		"exit":               {Ward{Calls: []string{"exit", "fine"}}, "exit 3 in attempt 3 1", 4},
		"exit, no retry":     {Ward{Calls: []string{"exit", "fine"}, Options: "no retry"}, "exit 3 in attempt 1 1", 2},
		"exit, at most once": {Ward{Calls: []string{"exit", "fine"}, Options: "once"}, "exit 3 in attempt 1 1", 2},
		"exit, four":         {Ward{Calls: []string{"exit"}, Options: "four"}, "exit 3 in attempt 4", 4},
	} {
		for i, full := range []bool{false, false, true, true} {
			workers := 1 + i%2
			t.Run(fmt.Sprint(name, ", workers ", workers, ", full ", full), func(t *testing.T) {
				t.Parallel()
				pool := open(t, tutti.Config{Workers: workers, Tasks: 64, Grace: 20 * time.Millisecond, MaxRestarts: 100, Stderr: new(lines)})
				ward := c.ward
				ward.Full = full
				ward.Parent, ward.Child = filepath.Join(t.TempDir(), "p"), filepath.Join(t.TempDir(), "c")
				told, err := Watch.Call(t.Context(), pool, ward)
				if got := strings.Join(told, " "); got != c.told || err != nil {
					t.Errorf("%s, want %s; %v", got, c.told, err)
				}
				children, parents := len(begun(t, ward.Child)), len(begun(t, ward.Parent))
				if children < c.child || workers == 1 && children > c.child {
					t.Errorf("the calls were begun %d times, want %d", children, c.child)
				}
				if parents > c.child+1 {
					t.Errorf("the task was begun %d times", parents)
				}
			})
		}
	}
}

// A task whose calls take its worker along and are others each time fails after a
// few rounds, and its error names the call.
func TestEverNewCallsAreGivenUp(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"spin", "exit"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			pool := open(t, tutti.Config{Workers: 1, Grace: 20 * time.Millisecond, MaxRestarts: 100, Stderr: new(lines)})
			ward := Ward{Calls: []string{how}, Options: "ever new", Parent: filepath.Join(t.TempDir(), "p"), Child: filepath.Join(t.TempDir(), "c")}
			_, err := Watch.Call(t.Context(), pool, ward)
			if crash, ok := errors.AsType[*tutti.CrashError](err); !ok || !strings.Contains(crash.Status, "test.misbehave") {
				t.Errorf("%v", err)
			}
			if n := len(begun(t, ward.Parent)); n > 8 {
				t.Errorf("the task was begun %d times", n)
			}
		})
	}
}

// The items of a Map that end badly fail in their places.
func TestItemsOfANestedMapDieAlone(t *testing.T) {
	t.Parallel()
	for i, full := range []bool{false, false, true, true} {
		workers, how := 1+i%2, ""
		if full {
			how = "full"
		}
		t.Run(fmt.Sprint(workers, how), func(t *testing.T) {
			t.Parallel()
			pool := open(t, tutti.Config{Workers: workers, Tasks: 64, Grace: 20 * time.Millisecond, MaxRestarts: 100, Stderr: new(lines)})
			told, err := WatchMany.Call(t.Context(), pool, Misdeed{How: how, File: filepath.Join(t.TempDir(), "c")})
			if got := strings.Join(told, " "); got != "0 exit 3 in attempt 1 2 exit 3 in attempt 1 4" || err != nil {
				t.Errorf("%s, %v", got, err)
			}
		})
	}
}

var WatchMany = tutti.NewFunc("test.watchmany", func(ctx context.Context, m Misdeed) (told []string, err error) {
	if m.How == "full" {
		if err := fill(ctx); err != nil {
			return nil, err
		}
	}
	for n, err := range Misbehave.Map(ctx, tutti.FromContext(ctx), func(yield func(Misdeed) bool) {
		for i := range 5 {
			if !yield(Misdeed{File: m.File, N: i, How: []string{"", "exit"}[i%2]}) {
				return
			}
		}
	}, tutti.Retries(0)) {
		told = append(told, tell(n, err))
	}
	return told, nil
})
