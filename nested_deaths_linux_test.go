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
}

// wardOptions are the options of a Ward's calls, by name.
var wardOptions = map[string][]tutti.Option{
	"": nil, "once": {tutti.AtMostOnce()}, "no retry": {tutti.Retries(0)}, "four": {tutti.Retries(3)},
}

var Watch = tutti.NewFunc("test.watch", func(ctx context.Context, w Ward) (told []string, err error) {
	if err := leaveLine(w.Parent); err != nil {
		return nil, err
	}
	var opts []tutti.Option
	for i, how := range w.Calls {
		if how == "spin" {
			opts = []tutti.Option{tutti.Timeout(30 * time.Millisecond)}
		} else {
			opts = wardOptions[w.Options]
		}
		n, err := Misbehave.Call(ctx, tutti.FromContext(ctx), Misdeed{How: how, File: w.Child, N: i}, opts...)
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
		for {
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
// error and goes on, also when both were on one stack.
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
		for _, workers := range []int{1, 2} {
			t.Run(fmt.Sprint(name, ", workers ", workers), func(t *testing.T) {
				t.Parallel()
				pool := open(t, tutti.Config{Workers: workers, Grace: 20 * time.Millisecond, MaxRestarts: 100, Stderr: new(lines)})
				ward := c.ward
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
