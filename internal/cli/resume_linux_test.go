package cli

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tutti-run/tutti/internal/journal"
)

// resumes is how many runs TestResumeAfterAnyDeath cuts off.
var resumes = flag.Int("cli.resumes", 16, "how many runs TestResumeAfterAnyDeath cuts off")

// crashRun is a run of jobs that each leave a line in a file of their own, so that it is
// known afterwards how often each was run.
type crashRun struct {
	*testing.T
	dir, state string
	jobs       int
}

func newCrashRun(t *testing.T, jobs int) *crashRun {
	r := &crashRun{t, t.TempDir(), t.TempDir(), jobs}
	if err := os.Mkdir(filepath.Join(r.dir, "ran"), 0o700); err != nil {
		t.Fatal(err)
	}
	return r
}

// start starts tutti in a process group of its own. all is closed by the last process
// of the run: each has the other end, since what tutti is started with its commands get.
func (r *crashRun) start(args ...string) (cmd *exec.Cmd, said *bytes.Buffer, all *os.File) {
	r.Helper()
	all, theirs, err := os.Pipe()
	if err != nil {
		r.Fatal(err)
	}
	said = new(bytes.Buffer)
	cmd = exec.Command("tutti", args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = r.dir, said, said
	cmd.Env = append(os.Environ(), "TMPDIR="+r.TempDir(), "SHELL=/bin/sh", "XDG_STATE_HOME="+r.state)
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := errors.Join(cmd.Start(), theirs.Close()); err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { _ = all.Close() })
	return cmd, said, all
}

// await waits until so many jobs have begun, or the run has ended.
func (r *crashRun) await(jobs int, ended <-chan error) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		names, err := os.ReadDir(filepath.Join(r.dir, "ran"))
		if err != nil || len(names) >= jobs {
			return
		}
		select {
		case <-ended:
			return
		case <-tick.C:
		}
	}
}

// runs is how often a job has run.
func (r *crashRun) runs(job int) int {
	text, _ := os.ReadFile(filepath.Join(r.dir, "ran", strconv.Itoa(job)))
	return bytes.Count(text, []byte("\n"))
}

func (r *crashRun) journals() *journal.Runs { return journal.RunsIn(filepath.Join(r.state, "tutti")) }

// powerCut takes the journal back to how it was at some time before: what was not
// synced is lost, or is zeros, and perhaps it ends within a line.
func (r *crashRun) powerCut(rnd *rand.Rand) {
	path := filepath.Join(r.state, "tutti", "1.run")
	text, err := os.ReadFile(path)
	if err == nil {
		at := rnd.IntN(len(text) + 1)
		if clear(text[at:]); rnd.IntN(2) == 0 {
			text = text[:at]
		}
		err = os.WriteFile(path, text, 0o600)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		r.Fatal(err)
	}
}

// eachDeath has f play runs that are cut off in each way in turn, by chance from first on.
func eachDeath(t *testing.T, first uint64, f func(r *crashRun, how string, rnd *rand.Rand)) {
	rnd := rand.New(rand.NewPCG(first, uint64(*resumes)))
	for n := range *resumes {
		how := []string{"master", "group", "power", "worker"}[n%4]
		seed := rnd.Uint64()
		t.Run(fmt.Sprintf("%s %d", how, seed), func(t *testing.T) {
			t.Parallel()
			f(newCrashRun(t, 60), how, rand.New(rand.NewPCG(seed, 0)))
		})
	}
}

// Whoever is killed, and whenever, resuming does all that was not done, and nothing of
// what the journal has.
func TestResumeAfterAnyDeath(t *testing.T) {
	t.Parallel()
	eachDeath(t, 1, func(r *crashRun, how string, rnd *rand.Rand) {
		args := []string{"map", "-j3", "echo x >> ran/{}", ":::"}
		for i := range r.jobs {
			args = append(args, strconv.Itoa(i))
		}
		r.cutOff(how, rnd, args)
	})
}

// Likewise tasks that wait for each other: what is noted waited for what is noted, so
// that nothing of it is to be run again.
func TestResumeTasksAfterAnyDeath(t *testing.T) {
	t.Parallel()
	eachDeath(t, 2, func(r *crashRun, how string, rnd *rand.Rand) {
		var tasks strings.Builder
		for i := range r.jobs {
			fmt.Fprintf(&tasks, "t%d: ", i)
			if i >= 4 {
				fmt.Fprintf(&tasks, "after: t%d,t%d ", i-4, i-1-i%3)
			}
			fmt.Fprintf(&tasks, "echo x >> ran/%d\n", i)
		}
		if err := os.WriteFile(filepath.Join(r.dir, "tasks"), []byte(tasks.String()), 0o600); err != nil {
			r.Fatal(err)
		}
		r.cutOff(how, rnd, []string{"run", "-j3", "tasks"})
	})
}

// cutOff begins a run, kills it, and resumes it.
func (r *crashRun) cutOff(how string, rnd *rand.Rand, args []string) {
	cmd, said, all := r.start(args...)
	ended := make(chan error, 1)
	go func() {
		ended <- cmd.Wait()
		close(ended)
	}()
	r.await(rnd.IntN(r.jobs), ended)
	r.kill(how, cmd.Process, rnd)
	<-ended
	if _, err := io.Copy(io.Discard, all); err != nil { // until all are gone
		r.Fatal(err)
	}
	if how == "power" {
		r.powerCut(rnd)
	}
	noted := map[string]bool{}
	_, err := r.journals().Read(1, func(j journal.Job) { noted[j.Command] = j.OK() })
	if errors.Is(err, journal.ErrNotJournal) || errors.Is(err, os.ErrNotExist) {
		return // it was cut off before it had begun
	}
	if err != nil {
		r.Fatal(err)
	}
	before := make([]int, r.jobs)
	for i := range before {
		before[i] = r.runs(i)
	}
	again, saidAgain, _ := r.start("resume", "1", "--failed")
	if err := again.Wait(); err != nil {
		r.Fatalf("%v: %s\nfirst: %s", err, saidAgain, said)
	}
	for i := range r.jobs {
		want := before[i] + 1
		if noted["echo x >> ran/"+strconv.Itoa(i)] {
			want--
		}
		if now := r.runs(i); now != want {
			r.Errorf("job %d: ran %d times, %d of them at first\nfirst: %s\nresumed: %s", i, now, before[i], said, saidAgain)
		}
	}
	rec, err := r.journals().Read(1, nil)
	if err != nil || rec.OK != int64(r.jobs) || rec.Failed != 0 || rec.Open {
		r.Errorf("in the end: %+v, %v", rec, err)
	}
}

// kill ends some of a run.
func (r *crashRun) kill(how string, master *os.Process, rnd *rand.Rand) {
	switch how {
	case "master", "power":
		_ = master.Kill()
	case "group":
		_ = syscall.Kill(-master.Pid, syscall.SIGKILL)
	case "worker":
		var pids [][]byte
		lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", master.Pid))
		for _, list := range lists {
			text, _ := os.ReadFile(list)
			pids = append(pids, bytes.Fields(text)...)
		}
		if len(pids) > 0 {
			if pid, err := strconv.Atoi(string(pids[rnd.IntN(len(pids))])); err == nil {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
	}
}
